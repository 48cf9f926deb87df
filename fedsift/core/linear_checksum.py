"""Linear checksums: h(q) = sum of r_i * q_i mod 2^64, with r from a secret of the server.

Linear, so h(S) is the sum of the members' checksums whoever joined and left: a lost update, one counted twice, or a
flipped bit is found without any upload. r is one block of random odd 64-bit words repeated, times a random odd
factor for each block: checking costs a product a parameter and no memory to speak of, and since a product of odd
numbers is odd, no single flipped bit goes unseen.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import SLICE, UploadTerms
from fedsift.core.upload import Upload

_MASK64 = 2**64 - 1
_BLOCK = 1 << 20  # Words of r that are drawn; a multiple of the slices of a contribution.


class LinearChecksum:
    """h for one secret seed, over the vectors of some terms."""

    def __init__(self, secret: int, terms: UploadTerms) -> None:
        """Draw r; `secret` is a 128-bit number that only the server knows."""
        head = terms.head.vectors() if terms.head else {}
        size = max(terms.size, *head.values()) if head else terms.size
        self._of_head = list(head)
        generator = np.random.Philox(key=secret)
        blocks = -(-size // _BLOCK)
        self._factors = [int(word) | 1 for word in generator.random_raw(blocks)]
        self._block = generator.random_raw(min(size, _BLOCK)) | np.uint64(1)

    def of_upload(self, upload: Upload) -> tuple[int, ...]:
        """The checksum of each vector that an upload adds to, in the order of the server's sums."""
        levels_sum = mask_sum = 0
        for piece in upload.task_vector.slices():
            number, offset = divmod(piece.start, _BLOCK)
            words = self._block[offset : offset + len(piece.mask)].take(piece.places)
            mask_sum += self._factors[number] * int(words.sum(dtype=np.uint64))
            words *= piece.levels
            levels_sum += self._factors[number] * int(words.sum(dtype=np.uint64))
        of_head = dict.fromkeys(self._of_head, 0)
        for vector, start, values in upload.head.pieces() if upload.head else ():
            of_head[vector] += self.of_vector(values, start)
        return tuple(total & _MASK64 for total in (levels_sum, mask_sum, *of_head.values()))

    def of_vector(self, vector: NDArray[Any], start: int = 0) -> int:
        """The checksum h of a vector of integers that is zero but from entry `start` on, mod 2^64 as they are."""
        total, end = 0, start + len(vector)
        while start < end:
            number, offset = divmod(start, _BLOCK)
            count = min(SLICE - offset % SLICE, end - start)
            piece = vector[len(vector) - (end - start) :][:count].astype(np.uint64)
            piece *= self._block[offset : offset + count]
            total += self._factors[number] * int(piece.sum(dtype=np.uint64))
            start += count
        return total & _MASK64
