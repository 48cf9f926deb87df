"""What a benchmark is."""

from collections.abc import Callable
from dataclasses import dataclass

from fedsift.studies.bench.measurement import Part


@dataclass(frozen=True)
class Benchmark:
    """A part of `fedsift bench`; a file of `simulations/bench` each, which is found by itself.

    The command line lists them, so that their files import nothing heavy before they measure.

    Attributes:
        name: of its option.
        help: of its option.
        measure: takes a configuration, and in how many rounds to measure.
        on_ray: whether it starts Ray.
        with_blazefl: whether it also takes the Python of an environment that has BlazeFL, None for none.
    """

    name: str
    help: str
    measure: Callable[..., Part]
    on_ray: bool = False
    with_blazefl: bool = False
