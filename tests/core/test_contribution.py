import math

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from fedsift.core.contribution import SLICE, Contribution, mask_slices, quantise
from fedsift.core.errors import Refused
from fedsift.core.upload import Upload
from tests.core.uploads import contribution, highest_levels, terms

HEADER = 80


def sparse(levels: list[int], highest: int = 3) -> bytes:
    """An upload where there is no shared head."""
    return contribution(levels, highest).to_bytes()


def spelled_out(highest: int, kept: int, mask: list[int], levels: int) -> bytes:
    """An upload of ten parameters, as docs/reference/upload.md has it."""
    return (
        b"FSU"
        + bytes([1])  # version
        + bytes([highest, 0, 0, 0])
        + bytes.fromhex("000000000000e03f")  # 0.5
        + bytes.fromhex("000000000000d03f")  # 0.25
        + bytes.fromhex("8877665544332211")  # sign seed
        + bytes([10, 0, 0, 0, 0, 0, 0, 0])
        + bytes([kept, 0, 0, 0, 0, 0, 0, 0])
        + b"L" * 32
        + bytes(mask)
        + bytes([levels])
    )


def test_the_bytes_by_hand() -> None:
    """Levels 2, 3 and 1 at positions 0, 7 and 9, two bits each."""
    expected = spelled_out(highest=3, kept=3, mask=[0b10000001, 0b00000010], levels=0b00011110)
    assert contribution([2, 0, 0, 0, 0, 0, 0, 3, 0, 1]).to_bytes() == expected


def test_two_levels_by_hand() -> None:
    """Of 0, 1 and 2 a kept entry takes one bit: set for 1, not set for 2. Levels 2, 1, 1 and 2."""
    levels = [2, 0, 0, 1, 0, 0, 0, 1, 0, 2]
    expected = spelled_out(highest=2, kept=4, mask=[0b10001001, 0b00000010], levels=0b00000110)
    assert contribution(levels, highest=2).to_bytes() == expected
    assert Upload.from_bytes(expected, terms(10, highest=2, head=None)).task_vector.levels().tolist() == levels


