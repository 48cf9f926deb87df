"""A client's contribution: its mask and its quantised magnitudes, as the bytes of an upload (docs/upload.md)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsift.bit_packing import pack, pack_mask, packed_size, padding_is_zero, unpack, unpack_mask
from fedsift.errors import Refused
from fedsift.quantisation import QuantisationGrid

_MAGIC = b"FSUP"
_VERSION = 1
# magic, version, bits, reserved, max_magnitude, threshold, sign seed, n, non-zero entries, layout digest
_HEADER = struct.Struct("<4sHBBddQQQ32s")
# Entries handled at a time; a multiple of 8, so that each slice of a mask begins on a byte.
SLICE = 1 << 20


@dataclass(frozen=True)
class UploadTerms:
    """What all contributions to one sum must agree on; the server broadcasts it.

    Attributes:
        layout_digest: SHA-256 of the parameter layout, 32 bytes.
        size: n, the number of tuned parameters.
        sign_seed: the 64-bit seed of the sign vector.
        grid: the quantisation grid.
    """

    layout_digest: bytes
    size: int
    sign_seed: int
    grid: QuantisationGrid


class ContributionSlice(NamedTuple):
    """Entries start .. start + len(mask) - 1 of a contribution, `levels` holding those that the mask keeps."""

    start: int
    mask: NDArray[np.bool_]
    levels: NDArray[np.uint32]


@dataclass(frozen=True)
class Contribution:
    """Mask m = (q > 0) and the levels q > 0 of one client, packed.

    Attributes:
        terms: what it was made under.
        nonzero: number of entries that the mask keeps.
        packed_mask: ceil(n / 8) bytes.
        packed_levels: the levels of the kept entries in order, `bits` bits each; empty for 1 bit (all are 1).
    """

    terms: UploadTerms
    nonzero: int
    packed_mask: bytes
    packed_levels: bytes

    @classmethod
    def from_levels(cls, levels: NDArray[np.uint32], terms: UploadTerms) -> "Contribution":
        """Pack the quantised magnitudes q of shape (n,)."""
        if levels.shape != (terms.size,):
            raise ValueError(f"levels of shape {levels.shape}; the terms say ({terms.size},)")
        mask = levels > 0
        kept = levels[mask]
        bits = terms.grid.bits
        return cls(terms, len(kept), pack_mask(mask), b"" if bits == 1 else pack(kept, bits))

    def to_bytes(self) -> bytes:
        """The upload."""
        terms, grid = self.terms, self.terms.grid
        header = _HEADER.pack(
            _MAGIC,
            _VERSION,
            grid.bits,
            0,
            grid.max_magnitude,
            grid.threshold,
            terms.sign_seed,
            terms.size,
            self.nonzero,
            terms.layout_digest,
        )
        return header + self.packed_mask + self.packed_levels

    @classmethod
    def from_bytes(cls, upload: bytes, terms: UploadTerms) -> "Contribution":
        """Check an upload against the terms and take it apart.

        Every size is checked against the terms, never against what the upload declares, before memory is taken.

        Raises:
            Refused: the upload was made under other terms or is malformed; the message says in what.
        """
        if len(upload) < _HEADER.size:
            raise Refused(f"upload of {len(upload)} bytes is shorter than its header of {_HEADER.size} bytes")
        magic, version, bits, reserved, max_magnitude, threshold, sign_seed, size, nonzero, layout_digest = (
            _HEADER.unpack_from(upload)
        )
        grid = terms.grid
        for field, found, expected in (
            ("magic", magic, _MAGIC),
            ("format version", version, _VERSION),
            ("reserved byte", reserved, 0),
            ("layout digest", layout_digest.hex(), terms.layout_digest.hex()),
            ("number of parameters", size, terms.size),
            ("sign seed", sign_seed, terms.sign_seed),
            ("grid", (bits, max_magnitude, threshold), (grid.bits, grid.max_magnitude, grid.threshold)),
        ):
            if found != expected:
                raise Refused(f"upload has {field} {found!r}; this federation has {expected!r}")
        mask_end = _HEADER.size + packed_size(terms.size, 1)
        level_bits = 0 if grid.bits == 1 else grid.bits
        if nonzero > terms.size or len(upload) != mask_end + packed_size(nonzero, level_bits):
            raise Refused(f"upload of {len(upload)} bytes does not fit its {nonzero} entries of {terms.size}")
        contribution = cls(terms, nonzero, upload[_HEADER.size : mask_end], upload[mask_end:])
        contribution._check_packing(level_bits)
        return contribution

    def _check_packing(self, level_bits: int) -> None:
        if not padding_is_zero(self.packed_mask, self.terms.size):
            raise Refused("upload has padding bits set in its mask")
        if not padding_is_zero(self.packed_levels, self.nonzero * level_bits):
            raise Refused("upload has padding bits set in its levels")
        counted = int(np.bitwise_count(np.frombuffer(self.packed_mask, np.uint8)).sum(dtype=np.int64))
        if counted != self.nonzero:
            raise Refused(f"upload declares {self.nonzero} entries but its mask keeps {counted}")
        if not all(piece.levels.all() for piece in self.slices()):
            raise Refused("upload keeps an entry whose level is 0")

    def slices(self) -> Iterator[ContributionSlice]:
        """The entries, decoded a slice at a time."""
        used = 0
        for start in range(0, self.terms.size, SLICE):
            size = min(SLICE, self.terms.size - start)
            mask = unpack_mask(self.packed_mask[start // 8 : (start + size + 7) // 8], size)
            kept = int(np.count_nonzero(mask))
            if self.terms.grid.bits == 1:
                levels = np.ones(kept, np.uint32)
            else:
                levels = unpack(self.packed_levels, kept, self.terms.grid.bits, first=used)
            used += kept
            yield ContributionSlice(start, mask, levels)

    def levels(self) -> NDArray[np.uint32]:
        """The quantised magnitudes q, dense; shape (n,)."""
        dense = np.zeros(self.terms.size, np.uint32)
        for start, mask, kept in self.slices():
            dense[start : start + len(mask)][mask] = kept
        return dense
