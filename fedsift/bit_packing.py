"""Masks and quantised magnitudes as packed bits, lowest bit first, unused bits of the last byte zero.

Up to 8 bits, eight values pass through one 64-bit word; 16 and 32 bits are plain integers; other widths go bit by bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SLICE = 1 << 16  # Values that go bit by bit at a time: bounds the temporaries; a multiple of 8 ends on a byte.
# In a word of 64 bits with lanes of 8, 16 and 32 bits: all the lanes at even places.
_EVEN_LANES = {8: 0x00FF00FF00FF00FF, 16: 0x0000FFFF0000FFFF, 32: 0x00000000FFFFFFFF}

# Widths at which eight values are as many bytes as an integer has.
_WHOLE = (1, 2, 4)


def packed_size(count: int, bits: int) -> int:
    """Bytes that `count` values of `bits` bits take."""
    return (count * bits + 7) // 8


def level_type(bits: int) -> np.dtype[Any]:
    """The narrowest unsigned integers for values of `bits` (1 to 32) bits."""
    return np.dtype("u1" if bits <= 8 else "<u2" if bits <= 16 else "<u4")


def pack(values: NDArray[Any], bits: int) -> bytes:
    """Pack unsigned values of `bits` (1 to 32) bits, one after the other."""
    values = values.astype(level_type(bits), copy=False)
    if bits in (8, 16, 32):
        return values.tobytes()
    if bits < 8:
        return _pack_words(values, bits)
    packed = bytearray()
    for start in range(0, len(values), _SLICE):
        little_endian = values[start : start + _SLICE].view(np.uint8).reshape(-1, values.itemsize)
        rows = np.unpackbits(little_endian, axis=1, count=bits, bitorder="little")
        packed += np.packbits(rows.reshape(-1), bitorder="little").tobytes()
    return bytes(packed)


def unpack(packed: bytes | memoryview, count: int, bits: int, first: int = 0) -> NDArray[Any]:
    """Values first .. first + count - 1 of what `pack` packed with the same `bits`; `level_type`, shape (count,)."""
    data = np.frombuffer(packed, np.uint8)
    if bits in (8, 16, 32):
        return data[first * bits // 8 : (first + count) * bits // 8].view(level_type(bits))
    if bits < 8:
        before = first % 8  # Every eighth value begins on a byte.
        start = (first - before) * bits // 8
        return _unpack_words(data[start : start + packed_size(before + count, bits)], bits)[before : before + count]
    values = np.zeros((count, level_type(bits).itemsize), np.uint8)
    for start in range(0, count, _SLICE):
        size = min(_SLICE, count - start)
        first_byte, skipped = divmod((first + start) * bits, 8)
        stream = np.unpackbits(data[first_byte:], count=skipped + size * bits, bitorder="little")[skipped:]
        rows = np.packbits(stream.reshape(size, bits), axis=1, bitorder="little")
        values[start : start + size, : rows.shape[1]] = rows
    return values.view(level_type(bits))[:, 0]


def _pack_words(values: NDArray[np.uint8], bits: int) -> bytes:
    """Eight values a word: lanes of 8 bits are joined to pairs, pairs to fours, fours to eight, leaving no gaps."""
    whole = np.zeros(-(-len(values) // 8) * 8, np.uint8)
    whole[: len(values)] = values
    words = whole.view("<u8")
    for lane, even in _EVEN_LANES.items():
        gap = np.uint64(lane - lane // 8 * bits)
        odd = words & np.uint64(~even & 0xFFFFFFFFFFFFFFFF)
        odd >>= gap
        words &= np.uint64(even)
        words |= odd
    lowest = words.astype(f"<u{bits}") if bits in _WHOLE else words.view(np.uint8).reshape(-1, 8)[:, :bits]
    return lowest.tobytes()[: packed_size(len(values), bits)]


def _unpack_words(data: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """The way back: what is right of the middle of a lane moves to the middle, in ever narrower lanes."""
    whole = np.zeros(-(-len(data) // bits) * bits, np.uint8)
    whole[: len(data)] = data
    if bits in _WHOLE:
        words = whole.view(f"<u{bits}").astype("<u8")
    else:
        lanes = np.zeros((len(whole) // bits, 8), np.uint8)
        lanes[:, :bits] = whole.reshape(-1, bits)
        words = lanes.reshape(-1).view("<u8")
    for lane, even in reversed(_EVEN_LANES.items()):
        gap = np.uint64(lane - lane // 8 * bits)
        low = np.uint64(even & ~(even << (lane // 8 * bits)))
        odd = words & ~low
        odd <<= gap
        words &= low
        words |= odd
    return words.view(np.uint8)


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
