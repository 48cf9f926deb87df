"""Magnitudes on a GPU, quantised and packed where they lie: what travels to the host are an upload's bytes.

The same bytes as `fedsift.core.contribution.quantise` makes of the same magnitudes on the host.
"""

import torch
from torch import Tensor

from fedsift.core.contribution import Contribution, Quantised, UploadTerms, wraps
from fedsift.learning.device import to_host
from fedsift.learning.quantised_magnitudes import levels_of

_SLICE = (
    1 << 22
)  # Entries at a time: bounds the temporaries, 16 bytes a bit of a level; a multiple of 8 ends on a byte.


def encode(magnitudes: Tensor, terms: UploadTerms) -> Quantised:
    """Quantise and pack magnitudes u >= 0 in float32, of shape (n,), on any device."""
    grid, mask, packed = terms.grid, bytearray(), bytearray()
    nonzero = level_sum = saturated = 0
    cut = torch.tensor(grid.max_magnitude + grid.step / 2, dtype=torch.float32, device=magnitudes.device)
    left = torch.empty(0, dtype=torch.long, device=magnitudes.device)  # Fewer than 8: those packed end on a byte.
    for piece in torch.split(magnitudes, _SLICE):
        levels = levels_of(piece, grid).long()
        level_sum += int(levels.sum())
        saturated += int((piece > cut).sum())
        mask += _pack(levels > 0, 1)
        kept = levels[levels > 0]
        nonzero += len(kept)
        if grid.level_bits:
            left = torch.cat([left, kept & (grid.levels - 1) if wraps(grid) else kept])
            whole = len(left) - len(left) % 8
            packed += _pack(left[:whole], grid.level_bits)
            left = left[whole:].clone()
    packed += _pack(left, grid.level_bits)
    return Quantised(Contribution.of_packed(nonzero, mask, packed, terms), level_sum * grid.step, saturated)


def _pack(values: Tensor, bits: int) -> bytes:
    """As `fedsift.core.bit_packing.pack`: whole numbers of shape (k,) as `bits` bits each, the lowest first."""
    places = torch.arange(bits, device=values.device)
    stream = ((values.long()[:, None] >> places) & 1).to(torch.uint8).view(-1)
    stream = torch.nn.functional.pad(stream, (0, -len(stream) % 8)).view(-1, 8)
    weights = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=values.device)
    return to_host((stream * weights).sum(1, dtype=torch.uint8)).numpy().tobytes()