def bytes_by_hand(levels: list[int], highest: int) -> bytes:
    """Mask and levels as docs/reference/upload.md has them: each one large binary number, written out little-endian."""
    kept = [level for level in levels if level]
    mask = "".join("1" if level else "0" for level in reversed(levels))
    bits = math.ceil(math.log2(highest))
    packed = "".join(f"{level % 2**bits:0{bits}b}" for level in reversed(kept)) if bits else ""
    return b"".join(int(f"0{each}", 2).to_bytes(-(-len(each) // 8), "little") for each in (mask, packed))


# A few entries, and as many as make several slices, the last of them not whole.
sizes = st.one_of(st.integers(1, 70), st.sampled_from([SLICE - 1, SLICE, SLICE + 1, 2 * SLICE + 9]))


@given(highest=highest_levels, size=sizes, seed=st.integers(0, 9))
@example(highest=1, size=4, seed=0)  # One level is in the mask.
def test_mask_and_levels_by_hand(highest: int, size: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    levels = (chance.integers(1, highest, size, endpoint=True) * (chance.random(size) < 0.4)).tolist()
    made = contribution(levels, highest)
    assert made.to_bytes()[HEADER:] == bytes_by_hand(levels, highest)
    assert len(list(made.slices())) == -(-size // SLICE)
    read = Upload.from_bytes(made.to_bytes(), terms(size, highest, head=None)).task_vector
    assert read.to_bytes() == made.to_bytes()
    assert read.levels().tolist() == levels


@given(highest=highest_levels, size=sizes, seed=st.integers(0, 9))
def test_quantised_magnitudes(highest: int, size: int, seed: int) -> None:
    """Of a grid up to 0.5 that drops what lies under 0.125: the bytes, the L1 norm and the saturated entries."""
    magnitudes = np.random.default_rng(seed).random(size, np.float32)
    magnitudes[::5] = np.resize([0.125, 0.1875, 0.5, 0.75, 0.0], len(magnitudes[::5]))
    step = 0.5 / highest
    levels = [min(round(u / step), highest) if u >= 0.125 else 0 for u in magnitudes.tolist()]
    made, l1, saturated = quantise(magnitudes, terms(size, highest))
    assert made == contribution(levels, highest)
    assert made.nonzero == sum(level > 0 for level in levels)
    assert l1 == sum(levels) * step
    assert saturated == sum(u > float(np.float32(0.5 + step / 2)) for u in magnitudes.tolist())


def test_other_sizes_than_the_terms_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\); the terms say \(4,\)"):
        quantise(np.zeros(3, np.float32), terms(4))
    with pytest.raises(ValueError, match=r"shape \(3,\); the terms say \(4,\)"):
        Contribution.from_levels(np.zeros(3, np.uint32), terms(4))


def test_an_upload_is_kept_once() -> None:
    data = sparse([2, 0, 0, 0, 0, 0, 0, 3, 0, 1])
    read = Upload.from_bytes(data, terms(10, head=None)).task_vector
    assert read.to_bytes() == data
    assert read.packed_mask.obj is data
    assert read.packed_levels.obj is data
    assert (read.packed_mask, read.packed_levels) == (bytes([0b10000001, 0b00000010]), bytes([0b00011110]))


def test_mask_slices_by_hand() -> None:
    """A slice's first and last entry, and the second of the next, which has two."""
    packed = bytes([1]) + bytes(SLICE // 8 - 2) + bytes([0b10000000, 0b10])
    (start, mask), rest = mask_slices(packed, SLICE + 2)
    assert (start, np.flatnonzero(mask).tolist(), len(mask)) == (0, [0, SLICE - 1], SLICE)
    assert (rest[0], rest[1].tolist()) == (SLICE, [False, True])


def changed(at: int, value: int) -> bytes:
    data = bytearray(sparse([2, 0, 0, 0, 0, 0, 0, 3, 0, 1]))
    data[at] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "shorter than its header"),
        (changed(0, ord("X")), "magic"),
        (changed(3, 2), "format version 2"),
        (changed(4, 2), "grid"),
        (changed(7, 1), "grid"),
        (changed(8, 1), "grid"),
        (changed(16, 1), "grid"),
        (changed(24, 0), "sign seed"),
        (changed(32, 11), "number of parameters"),
        (changed(40, 4), "mask keeps 3"),
        (changed(47, 0xFF), "does not fit"),
        (changed(48, 0), "layout digest"),
        (changed(81, 0b00000110), "padding bits set in its mask"),
        (changed(82, 0b01011110), "padding bits set in its levels"),
        (changed(82, 0b00010010), "level is not from 1 to 3"),
        (sparse([2, 0, 0, 0, 0, 0, 0, 3, 0, 1]) + b"\0", "does not fit"),
        (sparse([2, 0, 0, 0, 0, 0, 0, 3, 0, 1])[:-1], "does not fit"),
        # Two grids of as many bits are told apart.
        (sparse([2, 0, 0, 0, 0, 0, 0, 2, 0, 1], highest=2), r"grid \[2, 0\.5, 0\.25\]; this federation has \[3, "),
    ],
)
def test_malformed_uploads_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(Refused, match=message):
        Upload.from_bytes(data, terms(10, head=None))


@pytest.mark.parametrize(
    ("highest", "written", "message"),
    [
        (2, 0b1000, "padding bits set in its levels"),
        (3, 0b110001, "level is not from 1 to 3"),  # 1, 0, 3: 0 stands for 4
        (4, 0b1000000, "padding bits set in its levels"),
        (5, 0b100000001, "level is not from 1 to 5"),  # 1, 0, 4: 0 stands for 8
        (5, 0b101110001, "level is not from 1 to 5"),  # 1, 6, 5
        (6, 0b110111001, "level is not from 1 to 6"),  # 1, 7, 6
    ],
)
def test_levels_that_the_grid_does_not_have_are_refused(highest: int, written: int, message: str) -> None:
    with pytest.raises(Refused, match=message):
        Upload.from_bytes(three_kept(highest, written), terms(3, highest, head=None))


def three_kept(highest: int, written: int) -> bytes:
    """An upload of three entries, whose levels are written as given."""
    data = sparse([1, 1, 1], highest)
    return data[: HEADER + 1] + written.to_bytes(len(data) - HEADER - 1, "little")


@pytest.mark.parametrize(
    ("highest", "written", "levels"), [(2, 0b101, [1, 2, 1]), (4, 0b110001, [1, 4, 3]), (5, 0b101011001, [1, 3, 5])]
)
def test_any_other_is_read(highest: int, written: int, levels: list[int]) -> None:
    made = three_kept(highest, written)
    assert Upload.from_bytes(made, terms(3, highest, head=None)).task_vector.levels().tolist() == levels
    assert sparse(levels, highest) == made


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        Upload.from_bytes(data, terms(10, head=None))
