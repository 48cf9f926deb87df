"""A client's sparse task vector: its mask and its quantised magnitudes, as bytes (docs/reference/upload.md)."""

import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fedsift.core.bit_packing import entries_kept, pack, pack_mask, packed_size, padding_is_zero, unpack, unpack_mask
from fedsift.core.errors import BadInput, Refused, counted
from fedsift.core.head_statistics import HeadTerms
from fedsift.core.quantisation import QuantisationGrid

_MAGIC = b"FSU"
_VERSION = 1
# magic, version, levels, max_magnitude, threshold, sign seed, n, entries kept, layout digest
_HEADER = struct.Struct("<3sBIddQQQ32s")
HEADER_BYTES = _HEADER.size
# Entries handled at a time: few enough for a core's own cache; a multiple of 8, so that each slice of a mask begins on
# a byte.
SLICE = 1 << 16


@dataclass(frozen=True)
class UploadTerms:
    """What all contributions to one sum must agree on; the server broadcasts it."""

    layout_digest: bytes  # SHA-256 of the parameter layout, 32 bytes
    size: int  # n, the number of tuned parameters
    sign_seed: int  # the 64-bit seed of the sign vector
    grid: QuantisationGrid  # the quantisation grid
    head: HeadTerms | None = None  # the shape of the shared head; None where nobody contributes to one

    @classmethod
    def from_json(cls, described: dict[str, Any]) -> "UploadTerms":
        """The inverse of `as_json`.

        Raises:
            BadInput: it is not what `as_json` gives.
        """
        head = described.get("head")
        whole = [described.get("size"), described.get("sign_seed"), *(head.values() if head else ())]
        whole.append(described.get("grid", {}).get("levels"))
        if not all(type(each) is int and 0 <= each < 1 << 64 for each in whole) or not described["size"]:
            raise BadInput(f"terms are whole numbers from 0 to 2^64 - 1: {described}")
        layout_digest, grid = bytes.fromhex(described["layout_digest"]), QuantisationGrid(**described["grid"])
        terms = HeadTerms(**head) if head else None
        return cls(**{**described, "layout_digest": layout_digest, "grid": grid, "head": terms})

    def as_json(self) -> dict[str, Any]:
        """The terms as JSON gives them back."""
        return {**asdict(self), "layout_digest": self.layout_digest.hex()}


class ContributionSlice(NamedTuple):
    """Entries start .. start + len(mask) - 1 of a contribution."""

    start: int  # the first of them
    mask: NDArray[np.bool_]  # shape (entries,)
    places: NDArray[np.intp]  # of the k entries that the mask keeps, counted from `start`; shape (k,)
    levels: NDArray[Any]  # their quantised magnitudes, in the narrowest unsigned integers; shape (k,)

    @property
    def entries(self) -> slice:
        """Where it lies in a vector of all entries."""
        return slice(self.start, self.start + len(self.mask))


