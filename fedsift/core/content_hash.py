"""A hash of a set of rows that follows each change of one row: the seal of a ledger's content.

A row becomes 1,024 numbers of 16 bits (SHAKE-256 of its bytes), and the hash is their sum over all rows, mod 2^16 each:
AdHash (Bellare, Micciancio 1997) as LtHash has it (Lewi, Kim, Maykov, Weis 2019, eprint 2019/227). To find other rows
with the same sum is as hard as finding short vectors in a lattice, some 200 bits. Rows that were taken out leave no
trace: the hash is that of the rows which are there, whatever came before.
"""

import hashlib
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

_LANES = 1024
SIZE = 2 * _LANES  # bytes
Value = str | int | bytes
_TAGS = {str: b"t", int: b"i", bytes: b"b"}
_CONTEXT = b"fedsift ledger seal 1\0"  # What else the key signs begins in another way.


class ContentHash:
    """The hash of the rows of some tables."""

    def __init__(self, lanes: bytes = bytes(SIZE)) -> None:
        """Of no rows, or what `to_bytes` gave."""
        self._lanes: NDArray[np.uint16] = np.frombuffer(lanes, "<u2").astype(np.uint16)

    def add(self, table: str, row: Sequence[Value]) -> None:
        """Put a row in."""
        self._lanes += _lanes(table, row)

    def remove(self, table: str, row: Sequence[Value]) -> None:
        """Take a row out."""
        self._lanes -= _lanes(table, row)

    def copy(self) -> Self:
        """One of its own."""
        return type(self)(self.to_bytes())

    def to_bytes(self) -> bytes:
        """2,048 bytes."""
        return self._lanes.astype("<u2").tobytes()

    @property
    def signed(self) -> bytes:
        """The message that a ledger's key signs."""
        return _CONTEXT + hashlib.sha256(self.to_bytes()).digest()


def _lanes(table: str, row: Sequence[Value]) -> NDArray[np.uint16]:
    """Of the row's only spelling: each value with its type and length."""
    parts = [table.encode()]
    for value in row:
        data = value if isinstance(value, bytes) else str(value).encode()
        parts += [b"%c%d:" % (_TAGS[type(value)], len(data)), data]
    return np.frombuffer(hashlib.shake_256(b"".join(parts)).digest(SIZE), "<u2")
