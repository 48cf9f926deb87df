"""EMR-merging: elect, mask and rescale (Huang et al. 2024, arXiv 2405.17461).

As the reference does it (`harveyhuang18/EMR_Merging`, merge_vit/src/main_emr_merging.py, `emr_merge`):

    gamma    = +1 where the mean task vector is above zero, else -1 (zero gives -1)
    tau_uni  = gamma * the largest |tau_t| among the tau_t whose sign is gamma
    m_t      = 1{tau_t * gamma > 0}
    rescaler = sum over tensors of mean |tau_t| / sum over tensors of mean |tau_uni * m_t|

and a member is served M0 + rescaler * m_t * tau_uni. The rescaler takes the mean within each tensor first, so a bias of
768 entries weighs as much as a matrix of a million; a single L1 norm over the model is another number.

The server keeps the sum, the highest and the lowest entries, and sends tau_uni. Its sign is gamma wherever a member
agrees with gamma, and where none does tau_uni is zero: the member needs no more for its mask. The sum is in units of
2^-40, so gamma is -1 also where positive entries below 2^-41 are all there is.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from fedsift.core.errors import BadInput
from fedsift.core.fixed_point import FixedPointSum
from fedsift.core.task_vectors import Mask, Vector, hash_vector
from fedsift.protocol.compared_method import Recipient
from fedsift.protocol.method import EVERYBODY_ELSE, MODEL_AND_MASKS
from fedsift.strategies.families.merged_fine_tunings import MergedFineTunings


class Emr:
    """The sum, the highest and the lowest entries of the members' task vectors: 16 bytes a parameter.

    Attributes:
        members: number of task vectors merged.
    """

    def __init__(self, size: int) -> None:
        """No members, for task vectors of `size` entries."""
        self.members = 0
        self._sum = FixedPointSum(size)
        self._highest, self._lowest = np.zeros(size, np.float32), np.zeros(size, np.float32)

    def add(self, task_vector: Vector) -> None:
        """Merge a task vector, shape (n,).

        Raises:
            Refused: it is of another shape, not finite or out of range; nothing is changed.
        """
        self._sum.add(task_vector)
        # A zero never enters: which of 0.0 and -0.0 is the larger depends on the order and on the processor.
        np.maximum(self._highest, task_vector, out=self._highest, where=task_vector > 0)
        np.minimum(self._lowest, task_vector, out=self._lowest, where=task_vector < 0)
        self.members += 1

    def merged(self) -> Vector:
        """tau_uni, shape (n,)."""
        return np.where(self._sum.units > 0, self._highest, self._lowest)

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) over the number of members, the sum and the extremes."""
        state = hashlib.sha256(self.members.to_bytes(8, "little"))
        self._sum.update_hash(state)
        hash_vector(state, self._highest)
        hash_vector(state, self._lowest)
        return state.digest()


def emr_mask(task_vector: Vector, unified: Vector) -> Mask:
    """m_t, from the member's own task vector and tau_uni; both and the result of shape (n,)."""
    return ((task_vector > 0) & (unified > 0)) | ((task_vector < 0) & (unified < 0))


def rescaler(task_vector: Vector, unified: Vector, sizes: Sequence[int]) -> float:
    """The factor that gives what is served the magnitude of the member's own task vector.

    Args:
        task_vector: tau_t, shape (n,).
        unified: tau_uni, shape (n,).
        sizes: entries of each tensor, in the order in which they lie in the vectors; their sum is n.

    Returns:
        The rescaler; 1 where the mask keeps nothing, as nothing is served then (the reference divides by zero).

    Raises:
        BadInput: the sizes are not those of tensors that make up n entries.
    """
    if min(sizes, default=0) < 1 or sum(sizes) != len(task_vector):
        raise BadInput(f"tensors of {sum(sizes)} entries in all, for task vectors of {len(task_vector)}; none is empty")
    own = masked = 0.0
    start = 0
    for size in sizes:
        local, merged = task_vector[start : start + size], unified[start : start + size]
        own += float(np.abs(local).sum(dtype=np.float64)) / size
        masked += float(np.abs(merged[emr_mask(local, merged)]).sum(dtype=np.float64)) / size
        start += size
    return own / masked if masked else 1.0


def served(task_vector: Vector, unified: Vector, sizes: Sequence[int]) -> Vector:
    """The task vector that a member is served, rescaler * m_t * tau_uni; arguments as of `rescaler`, shape (n,)."""
    factor = np.float32(rescaler(task_vector, unified, sizes))
    mask = emr_mask(task_vector, unified)
    return np.multiply(unified, factor, out=np.zeros_like(unified), where=mask)


class EmrMerging(MergedFineTunings[Emr]):
    """A member is served the unified vector where its own agrees in sign, rescaled to its own size."""

    name, title, paper, place = "emr", "EMR-merging", "Huang et al. 2024, arXiv 2405.17461", 15
    exact, cost, storage = True, EVERYBODY_ELSE, MODEL_AND_MASKS

    def new_merger(self) -> Emr:
        """The sum, and the largest entries of either sign."""
        return Emr(self.size)

    def shared(self) -> dict[str, Vector]:
        """The unified vector."""
        return {"unified": self.merger.merged()}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The unified vector; for a member masked and rescaled."""
        unified = recipient.shared["unified"]
        return [unified if recipient.own is None else served(recipient.own, unified, recipient.sizes)]
