import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsift import contribution as contribution_module
from fedsift.contribution import Contribution, mask_slices, quantise
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


def bytes_by_hand(levels: list[int], bits: int) -> bytes:
    """Mask and levels as docs/upload.md has them: each one large integer, written out little-endian."""
    kept = [level for level in levels if level]
    mask = sum(1 << place for place, level in enumerate(levels) if level)
    packed = 0 if bits == 1 else sum(level << bits * place for place, level in enumerate(kept))
    level_bytes = 0 if bits == 1 else -(-len(kept) * bits // 8)
    return mask.to_bytes(-(-len(levels) // 8), "little") + packed.to_bytes(level_bytes, "little")


@given(data=st.data(), bits=st.integers(1, 32), size=st.integers(1, 70), slice_size=st.sampled_from([8, 16, 24, 72]))
def test_slices_change_no_byte(data: st.DataObject, bits: int, size: int, slice_size: int) -> None:
    levels = data.draw(level_lists(size, bits))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contribution_module, "SLICE", slice_size)
        made = contribution(levels, bits)
        assert made.to_bytes()[HEADER:] == bytes_by_hand(levels, bits)
        assert len(list(made.slices())) == -(-size // slice_size)
        assert Contribution.from_bytes(made.to_bytes(), terms(size, bits)).levels().tolist() == levels


@given(data=st.data(), bits=st.integers(1, 32), size=st.integers(1, 70), slice_size=st.sampled_from([8, 24, 72]))
def test_quantised_magnitudes(data: st.DataObject, bits: int, size: int, slice_size: int) -> None:
    """Of a grid up to 0.5 that drops what lies under 0.125: the bytes, the L1 norm and the saturated entries."""
    magnitudes = np.array(data.draw(st.lists(st.floats(0, 1, width=32), min_size=size, max_size=size)), np.float32)
    step = 0.5 / (2**bits - 1)
    levels = [min(round(u / step), 2**bits - 1) if u >= 0.125 else 0 for u in magnitudes.tolist()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contribution_module, "SLICE", slice_size)
        made, l1, saturated = quantise(magnitudes, terms(size, bits))
    assert made == contribution(levels, bits)
    assert made.nonzero == sum(level > 0 for level in levels)
    assert l1 == sum(levels) * step
    assert saturated == sum(u > float(np.float32(0.5 + step / 2)) for u in magnitudes.tolist())


def test_other_sizes_than_the_terms_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\); the terms say \(4,\)"):
        quantise(np.zeros(3, np.float32), terms(4))
    with pytest.raises(ValueError, match=r"shape \(3,\); the terms say \(4,\)"):
        Contribution.from_levels(np.zeros(3, np.uint32), terms(4))


def test_an_upload_is_kept_once() -> None:
    data = upload([2, 0, 0, 0, 0, 0, 0, 3, 0, 1])
    read = Contribution.from_bytes(data, terms(10))
    assert read.to_bytes() is data
    assert read.packed_mask.obj is data
    assert read.packed_levels.obj is data
    assert (read.packed_mask, read.packed_levels) == (bytes([0b10000001, 0b00000010]), bytes([0b00011110]))


def test_mask_slices_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries 0, 7 and 9 of ten, in slices of eight."""
    monkeypatch.setattr(contribution_module, "SLICE", 8)
    found = [(start, mask.tolist()) for start, mask in mask_slices(bytes([0b10000001, 0b00000010]), 10)]
    assert found == [(0, [True, *[False] * 6, True]), (8, [False, True])]


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
