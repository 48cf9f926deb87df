"""FT + Merge: the plain mean of the task vectors.

Task arithmetic (Ilharco et al. 2023, arXiv 2212.04089) with the unweighted, unscaled mean of arXiv 2504.04626
(section 3, and appendix B, "Merging"): M0 + sum of tau_t / |T|.
"""

import hashlib

from fedsift.core.errors import Refused
from fedsift.strategies.merging.fixed_point import FixedPointSum
from fedsift.strategies.merging.vectors import Vector


class Mean:
    """The sum of the members' task vectors and their number: 8 bytes a parameter.

    Attributes:
        members: |T|.
    """

    def __init__(self, size: int) -> None:
        """No members, for task vectors of `size` entries."""
        self.members = 0
        self._sum = FixedPointSum(size)

    @property
    def nbytes(self) -> int:
        """Memory of the sum."""
        return self._sum.nbytes

    def add(self, task_vector: Vector) -> None:
        """Merge a member's task vector, shape (n,).

        Raises:
            Refused: it is of another shape, not finite or out of range; nothing is changed.
        """
        self._sum.add(task_vector)
        self.members += 1

    def subtract(self, task_vector: Vector) -> None:
        """Remove a member's task vector, shape (n,), to the bits of the sum that never had it.

        Raises:
            Refused: it cannot be a member's; nothing is changed.
        """
        if not self.members:
            raise Refused("there is no member to remove")
        self._sum.subtract(task_vector)
        self.members -= 1

    def merged(self) -> Vector:
        """The mean, shape (n,): what everybody is served."""
        return self._sum.mean(self.members)

    def total(self) -> Vector:
        """The sum, shape (n,): what TALL-masks compares each member with."""
        return self._sum.total()

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) over the number of members and the sum."""
        state = hashlib.sha256(self.members.to_bytes(8, "little"))
        self._sum.update_hash(state)
        return state.digest()