@dataclass(frozen=True)
class Contribution:
    """Mask m = (q > 0) and the levels q > 0 of one client, packed; all of it is kept once, as bytes."""

    terms: UploadTerms  # what it was made under
    nonzero: int  # number of entries that the mask keeps
    _upload: bytes | memoryview

    @classmethod
    def from_levels(cls, levels: NDArray[Any], terms: UploadTerms) -> "Contribution":
        """Pack the quantised magnitudes q of shape (n,)."""
        if levels.shape != (terms.size,):
            raise ValueError(f"levels of shape {levels.shape}; the terms say ({terms.size},)")
        packer = _Packer(terms)
        for start in range(0, terms.size, SLICE):
            packer.add(levels[start : start + SLICE])
        return packer.contribution()

    @classmethod
    def of_packed(cls, nonzero: int, mask: bytes | bytearray, levels: bytes | bytearray, terms: UploadTerms) -> Self:
        """Put a header before a mask and the levels of the `nonzero` entries that it keeps, both packed already."""
        grid = terms.grid
        numbers = grid.levels, grid.max_magnitude, grid.threshold, terms.sign_seed, terms.size, nonzero
        header = _HEADER.pack(_MAGIC, _VERSION, *numbers, terms.layout_digest)
        return cls(terms, nonzero, b"".join([header, mask, levels]))

    def to_bytes(self) -> bytes:
        """Header, mask and levels."""
        return bytes(self._upload)

    @property
    def packed_mask(self) -> memoryview:
        """The mask: ceil(n / 8) bytes of the upload."""
        return memoryview(self._upload)[HEADER_BYTES : self._mask_end]

    @property
    def packed_levels(self) -> memoryview:
        """The levels of the kept entries in order, `level_bits` bits each; empty for a single level (all are 1)."""
        return memoryview(self._upload)[self._mask_end :]

    @property
    def _mask_end(self) -> int:
        return HEADER_BYTES + packed_size(self.terms.size, 1)

    @classmethod
    def take(cls, upload: bytes, terms: UploadTerms) -> tuple["Contribution", memoryview]:
        """Check the beginning of an upload against the terms and take it apart; what follows is given back.

        Every size is checked against the terms, never against what the upload declares, before memory is taken.

        Raises:
            Refused: the upload was made under other terms or is malformed; the message says in what.
        """
        if len(upload) < HEADER_BYTES:
            raise Refused(
                f"upload of {counted(len(upload), 'byte')} is shorter than its header of {HEADER_BYTES} bytes"
            )
        magic, version, *found_grid, sign_seed, size, nonzero, layout_digest = _HEADER.unpack_from(upload)
        grid = terms.grid
        for field, found, expected in (
            ("magic", magic, _MAGIC),
            ("format version", version, _VERSION),
            ("layout digest", layout_digest.hex(), terms.layout_digest.hex()),
            ("number of parameters", size, terms.size),
            ("sign seed", sign_seed, terms.sign_seed),
            ("grid", found_grid, [grid.levels, grid.max_magnitude, grid.threshold]),
        ):
            if found != expected:
                raise Refused(f"upload has {field} {found!r}; this federation has {expected!r}")
        end = HEADER_BYTES + packed_size(terms.size, 1) + packed_size(nonzero, grid.level_bits)
        if nonzero > terms.size or len(upload) < end or (terms.head is None and len(upload) > end):
            raise Refused(
                f"upload of {counted(len(upload), 'byte')} does not fit its "
                f"{counted(nonzero, 'entry', 'entries')} of {terms.size:,}"
            )
        contribution = cls(terms, nonzero, memoryview(upload)[:end])
        contribution._check_packing()
        return contribution, memoryview(upload)[end:]

    def _check_packing(self) -> None:
        mask, grid = self.packed_mask, self.terms.grid
        if not padding_is_zero(mask, self.terms.size):
            raise Refused("upload has padding bits set in its mask")
        if not padding_is_zero(self.packed_levels, self.nonzero * grid.level_bits):
            raise Refused("upload has padding bits set in its levels")
        if (kept := entries_kept(mask, self.terms.size)) != self.nonzero:
            raise Refused(f"upload declares {counted(self.nonzero, 'entry', 'entries')} but its mask keeps {kept:,}")
        if wraps(grid):
            return  # Whatever is written is a level.
        for first in range(0, self.nonzero, SLICE):
            levels = unpack(self.packed_levels, min(SLICE, self.nonzero - first), grid.level_bits, first)
            levels -= 1  # Unsigned: 0 becomes the highest number of all.
            if levels.max() >= grid.levels:
                raise Refused(f"upload keeps an entry whose level is not from 1 to {grid.levels}")

    def slices(self) -> Iterator[ContributionSlice]:
        """The entries, decoded a slice at a time."""
        packed_levels, used = self.packed_levels, 0
        for start, mask in mask_slices(self.packed_mask, self.terms.size):
            places = np.flatnonzero(mask)
            levels = unpack_levels(packed_levels, len(places), self.terms.grid, first=used)
            used += len(places)
            yield ContributionSlice(start, mask, places, levels)

    def levels(self) -> NDArray[Any]:
        """The quantised magnitudes q, dense; in the narrowest unsigned integers, shape (n,)."""
        dense = np.zeros(self.terms.size, self.terms.grid.level_type)
        for piece in self.slices():
            dense[piece.entries][piece.places] = piece.levels
        return dense


