import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsift.contribution import Contribution
from fedsift.errors import Refused
from tests.fedsift.uploads import contribution, level_lists, terms, upload

HEADER = 80


def test_the_bytes_by_hand() -> None:
    """docs/upload.md, byte for byte: ten parameters, levels 2, 3 and 1 at positions 0, 7 and 9."""
    expected = (
        b"FSUP"
        + bytes([1, 0])  # version
        + bytes([2, 0])  # bits, reserved
        + bytes.fromhex("000000000000e03f")  # 0.5
        + bytes.fromhex("000000000000d03f")  # 0.25
        + bytes.fromhex("8877665544332211")  # sign seed
        + bytes([10, 0, 0, 0, 0, 0, 0, 0])
        + bytes([3, 0, 0, 0, 0, 0, 0, 0])
        + b"L" * 32
        + bytes([0b10000001, 0b00000010])  # mask
        + bytes([0b00011110])  # 2, 3, 1
    )
    assert upload([2, 0, 0, 0, 0, 0, 0, 3, 0, 1]) == expected


def test_one_bit_needs_no_levels() -> None:
    assert len(upload([1, 0, 1, 1], bits=1)) == HEADER + 1


@given(data=st.data(), bits=st.integers(1, 32), size=st.integers(1, 40))
def test_round_trip(data: st.DataObject, bits: int, size: int) -> None:
    levels = data.draw(level_lists(size, bits))
    read = Contribution.from_bytes(upload(levels, bits), terms(size, bits))
    assert read == contribution(levels, bits)
    assert read.levels().tolist() == levels


def test_slices_past_one_slice() -> None:
    size = (1 << 20) + 5
    levels = (np.arange(size) % 4).astype(np.uint32)
    made = Contribution.from_levels(levels, terms(size))
    assert len(list(made.slices())) == 2
    assert np.array_equal(Contribution.from_bytes(made.to_bytes(), terms(size)).levels(), levels)


def changed(at: int, value: int) -> bytes:
    data = bytearray(upload([2, 0, 0, 0, 0, 0, 0, 3, 0, 1]))
    data[at] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "shorter than its header"),
        (changed(0, ord("X")), "magic"),
        (changed(4, 2), "format version 2"),
        (changed(6, 3), "grid"),
        (changed(7, 1), "reserved"),
        (changed(8, 1), "grid"),
        (changed(16, 1), "grid"),
        (changed(24, 0), "sign seed"),
        (changed(32, 11), "number of parameters"),
        (changed(40, 4), "mask keeps 3"),
        (changed(47, 0xFF), "does not fit"),
        (changed(48, 0), "layout digest"),
        (changed(81, 0b00000110), "padding bits set in its mask"),
        (changed(82, 0b01011110), "padding bits set in its levels"),
        (changed(82, 0b00010010), "level is 0"),
        (upload([2, 0, 0, 0, 0, 0, 0, 3, 0, 1]) + b"\0", "does not fit"),
        (upload([2, 0, 0, 0, 0, 0, 0, 3, 0, 1])[:-1], "does not fit"),
    ],
)
def test_malformed_uploads_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(Refused, match=message):
        Contribution.from_bytes(data, terms(10))


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        Contribution.from_bytes(data, terms(10))
