"""What a plan is made from: the sizes of a federation, and how fast its machines are."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.head_statistics import HeadTerms
from fedsift.core.options import Group, Options, option
from fedsift.core.quantisation import QuantisationGrid, grid_for


class Precision(NamedTuple):
    """What depends on the type of the base weights.

    Attributes:
        itemsize: bytes of a weight.
        tuned_bytes: client memory a tuned parameter, without activations and M0 (`fedsift.learning.tuning`).
        peak_flops: FLOP/s that the data sheet of an NVIDIA H200 SXM gives for dense products: in float32 without TF32,
            which deterministic runs leave off; in bfloat16 half of the figure that counts on sparsity.
    """

    itemsize: int
    tuned_bytes: int
    peak_flops: float


PRECISIONS = {"float32": Precision(4, 16, 67e12), "bfloat16": Precision(2, 14, 989.5e12)}
SUSTAINED = 0.5  # share of the peak that a device is taken to keep up


def _as_of_a_run(name: str) -> Any:
    return option(**vars(RunConfig.options()[name]))


@dataclass(frozen=True, kw_only=True)
class Assumptions(Options):
    """A federation of P parameters, n of them tuned, and T clients, and its machines."""

    model_parameters: float = option(
        1.2e9, "Parameters of the whole model, frozen ones included; instead of a model.", Group.MODEL, ge=1, le=10**15
    )
    tuned: float = option(1.0, "How many of them are tuned, or up to 1 which share.", Group.MODEL, gt=0)
    dtype: str = _as_of_a_run("dtype")
    moments: str = _as_of_a_run("moments")
    # A method's costs are added up over every member that leaves.
    clients: int = option(500, "How many clients.", Group.DATA, ge=1, le=10**6)
    tokens: int = option(RunConfig.max_length, "Tokens a row, with those of its prompt.", Group.DATA, ge=1)
    removals: int = option(
        0, "How many leave, one after the other; 0 for one in a hundred, but at least one.", Group.LEAVERS, ge=0
    )
    steps: int = _as_of_a_run("steps")
    batch_size: int = _as_of_a_run("batch_size")
    levels: int = _as_of_a_run("levels")
    density: float = option(
        0.6, "Share of entries that a mask keeps; docs/reference/formulas.md has examples.", Group.GRID, ge=0, le=1
    )
    head_features: int = option(
        0, "Features of the shared head without its constant; 0 for none (384: MiniLM).", Group.MODEL, ge=0, le=10**5
    )
    head_labels: int = option(2, "Labels of the shared head, at most 4096 tokens.", Group.MODEL, ge=2, le=10**6)
    flops: float = option(
        0.0,
        "FLOP/s that a device keeps up; 0 for half of an H200's dense peak: 3.35e13 in float32, 4.95e14 in bfloat16.",
        Group.MACHINE,
        ge=0,
        le=10**24,
    )
    devices: int = option(1, "How many devices train at once, a client each.", Group.MACHINE, ge=1)
    codec_rate: float = option(
        5e8,
        "Entries a second that a core of the server decodes and adds (fedsift bench --codec).",
        Group.MACHINE,
        ge=1,
        le=10**18,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model_parameters.is_integer():
            raise BadInput(f"model-parameters = {self.model_parameters:g}: give a whole number")
        if not (self.tuned <= 1 or (self.tuned.is_integer() and self.tuned <= self.model_parameters)):
            raise BadInput(f"tuned = {self.tuned:.12g}: give a whole number from 1 to {int(self.model_parameters):,}")
        if not self.tuned_parameters:
            raise BadInput(f"tuned = {self.tuned:g}: not one parameter; give a larger share, or their number")
        if self.removals > self.clients:
            raise BadInput(f"removals = {self.removals}: give a whole number from 1 to {self.clients:,}")

    @property
    def tuned_parameters(self) -> int:
        """The number of tuned parameters, n."""
        return int(self.tuned if self.tuned > 1 else round(self.tuned * self.model_parameters))

    @property
    def head(self) -> HeadTerms | None:
        """The shape of the shared head."""
        return HeadTerms(self.head_features + 1, self.head_labels) if self.head_features else None

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
        return QuantisationGrid(self.levels, max_magnitude=1.0) if self.levels else grid_for(1.0, self.steps)
