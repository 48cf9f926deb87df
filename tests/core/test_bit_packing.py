import numpy as np
from hypothesis import given, strategies as st

from fedsift.core.bit_packing import pack, pack_mask, packed_size, padding_is_zero, unpack, unpack_mask


def test_by_hand() -> None:
    """1, 2, 3, 1 lowest bit first: 01 + 10 << 2 + 11 << 4 + 01 << 6 = 1 + 8 + 48 + 64; then 2 alone in a byte.

    5, 3, 6 in three bits each: 101 + 011 << 3 + 110 << 6 = 5 + 24 + 384 = 413 = 0x019D.
    """
    assert pack(np.array([1, 2, 3, 1, 2], np.uint32), 2) == bytes([121, 2])
    assert pack(np.array([5, 3, 6], np.uint32), 3) == bytes([0x9D, 0x01])
    assert pack_mask(np.array([1, 0, 0, 0, 0, 0, 0, 1, 0, 1], np.bool_)) == bytes([0x81, 0x02])


@given(data=st.data(), bits=st.integers(1, 32))
def test_round_trip_from_any_place(data: st.DataObject, bits: int) -> None:
    values = np.array(data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=40)), np.uint32)
    packed = pack(values, bits)
    first = data.draw(st.integers(0, len(values)))
    assert len(packed) == packed_size(len(values), bits)
    assert padding_is_zero(packed, len(values) * bits)
    assert np.array_equal(unpack(packed, len(values) - first, bits, first), values[first:])


def test_values_past_one_slice() -> None:
    values = np.arange(200_001, dtype=np.uint32) % 7
    assert np.array_equal(unpack(pack(values, 3), len(values), 3), values)


@given(st.lists(st.booleans(), max_size=70))
def test_mask_round_trip(mask: list[bool]) -> None:
    packed = pack_mask(np.array(mask, np.bool_))
    assert unpack_mask(packed, len(mask)).tolist() == mask
    assert padding_is_zero(packed, len(mask))


def test_padding_is_seen() -> None:
    assert padding_is_zero(bytes([0b00000111]), 3)
    assert not padding_is_zero(bytes([0b00001111]), 3)
    assert padding_is_zero(b"", 0)