def wraps(grid: QuantisationGrid) -> bool:
    """Whether the highest level is 2^level_bits, which so many bits do not hold: it is written as 0."""
    return grid.levels == 1 << grid.level_bits


class _Packer:
    """Makes a contribution of levels that come a slice at a time."""

    def __init__(self, terms: UploadTerms) -> None:
        self._terms = terms
        self._nonzero = 0
        self._mask = bytearray()
        self._levels = bytearray()
        self._left: NDArray[Any] = np.empty(0, terms.grid.level_type)  # Fewer than 8: those packed end on a byte.

    def add(self, levels: NDArray[Any]) -> None:
        """The next levels; a multiple of 8, but for the last."""
        mask = levels > 0
        self._mask += pack_mask(mask)
        kept = levels.take(np.flatnonzero(mask))  # Several times as fast as levels[mask].
        self._nonzero += len(kept)
        grid = self._terms.grid
        if grid.level_bits:
            if wraps(grid):
                kept &= grid.levels - 1
            kept = np.concatenate([self._left, kept]) if len(self._left) else kept
            whole = len(kept) - len(kept) % 8
            self._levels += pack(kept[:whole], grid.level_bits)
            self._left = kept[whole:].copy()

    def contribution(self) -> Contribution:
        """Header, mask and levels together."""
        if len(self._left):
            self._levels += pack(self._left, self._terms.grid.level_bits)
        return Contribution.of_packed(self._nonzero, self._mask, self._levels, self._terms)


class Quantised(NamedTuple):
    """Magnitudes on the grid."""

    contribution: Contribution  # what is uploaded
    l1: float  # the L1 norm of the quantised task vector
    saturated: int  # entries cut by the highest level of the grid


def quantise(magnitudes: NDArray[np.float32], terms: UploadTerms) -> Quantised:
    """Quantise and pack magnitudes u >= 0 of shape (n,), with memory for little more than the result."""
    if magnitudes.shape != (terms.size,):
        raise ValueError(f"magnitudes of shape {magnitudes.shape}; the terms say ({terms.size},)")
    packer = _Packer(terms)
    level_sum = saturated = 0
    for start in range(0, terms.size, SLICE):
        piece = magnitudes[start : start + SLICE]
        levels = terms.grid.quantise(piece)
        packer.add(levels)
        level_sum += int(levels.sum(dtype=np.uint64))
        saturated += terms.grid.saturated(piece)
    return Quantised(packer.contribution(), level_sum * terms.grid.step, saturated)


def unpack_levels(
    packed_levels: bytes | memoryview, count: int, grid: QuantisationGrid, first: int = 0
) -> NDArray[Any]:
    """Levels first .. first + count - 1 of the entries that a mask keeps; `grid.level_type`, shape (count,)."""
    if not grid.level_bits:
        return np.ones(count, grid.level_type)
    levels = unpack(packed_levels, count, grid.level_bits, first)
    if wraps(grid):
        levels = levels.astype(grid.level_type, copy=False)
        levels |= (levels == 0).astype(levels.dtype) << grid.level_bits
    return levels


def mask_slices(packed_mask: bytes | memoryview, size: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """A packed mask of `size` entries, unpacked a slice at a time, each with the number of its first entry."""
    view = memoryview(packed_mask)
    for start in range(0, size, SLICE):
        count = min(SLICE, size - start)
        yield start, unpack_mask(view[start // 8 : (start + count + 7) // 8], count)
