"""TIES-merging: trim, elect a sign, and average what agrees (Yadav et al. 2023, arXiv 2306.01708, algorithm 1).

As the reference does it (`prateeky2806/ties-merging`, src/utils/merge_utils.py, `topk20_mass_dis-mean`):

    1. trim: of each task vector keep the share K of the largest entries, by |tau| over the whole flattened model
    2. elect: gamma = sign(sum of the trimmed vectors), entry by entry; where that sum is zero, the sign that most
       entries of gamma have
    3. merge: the mean of the trimmed entries whose sign is gamma, over their number or 1, times lambda

Which sums a vector goes to depends on its sign alone, so the sum and the number of positive and of negative entries are
all that the later steps need. They can be kept as the vectors come, and with K fixed a vector can be subtracted again:
a removal is one training. (arXiv 2504.04626 counts T, as for methods that need all task vectors at once.)

Where the reference's details matter: the threshold is kthvalue(n - int(n * K)), kept with >=, so one entry more than
int(n * K) stays, and all that equal it; with no majority in gamma (as many of one sign as of the other) the undecided
entries average their negatives. The reference adds in float32, so where the sum all but cancels its gamma depends on
the order of arrival; the sums here are exact in units of 2^-40.
"""

import hashlib

import numpy as np

from fedsift.core.errors import BadInput, Refused
from fedsift.core.fixed_point import SCALE, FixedPointSum
from fedsift.core.task_vectors import Mask, Vector, largest_magnitude, slices
from fedsift.protocol.compared_method import Recipient
from fedsift.protocol.method import MODEL, ONE
from fedsift.strategies.families.merged_fine_tunings import MergedFineTunings, Merger

DENSITY = 0.2  # K
SCALES = tuple(step / 10 for step in range(8, 26))  # lambda: 0.8, 0.9, ..., 2.5 (the reference's search)
# K to search: arXiv 2504.04626 varies the density (figure 12) without a list of its values; these are ours.
DENSITIES = (0.1, 0.2, 0.4, 0.8)


class Ties(Merger):
    """Sums and counts of the positive and of the negative trimmed entries: 24 bytes a parameter.

    Attributes:
        density: K.
    """

    def __init__(self, size: int, *, density: float = DENSITY) -> None:
        """No members, for task vectors of `size` entries.

        Raises:
            BadInput: `density` is not a share above 0, up to 1 (1 trims nothing).
        """
        if not 0 < density <= 1:
            raise BadInput(f"TIES density = {density}: it is the share of entries kept, above 0 and up to 1")
        self.density = density
        self._positive, self._negative = FixedPointSum(size), FixedPointSum(size)
        self._positive_count, self._negative_count = np.zeros(size, np.uint32), np.zeros(size, np.uint32)
        super().__init__(self._positive.units, self._negative.units, self._positive_count, self._negative_count)

    def add(self, task_vector: Vector) -> None:
        """Trim a task vector, shape (n,), and merge it."""
        positive, negative = self._trimmed(task_vector)
        self._positive.add(task_vector, positive)
        self._negative.add(task_vector, negative)
        self._positive_count += positive
        self._negative_count += negative
        self.members += 1

    def subtract(self, task_vector: Vector) -> None:
        """Remove a member's task vector, shape (n,), to the bits of the sums that never had it.

        Raises:
            Refused: it cannot be a member's; nothing is changed.
        """
        positive, negative = self._trimmed(task_vector)
        if (self._positive_count < positive).any() or (self._negative_count < negative).any():
            raise Refused("the sums do not contain this task vector: no member moved some of its entries that way")
        self._positive.subtract(task_vector, positive)
        self._negative.subtract(task_vector, negative)
        self._positive_count -= positive
        self._negative_count -= negative
        self.members -= 1

    def _trimmed(self, task_vector: Vector) -> tuple[Mask, Mask]:
        """Where trimming keeps a positive, and where a negative entry; both of shape (n,)."""
        largest_magnitude(task_vector, len(self._positive_count))  # refuses
        threshold = trim_threshold(task_vector, self.density)
        positive = (task_vector >= threshold) & (task_vector > 0)
        return positive, (task_vector <= -threshold) & (task_vector < 0)

    def merged(self) -> Vector:
        """The disjoint mean, shape (n,)."""
        size = len(self._positive.units)
        majority = 0
        for entries in slices(size):
            elected = np.sign(self._positive.units[entries] + self._negative.units[entries])
            majority += int(elected.sum())
        merged = np.empty(size, np.float32)
        for entries in slices(size):
            positive, negative = self._positive.units[entries], self._negative.units[entries]
            total = positive + negative
            upwards = total >= 0 if majority > 0 else total > 0
            agreeing = np.where(upwards, positive, negative)
            count = np.where(upwards, self._positive_count[entries], self._negative_count[entries])
            merged[entries] = agreeing / (np.maximum(count, 1) * 2.0**SCALE)
        return merged


def trim_threshold(task_vector: Vector, density: float) -> np.float32:
    """The smallest |tau| that trimming keeps: the (n - int(n * density))-th smallest, or 0 where that is none."""
    rank = task_vector.size - int(task_vector.size * density)
    if rank == 0:
        return np.float32(0)
    magnitudes = np.abs(task_vector)
    magnitudes.partition(rank - 1)
    return np.float32(magnitudes[rank - 1])


class _Densities(Merger):
    """A merge for each density K that is still to choose from."""

    def __init__(self, size: int, densities: tuple[float, ...]) -> None:
        super().__init__()
        self.merges = {density: Ties(size, density=density) for density in densities}

    def add(self, task_vector: Vector) -> None:
        """Merge one more into each."""
        for merge in self.merges.values():
            merge.add(task_vector)

    def subtract(self, task_vector: Vector) -> None:
        """Remove one from each."""
        for merge in self.merges.values():
            merge.subtract(task_vector)

    def digest(self) -> bytes:
        """Over all of them."""
        return hashlib.sha256(b"".join(merge.digest() for merge in self.merges.values())).digest()


class TiesMerging(MergedFineTunings[_Densities]):
    """Everybody is served the merged vector times lambda; validation clients choose lambda and the density K."""

    name, title, paper, place = "ties", "TIES", "Yadav et al. 2023, arXiv 2306.01708", 12
    exact, cost, storage = True, ONE, MODEL
    subtracts = True
    candidates = tuple({"density": density, "scale": scale} for density in DENSITIES for scale in SCALES)

    def new_merger(self, size: int) -> _Densities:
        """Sums and counts of the trimmed entries by sign, for the density chosen, or before that for each."""
        return _Densities(size, (self.chosen["density"],) if self.chosen else DENSITIES)

    def settle(self) -> None:
        """Keep the merge of the density chosen."""
        density = self.chosen["density"]
        self.merger.merges = {density: self.merger.merges[density]}

    def shared(self) -> dict[str, Vector]:
        """The merged vector of each density, lambda 1."""
        return {str(density): merge.merged() for density, merge in self.merger.merges.items()}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The merged vector times lambda."""
        return [recipient.shared[str(terms["density"])] * np.float32(terms["scale"])]
