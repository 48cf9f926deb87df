"""What a client contributes to the shared head: sums over its decisions, in integers (docs/reference/upload.md).

A decision is one choice among labels: a row's label, or each token of a text. With z the L2-normalised features that
the frozen M0 has of it, a = rint(2^6 [z; 1/2]) in whole numbers from -64 to 64. Of all its decisions a client uploads

    G = sum of a a^T     k x k, symmetric: the upper triangle, row by row
    B = sum of a by label    a row of k for each label that occurs
    m                    the number of decisions

The rank of G is the number of decisions, and B names each label: who sees them sees the rows
(docs/explanation/privacy.md).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsift.core.bit_packing import pack_mask, packed_size, padding_is_zero, unpack_mask
from fedsift.core.errors import BadInput, Refused, counted

SCALE = 64  # of a feature of size 1
CONSTANT = SCALE // 2  # the last feature of every decision
_MAGIC = b"FSH"
_VERSION = 1
_AT_ONCE = 1 << 13  # decisions whose features are made floats
# magic, version, k, labels, decisions, labels that occur, bytes an entry of G, and of B
_HEADER = struct.Struct("<3sBIIQIBB")
_WIDTHS = (1, 2, 4)  # bytes of a signed integer; the narrowest that holds all is written


@dataclass(frozen=True)
class HeadTerms:
    """The shape of the shared head: all contributions to it agree."""

    features: int  # k, the constant among them
    labels: int  # L

    @property
    def triangle(self) -> int:
        """Entries of the upper triangle of G."""
        return self.features * (self.features + 1) // 2

    def vectors(self) -> dict[str, int]:
        """The sizes of the sums that a server keeps, by name."""
        return {"head gram": self.triangle, "head targets": self.labels * self.features, "head decisions": 1}


def largest_bytes(terms: HeadTerms) -> int:
    """Bytes that a client's statistics take at most: all labels occur, and entries need 32 bits."""
    entries = terms.triangle + terms.labels * terms.features
    return _HEADER.size + packed_size(terms.labels, 1) + _WIDTHS[-1] * entries


class Decisions(NamedTuple):
    """A client's decisions, as it keeps them to be served."""

    features: NDArray[np.int8]  # a, shape (m, k)
    labels: NDArray[np.int32]  # the right label of each, shape (m,)
    rows: NDArray[np.int32]  # of which row each is, shape (m,)


class Piece(NamedTuple):
    """Entries start .. start + len(values) - 1 of one of the sums."""

    vector: str  # its name, of `HeadTerms.vectors`
    start: int
    values: NDArray[np.int64]


def quantised(features: NDArray[Any]) -> NDArray[np.int8]:
    """A of features of any length, shape (m, d): int8 of shape (m, d + 1). Features of length 0 stay 0."""
    wide = features.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    scaled = np.rint(SCALE * wide / np.where(norms > 0, norms, 1))
    return np.concatenate([scaled, np.full((len(wide), 1), CONSTANT)], axis=1).astype(np.int8)


