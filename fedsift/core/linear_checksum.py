"""Linear checksums: h(q) = sum of r_i * q_i mod 2^64, with r from a secret of the server.

Linear, so h(S) is the sum of the members' checksums whoever joined and left: a lost update, one counted twice, or a
flipped bit is found without any upload. r is one block of random odd 64-bit words repeated, times a random odd
factor for each block: checking costs a product a parameter and no memory to speak of, and since a product of odd
numbers is odd, no single flipped bit goes unseen.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import SLICE, Contribution

_MASK64 = 2**64 - 1
_BLOCK = 1 << 20  # Words of r that are drawn; a multiple of the slices of a contribution.


class LinearChecksum:
    """h for one secret seed, over vectors of up to `size` entries."""

    def __init__(self, secret: int, size: int) -> None:
        """Draw r; `secret` is a 128-bit number that only the server knows."""
        generator = np.random.Philox(key=secret)
        blocks = -(-size // _BLOCK)
        self._factors = [int(word) | 1 for word in generator.random_raw(blocks)]
        self._block = generator.random_raw(min(size, _BLOCK)) | np.uint64(1)

    def of_contribution(self, contribution: Contribution) -> tuple[int, int]:
        """The checksums h(q) and h(m) of a contribution."""
        levels_sum = mask_sum = 0
        for piece in contribution.slices():
            number, offset = divmod(piece.start, _BLOCK)
            words = self._block[offset : offset + len(piece.mask)].take(piece.places)
            mask_sum += self._factors[number] * int(words.sum(dtype=np.uint64))
            words *= piece.levels
            levels_sum += self._factors[number] * int(words.sum(dtype=np.uint64))
        return levels_sum & _MASK64, mask_sum & _MASK64

    def of_vector(self, vector: NDArray[Any]) -> int:
        """The checksum h of a whole vector of unsigned integers, shape (n,)."""
        total = 0
        for start in range(0, len(vector), SLICE):
            number, offset = divmod(start, _BLOCK)
            piece = vector[start : start + SLICE].astype(np.uint64)
            piece *= self._block[offset : offset + len(piece)]
            total += self._factors[number] * int(piece.sum(dtype=np.uint64))
        return total & _MASK64
