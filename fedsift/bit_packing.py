"""Masks and quantised magnitudes as packed bits, lowest bit first, unused bits of the last byte zero."""

import numpy as np
from numpy.typing import NDArray

_SLICE = 1 << 16  # Values unpacked at a time: bounds the temporaries, and a multiple of 8 ends each slice on a byte.


def packed_size(count: int, bits: int) -> int:
    """Bytes that `count` values of `bits` bits take."""
    return (count * bits + 7) // 8


def pack(values: NDArray[np.uint32], bits: int) -> bytes:
    """Pack the lowest `bits` (1 to 32) bits of each value, one after the other."""
    packed = bytearray()
    for start in range(0, len(values), _SLICE):
        little_endian = values[start : start + _SLICE].astype("<u4").view(np.uint8).reshape(-1, 4)
        rows = np.unpackbits(little_endian, axis=1, count=bits, bitorder="little")
        packed += np.packbits(rows.reshape(-1), bitorder="little").tobytes()
    return bytes(packed)


def unpack(packed: bytes | memoryview, count: int, bits: int, first: int = 0) -> NDArray[np.uint32]:
    """Values first .. first + count - 1 of what `pack` packed with the same `bits`; shape (count,)."""
    values = np.empty(count, np.uint32)
    data = np.frombuffer(packed, np.uint8)
    for start in range(0, count, _SLICE):
        size = min(_SLICE, count - start)
        first_byte, skipped = divmod((first + start) * bits, 8)
        stream = np.unpackbits(data[first_byte:], count=skipped + size * bits, bitorder="little")[skipped:]
        rows = np.packbits(stream.reshape(size, bits), axis=1, bitorder="little")
        padded = np.zeros((size, 4), np.uint8)
        padded[:, : rows.shape[1]] = rows
        values[start : start + size] = padded.view("<u4")[:, 0]
    return values


def pack_mask(mask: NDArray[np.bool_]) -> bytes:
    """A mask of shape (n,) as ceil(n / 8) bytes."""
    return np.packbits(mask, bitorder="little").tobytes()


def unpack_mask(packed: bytes | memoryview, size: int) -> NDArray[np.bool_]:
    """The inverse of `pack_mask`; shape (size,)."""
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=size, bitorder="little").view(np.bool_)


def padding_is_zero(packed: bytes | memoryview, bits_used: int) -> bool:
    """Whether the unused bits of the last byte are all 0, as the format demands."""
    unused = len(packed) * 8 - bits_used
    return unused == 0 or packed[-1] >> (8 - unused) == 0
