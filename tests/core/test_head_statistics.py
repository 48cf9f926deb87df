import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.contribution import Contribution
from fedsift.core.errors import BadInput, Refused
from fedsift.core.head_statistics import Decisions, HeadStatistics, HeadTerms, diagonal, quantised
from fedsift.core.running_sums import RunningSums
from fedsift.core.upload import Upload
from tests.core.uploads import HEAD, contribution, head_statistics, terms

SMALL = HeadTerms(features=3, labels=4)


def statistics(features: list[list[int]], labels: list[int], shape: HeadTerms = SMALL) -> HeadStatistics:
    decisions = Decisions(
        np.array(features, np.int8), np.array(labels, np.int32), np.arange(len(labels), dtype=np.int32)
    )
    return HeadStatistics.of(decisions, shape)


def test_features_by_hand() -> None:
    """3-4-5: .6 and .8 of 64 are 38.4 and 51.2; a feature of length 0 stays 0; the constant is 32."""
    assert quantised(np.array([[3.0, -4.0], [0.0, 0.0]])).tolist() == [[38, -51, 32], [0, 0, 32]]


def test_sums_by_hand() -> None:
    """Two decisions (1, 2, 32) with label 3 and (-1, 0, 32) with label 1."""
    made = statistics([[1, 2, 32], [-1, 0, 32]], [3, 1])
    assert made.gram.tolist() == [2, 2, 0, 4, 64, 2048]
    assert (made.labels.tolist(), made.targets.tolist()) == ([1, 3], [[-1, 0, 32], [1, 2, 32]])
    assert made.decisions == 2
    assert made.diagonal.tolist() == [2, 4, 2048]


def test_bytes_by_hand() -> None:
    made = statistics([[1, 2, 32], [-1, 0, 32]], [3, 1])
    gram = np.array([2, 2, 0, 4, 64, 2048], "<i2").tobytes()  # 2048 does not fit a byte
    expected = (
        b"FSH\x01"
        + (3).to_bytes(4, "little")
        + (4).to_bytes(4, "little")
        + (2).to_bytes(8, "little")
        + (2).to_bytes(4, "little")
        + bytes([2, 1])
        + bytes([0b1010])
        + gram
        + bytes([255, 0, 32, 1, 2, 32])
    )
    assert made.to_bytes() == expected


@given(seed=st.integers(0, 999), count=st.integers(0, 40))
def test_there_and_back(seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    features = quantised(chance.normal(size=(count, 5)))
    labels = chance.integers(9, size=count)
    shape = HeadTerms(6, 9)
    made = HeadStatistics.of(Decisions(features, labels.astype(np.int32), np.arange(count, dtype=np.int32)), shape)
    read = HeadStatistics.from_bytes(made.to_bytes(), shape)
    assert read.to_bytes() == made.to_bytes()
    dense = np.zeros((9, 6), np.int64)
    for row, label in zip(features.astype(np.int64), labels, strict=True):
        dense[label] += row
    assert np.array_equal(dense[read.labels], read.targets)
    assert np.array_equal((features.astype(np.int64).T @ features)[np.triu_indices(6)], read.gram)


def test_decisions_add_up_in_any_grouping() -> None:
    whole = statistics([[1, 2, 32], [-1, 0, 32], [5, 5, 32]], [3, 1, 1])
    parts = statistics([[5, 5, 32]], [1]), statistics([[-1, 0, 32], [1, 2, 32]], [1, 3])
    together, apart = (RunningSums(terms(2, head=SMALL), 3) for _ in range(2))
    together.add(Upload(sparse(), whole))
    for part in parts:
        apart.add(Upload(sparse(), part))
    for name in SMALL.vectors():
        assert np.array_equal(together.head[name], apart.head[name])


def sparse() -> Contribution:
    return Contribution.from_levels(np.array([1, 0], np.uint32), terms(2, head=SMALL))


def changed(at: int, value: int) -> bytes:
    data = bytearray(statistics([[1, 2, 32], [-1, 0, 32]], [3, 1]).to_bytes())
    data[at] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "shorter than their header"),
        (changed(0, 0), "magic"),
        (changed(3, 9), "format version 9"),
        (changed(4, 4), "number of features 4; this federation has 3"),
        (changed(8, 5), "number of labels 5; this federation has 4"),
        (changed(12, 3), "declare 3 decisions but sum up others"),
        (changed(20, 3), "do not fit their 3 of 4 labels"),
        (changed(24, 3), "entries of 3 bytes"),
        (changed(26, 0b11010), "padding bits"),
        (changed(26, 0b1110), "declare 2 labels but name 3"),
        (changed(28, 0x80), "negative sum of squares"),
        (changed(41, 31), "sum up others"),
        (changed(0, ord("F")) + b"x", "do not fit"),
    ],
)
def test_malformed_ones_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(Refused, match=message):
        HeadStatistics.from_bytes(data, SMALL)


def test_overflow_is_refused() -> None:
    """64 * 64 a decision: 2^31 is reached after 2^19."""
    features = np.full((2**19, 1), 64, np.int8)
    labels = np.zeros(2**19, np.int32)
    with pytest.raises(BadInput, match="524,288 decisions are too many"):
        HeadStatistics.of(Decisions(features, labels, labels), HeadTerms(1, 1))


def test_where_the_diagonal_lies() -> None:
    places = np.arange(10)
    square = np.zeros((4, 4), np.intp)
    square[np.triu_indices(4)] = places
    assert diagonal(4).tolist() == np.diag(square).tolist()


def test_a_head_that_the_terms_do_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match="the terms say"):
        Upload(contribution([1, 2]), None)
    assert Upload(contribution([1, 2]), head_statistics([1, 2])).to_bytes()
    assert HEAD.vectors() == {"head gram": 10, "head targets": 20, "head decisions": 1}


def written(gram: list[int], targets: list[list[int]], labels: list[int], decisions: int) -> bytes:
    parts = np.array(gram, np.int64), np.array(labels, np.intp), np.array(targets, np.int64).reshape(len(labels), 3)
    return HeadStatistics(SMALL, *parts, decisions).to_bytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        # Of one label -4 decisions, of another 7.
        (written([1, 0, 0, 1, 0, 3072], [[0, 0, -128], [0, 0, 224]], [0, 1], 3), "sum up others"),
        # A label that occurs in no decision.
        (written([1, 0, 0, 1, 0, 1024], [[0, 0, 0], [0, 0, 32]], [0, 1], 1), "sum up others"),
        (written([4097, 0, 0, 1, 0, 1024], [[0, 0, 32]], [0], 1), "larger sum than 1 decisions can have"),
        (written([1, 0, 0, 1, 0, 1024], [[65, 0, 32]], [0], 1), "larger sum than 1 decisions can have"),
        (written([7, 0, 0, 0, 0, 0], [], [], 0), "larger sum than 0 decisions can have"),
    ],
)
def test_sums_that_no_decisions_have_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(Refused, match=message):
        HeadStatistics.from_bytes(data, SMALL)


def test_wider_entries_than_needed_are_refused() -> None:
    """One and the same contribution has one form: its digest is what a rerun must reproduce."""
    narrow = statistics([[1, 2, 32], [-1, 0, 32]], [3, 1]).to_bytes()
    wide = bytearray(narrow[: 27 + 12])
    wide[25] = 2
    wide += np.array([-1, 0, 32, 1, 2, 32], "<i2").tobytes()
    with pytest.raises(Refused, match="wider entries than they need"):
        HeadStatistics.from_bytes(bytes(wide), SMALL)
