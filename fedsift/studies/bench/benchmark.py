"""What a benchmark is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsift.configuration.run_config import RunConfig
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
        check_blazefl: of one that also takes the Python of an environment that has BlazeFL, None for none: whether that
            can be used.
        device: of a configuration under which it is measured where nothing is asked for; empty for all but "cuda".
        defaults: its own, of options that are not given.
    """

    name: str
    help: str
    measure: Callable[..., Part]
    on_ray: bool = False
    check_blazefl: Callable[[Path], None] | None = None
    device: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """The help of its option, with the options whose defaults are its own."""
        return f"{self.help} It has its own defaults of {', '.join(self.defaults)}." if self.defaults else self.help

    def is_meant(self, config: RunConfig) -> bool:
        """Whether it is measured under a configuration where no benchmark is asked for by name."""
        return self.device == config.device if self.device else config.device != "cuda"
