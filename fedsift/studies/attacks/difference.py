"""State before minus state after: what a removal gives away to whoever sees the server's sums on both sides of it.

With S the sum of levels and C the count of masks, a removal of one client leaves S - q and C - m, so the difference is
that client's contribution q, m, entry by entry. This succeeds against every exact method: a state without the client,
bit for bit, differs from the one with it by the client. It is why sums stay with the server, and why removals can be
batched: one state published after k of them gives away the sum of k contributions only. At an entry which no other
leaver moved, that sum is still the client's own.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import Contribution
from fedsift.core.errors import BadInput, counted


class Sums(NamedTuple):
    """A server's sums, or a difference of them; unsigned integers of any width."""

    level_sum: NDArray[Any]  # S, shape (n,)
    mask_count: NDArray[Any]  # C, shape (n,)


class Recovered(NamedTuple):
    """How much of a client's contribution a difference is.

    Attributes:
        entries: the share of all n entries at which level and mask are the client's. Most entries of most clients are
            zero, so even a poor guess has many.
        kept: the same among the entries that the client's mask keeps; 1 if it keeps none.
    """

    entries: float
    kept: float


def before_minus_after(before: Sums, after: Sums) -> Sums:
    """What the clients removed in between had contributed: q and m if it was one, and their sums if more.

    Returns:
        In 64 bits, shape (n,).

    Raises:
        BadInput: the arrays are not unsigned integers of one shape, or a sum has grown, as no removal lets it.
    """
    differences = []
    shape = before.level_sum.shape
    for what, old, new in zip(("level sum", "mask count"), before, after, strict=True):
        for when, array in (("before", old), ("after", new)):
            if array.dtype.kind != "u" or array.shape != shape:
                raise BadInput(
                    f"{what} {when}: {array.dtype} of shape {array.shape}; expected unsigned integers of shape {shape}"
                )
        grown = np.flatnonzero(new > old)
        if len(grown):
            raise BadInput(f"{what}: entry {int(grown[0])} is larger after than before; between them was no removal")
        differences.append(old.astype(np.uint64) - new)
    return Sums(*differences)


def recovered(difference: Sums, contribution: Contribution) -> Recovered:
    """Compare a difference with the real contribution of one client that was removed.

    Raises:
        BadInput: they are of different sizes.
    """
    size = contribution.terms.size
    if difference.level_sum.shape != (size,):
        raise BadInput(
            f"difference of shape {difference.level_sum.shape}; the contribution has "
            f"{counted(size, 'entry', 'entries')}"
        )
    equal = equal_kept = 0
    for piece in contribution.slices():
        levels = np.zeros(len(piece.mask), np.uint32)
        levels[piece.places] = piece.levels
        same = (difference.level_sum[piece.entries] == levels) & (difference.mask_count[piece.entries] == piece.mask)
        equal += int(np.count_nonzero(same))
        equal_kept += int(np.count_nonzero(same & piece.mask))
    return Recovered(equal / size, equal_kept / contribution.nonzero if contribution.nonzero else 1.0)
