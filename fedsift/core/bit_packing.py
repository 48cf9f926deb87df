"""Masks and quantised magnitudes as packed bits, lowest bit first, unused bits of the last byte zero.

Values are packed several at once in 64-bit words, where those of a word fill whole bytes; the others (9, 11, 13, ...
bits) go bit by bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SLICE = 1 << 16  # Values that go bit by bit at a time: bounds the temporaries; a multiple of 8 ends on a byte.
# In a word of 64 bits with lanes of 8, 16 and 32 bits: all the lanes at even places.
_EVEN_LANES = {8: 0x00FF00FF00FF00FF, 16: 0x0000FFFF0000FFFF, 32: 0x00000000FFFFFFFF}


def packed_size(count: int, bits: int) -> int:
    """Bytes that `count` values of `bits` bits take."""
    return (count * bits + 7) // 8


def level_type(bits: int) -> np.dtype[Any]:
    """The narrowest unsigned integers for values of `bits` (1 to 32) bits."""
    return np.dtype("u1" if bits <= 8 else "<u2" if bits <= 16 else "<u4")


def pack(values: NDArray[Any], bits: int) -> bytes:
    """Pack unsigned values of `bits` (1 to 32) bits, one after the other."""
    values = values.astype(level_type(bits), copy=False)
    if _fills_bytes(bits):
        return _pack_words(values, bits)
    packed = bytearray()
    for start in range(0, len(values), _SLICE):
        little_endian = values[start : start + _SLICE].view(np.uint8).reshape(-1, values.itemsize)
        rows = np.unpackbits(little_endian, axis=1, count=bits, bitorder="little")
        packed += np.packbits(rows.reshape(-1), bitorder="little").tobytes()
    return bytes(packed)


def unpack(packed: bytes | memoryview, count: int, bits: int, first: int = 0) -> NDArray[Any]:
    """Values first .. first + count - 1 of what `pack` packed with the same `bits`; `level_type`, shape (count,).

    Raises:
        ValueError: there are not so many.
    """
    if len(packed) < packed_size(first + count, bits):
        raise ValueError(f"{len(packed)} bytes; {first + count} values take {packed_size(first + count, bits)}")
    data = np.frombuffer(packed, np.uint8)
    if _fills_bytes(bits):
        before = first % _values_a_word(bits)  # A word begins on a byte.
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


def _values_a_word(bits: int) -> int:
    return 8 // level_type(bits).itemsize


def _fills_bytes(bits: int) -> bool:
    return _values_a_word(bits) * bits % 8 == 0


def _pack_words(values: NDArray[Any], bits: int) -> bytes:
    """Lanes of a value each are joined to pairs, pairs to fours, fours to eights, leaving no gaps."""
    per_word, width = _values_a_word(bits), 8 * values.itemsize
    whole = np.zeros(-(-len(values) // per_word) * per_word, values.dtype)
    whole[: len(values)] = values
    words = whole.view("<u8")
    for lane, even in _EVEN_LANES.items():
        gap = lane - lane * bits // width
        if lane >= width and gap:
            odd = words & np.uint64(~even & 0xFFFFFFFFFFFFFFFF)
            odd >>= np.uint64(gap)
            words &= np.uint64(even)
            words |= odd
    size = per_word * bits // 8
    lowest = words.astype(f"<u{size}") if size in (1, 2, 4, 8) else words.view(np.uint8).reshape(-1, 8)[:, :size]
    return lowest.tobytes()[: packed_size(len(values), bits)]


def _unpack_words(data: NDArray[np.uint8], bits: int) -> NDArray[Any]:
    """The way back: what is above the lower half's bits of a lane moves to the upper half, in ever narrower lanes."""
    size, width = _values_a_word(bits) * bits // 8, 8 * level_type(bits).itemsize
    whole = np.zeros(-(-len(data) // size) * size, np.uint8)
    whole[: len(data)] = data
    if size in (1, 2, 4, 8):
        words = whole.view(f"<u{size}").astype("<u8", copy=False)
    else:
        bytes_of_words = np.zeros((len(whole) // size, 8), np.uint8)
        bytes_of_words[:, :size] = whole.reshape(-1, size)
        words = bytes_of_words.reshape(-1).view("<u8")
    for lane, even in reversed(_EVEN_LANES.items()):
        gap = lane - lane * bits // width
        if lane >= width and gap:
            low = np.uint64(even & ~(even << (lane - gap)))
            odd = words & ~low
            odd <<= np.uint64(gap)
            words &= low
            words |= odd
    return words.view(level_type(bits))


def pack_mask(mask: NDArray[np.bool_]) -> bytes:
    """A mask of shape (n,) as ceil(n / 8) bytes."""
    return np.packbits(mask, bitorder="little").tobytes()


def unpack_mask(packed: bytes | memoryview, size: int) -> NDArray[np.bool_]:
    """The inverse of `pack_mask`; shape (size,).

    Raises:
        ValueError: it is no mask of that size.
    """
    _check_size(packed, size)
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=size, bitorder="little").view(np.bool_)


def padding_is_zero(packed: bytes | memoryview, bits_used: int) -> bool:
    """Whether the unused bits of the last byte are all 0, as the format demands."""
    unused = len(packed) * 8 - bits_used
    return unused == 0 or packed[-1] >> (8 - unused) == 0


def entries_kept(packed: bytes | memoryview, size: int) -> int:
    """How many of `size` entries a packed mask keeps; counted a slice at a time.

    Raises:
        ValueError: it is no mask of that size.
    """
    _check_size(packed, size)
    parts = (np.frombuffer(packed[start : start + _SLICE], np.uint8) for start in range(0, len(packed), _SLICE))
    return sum(int(np.bitwise_count(part).sum(dtype=np.int64)) for part in parts)


def _check_size(packed: bytes | memoryview, size: int) -> None:
    if len(packed) != packed_size(size, 1):
        raise ValueError(f"a mask of {len(packed)} bytes; {size} entries take {packed_size(size, 1)}")
