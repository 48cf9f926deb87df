"""What a plan is made from: the sizes of a federation, and how fast its machines are."""

from dataclasses import dataclass
from typing import NamedTuple

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.options import MOST
from fedsift.core.quantisation import QuantisationGrid

# Option -> the least and the most that it may be, and whether it must be whole.
_RANGES = {
    "model_parameters": (1, 10**15, True),
    "clients": (1, 10**6, True),  # The registry's costs are added up over every member that leaves.
    "steps": (1, MOST, True),
    "batch_size": (1, MOST, True),
    "tokens": (1, MOST, True),
    "density": (0, 1, False),
    "devices": (1, MOST, True),
    "codec_rate": (1, 10**18, False),
}


class Precision(NamedTuple):
    """What depends on the type of the base weights.

    Attributes:
        itemsize: bytes of a weight.
        tuned_bytes: client memory a tuned parameter, without activations (`fedsift.learning.tuning.tune_magnitudes`).
        peak_flops: FLOP/s that the data sheet of an NVIDIA H200 SXM gives for dense products: in float32 without TF32,
            which deterministic runs leave off; in bfloat16 half of the figure that counts on sparsity.
    """

    itemsize: int
    tuned_bytes: int
    peak_flops: float


PRECISIONS = {"float32": Precision(4, 25, 67e12), "bfloat16": Precision(2, 23, 989.5e12)}
SUSTAINED = 0.5  # share of the peak that a device is taken to keep up


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """A federation, and its machines. Names are those of the options of `fedsift plan`.

    Attributes:
        model_parameters: P, of the whole model, with those that stay frozen.
        tuned: n, or up to 1 the share n / P.
        clients: T.
        removals: how many of them leave, one after the other; 0 for one in a hundred, but at least one.
        steps: optimiser steps of a training.
        batch_size: rows a step.
        tokens: of a row.
        levels: the highest quantised magnitude.
        density: k / n, the share of entries that a client's mask keeps.
        dtype: of the base weights on a client.
        flops: FLOP/s that a device keeps up; 0 for half of an H200's peak in `dtype`.
        devices: how many train at once, a client each.
        codec_rate: entries that a core of the server decodes and adds to the sums in a second.
    """

    model_parameters: float
    tuned: float
    clients: int
    removals: int
    steps: int
    batch_size: int
    tokens: int
    levels: int
    density: float
    dtype: str
    flops: float
    devices: int
    codec_rate: float

    def __post_init__(self) -> None:
        for name, (least, most, whole) in _RANGES.items():
            _check(name, getattr(self, name), least, most, whole)
        if self.tuned > 1:
            _check("tuned", self.tuned, 1, int(self.model_parameters), True)
        elif not self.tuned > 0 or not self.tuned_parameters:
            raise BadInput(f"tuned = {self.tuned:g}: a share of the parameters, above 0 and at most 1, or their number")
        if self.removals:
            _check("removals", self.removals, 1, self.clients, True)
        if self.flops:
            _check("flops", self.flops, 1, 10**24, False)
        if self.dtype not in PRECISIONS:
            raise unknown_name("dtype", self.dtype, PRECISIONS)
        _ = self.grid

    @property
    def tuned_parameters(self) -> int:
        """The number of tuned parameters, n."""
        return int(self.tuned if self.tuned > 1 else round(self.tuned * self.model_parameters))

    @property
    def leavers(self) -> int:
        """How many leave."""
        return self.removals or max(1, self.clients // 100)

    @property
    def precision(self) -> Precision:
        """What depends on the type of the base weights."""
        return PRECISIONS[self.dtype]

    @property
    def device_flops(self) -> float:
        """FLOP/s that a device keeps up."""
        return self.flops or SUSTAINED * self.precision.peak_flops

    @property
    def grid(self) -> QuantisationGrid:
        """The quantisation grid; its unit is of no consequence here."""
        return QuantisationGrid(self.levels, max_magnitude=1.0)


def _check(name: str, value: float, least: int, most: int, whole: bool) -> None:
    """See that an option is in its range.

    Raises:
        BadInput: it is not, or it is a fraction and should not be.
    """
    if not least <= value <= most or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise BadInput(f"{name.replace('_', '-')} = {_short(value)}: give {kind} from {least:,} to {most:,}")


def _short(value: float) -> str:
    """A number of at most a few digits, however large it is."""
    try:
        return f"{value:.12g}"
    except OverflowError:
        return "a number beyond all bounds"