@dataclass(frozen=True)
class HeadStatistics:
    """G, B and m of one client."""

    terms: HeadTerms
    gram: NDArray[np.int64]  # upper triangle, shape (k (k + 1) / 2,)
    labels: NDArray[np.intp]  # those that occur, ascending; shape (c,)
    targets: NDArray[np.int64]  # their rows of B, shape (c, k)
    decisions: int  # m

    @classmethod
    def of(cls, decisions: Decisions, terms: HeadTerms) -> "HeadStatistics":
        """The sums over some decisions. Whole numbers in float64 are exact here, and BLAS is fast with them.

        Raises:
            BadInput: there are so many decisions that an entry does not fit 32 bits.
        """
        if decisions.features.shape[1] != terms.features:
            raise ValueError(f"features of shape {decisions.features.shape}; the terms say (m, {terms.features})")
        labels, place = np.unique(decisions.labels, return_inverse=True)
        targets = np.zeros((len(labels), terms.features))
        square = np.zeros((terms.features, terms.features))
        for start in range(0, len(place), _AT_ONCE):
            a = decisions.features[start : start + _AT_ONCE].astype(np.float64)
            np.add.at(targets, place[start : start + _AT_ONCE], a)
            square += a.T @ a
        gram = square[np.triu_indices(terms.features)]
        most = max((float(np.abs(each).max(initial=0)) for each in (gram, targets)), default=0.0)
        if most > np.iinfo(np.int32).max:
            raise BadInput(f"{len(place):,} decisions are too many for a shared head: a sum does not fit 32 bits")
        return cls(terms, gram.astype(np.int64), labels.astype(np.intp), targets.astype(np.int64), len(place))

    def to_bytes(self) -> bytes:
        """Header, a bit for each label that occurs, G and B, little-endian."""
        terms = self.terms
        occurring = np.zeros(terms.labels, np.bool_)
        occurring[self.labels] = True
        widths = [_narrowest(each) for each in (self.gram, self.targets)]
        header = _HEADER.pack(_MAGIC, _VERSION, terms.features, terms.labels, self.decisions, len(self.labels), *widths)
        parts = (each.astype(f"<i{width}") for each, width in zip((self.gram, self.targets), widths, strict=True))
        return b"".join([header, pack_mask(occurring), *(part.tobytes() for part in parts)])

    @classmethod
    def from_bytes(cls, data: memoryview | bytes, terms: HeadTerms) -> "HeadStatistics":
        """Check what an upload holds against the terms and take it apart; sizes are checked before memory is taken.

        Raises:
            Refused: it was made under other terms, or is malformed; the message says in what.
        """
        if len(data) < _HEADER.size:
            raise Refused(f"head statistics of {counted(len(data), 'byte')} are shorter than their header")
        magic, version, features, labels, decisions, occurring, *widths = _HEADER.unpack_from(data)
        for field, found, expected in (
            ("magic", magic, _MAGIC),
            ("format version", version, _VERSION),
            ("number of features", features, terms.features),
            ("number of labels", labels, terms.labels),
        ):
            if found != expected:
                raise Refused(f"head statistics have {field} {found!r}; this federation has {expected!r}")
        if not set(widths) <= set(_WIDTHS):
            raise Refused(f"head statistics have entries of {max(widths)} bytes; expected 1, 2 or 4")
        mask_end = _HEADER.size + packed_size(labels, 1)
        gram_end = mask_end + terms.triangle * widths[0]
        if occurring > labels or len(data) != gram_end + occurring * features * widths[1]:
            raise Refused(
                f"head statistics of {counted(len(data), 'byte')} do not fit their {occurring} of "
                f"{counted(labels, 'label')}"
            )
        packed = memoryview(data)[_HEADER.size : mask_end]
        if not padding_is_zero(packed, labels):
            raise Refused("head statistics have padding bits set in their labels")
        found = np.flatnonzero(unpack_mask(packed, labels))
        if len(found) != occurring:
            raise Refused(f"head statistics declare {counted(occurring, 'label')} but name {len(found)}")
        gram = np.frombuffer(data[mask_end:gram_end], f"<i{widths[0]}").astype(np.int64)
        targets = np.frombuffer(data[gram_end:], f"<i{widths[1]}").astype(np.int64).reshape(occurring, features)
        if widths != [_narrowest(each) for each in (gram, targets)]:
            raise Refused("head statistics have wider entries than they need")
        made = cls(terms, gram, found, targets, decisions)
        made._check()
        return made

    def _check(self) -> None:
        """See that the sums are such as decisions have: their constant feature counts them."""
        constants = self.targets[:, -1:]  # of each label, 32 for each of its decisions
        whole = (constants > 0).all() and not (constants % CONSTANT).any()
        counted = CONSTANT * self.decisions
        if self.gram[-1] != CONSTANT * counted or int(constants.sum()) != counted or not whole:
            raise Refused(f"head statistics declare {self.decisions} decisions but sum up others")
        if (self.diagonal < 0).any():
            raise Refused("head statistics have a negative sum of squares")
        most = SCALE // CONSTANT * constants
        if (np.abs(self.gram) > SCALE * SCALE * self.decisions).any() or (np.abs(self.targets) > most).any():
            raise Refused(f"head statistics have a larger sum than {self.decisions} decisions can have")

    @property
    def diagonal(self) -> NDArray[np.int64]:
        """The sums of squares on the diagonal of G, shape (k,)."""
        return self.gram[diagonal(self.terms.features)]

    def pieces(self) -> Iterator[Piece]:
        """All that is added to the server's sums."""
        yield Piece("head gram", 0, self.gram)
        for label, row in zip(self.labels.tolist(), self.targets, strict=True):
            yield Piece("head targets", label * self.terms.features, row)
        yield Piece("head decisions", 0, np.array([self.decisions]))


def diagonal(features: int) -> NDArray[np.intp]:
    """Where the diagonal of a k x k matrix lies in its upper triangle, shape (k,)."""
    lengths = np.arange(features, 0, -1)
    return np.cumsum(lengths) - lengths


def _narrowest(values: NDArray[np.int64]) -> int:
    most, least = int(values.max(initial=0)), int(values.min(initial=0))
    return next(width for width in _WIDTHS if -(1 << 8 * width - 1) <= least and most < 1 << 8 * width - 1)
