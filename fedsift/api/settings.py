"""From what a Python user gives to a configuration."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from fedsift.api.given_dataset import is_in_memory, options_of_dataset
from fedsift.api.user_names import user_name
from fedsift.configuration.named_files import new_configuration
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import unknown_name
from fedsift.core.options import hyphened
from fedsift.files.output import kept_data, output_folder
from fedsift.runtime.progress import PhaseBars


@contextmanager
def settings_in(
    out: str | Path | None, config: RunConfig | None, options: Mapping[str, Any], further: Collection[str] = ()
) -> Iterator[tuple[Path, RunConfig]]:
    """A run's folder, and its configuration; parameters are those of `simulate`. Rows in memory are kept in the folder.

    Args:
        out: the folder.
        config: where to begin.
        options: that change it.
        further: names that the caller takes beside these, for whoever gives a wrong one.

    Raises:
        BadInput: an unknown option, or a value that cannot be.
    """
    names = RunConfig.options()
    for name in options:
        if name not in names:
            raise unknown_name("option", name, [*names, "out", *further])
    with output_folder(None if out is None else Path(out)) as folder, ExitStack() as stack:
        given = {**({} if config is None else {name: getattr(config, name) for name in names}), **options}
        if "dataset" in given:
            if is_in_memory(given["dataset"]):
                stack.enter_context(kept_data(folder))
            given |= options_of_dataset(given["dataset"], folder, given)
        yield folder, _settings(given)


def _settings(options: Mapping[str, Any]) -> RunConfig:
    given = {hyphened(name): str(value) if isinstance(value, Path) else value for name, value in options.items()}
    if not isinstance(given.get("task", ""), str):
        given["task"] = user_name("task", given["task"])
    return new_configuration(given, source="options")


def bars(progress: bool) -> PhaseBars:
    """Bars where the user looks, on a terminal or in a notebook; or none."""
    return PhaseBars(Console(stderr=True)) if progress else PhaseBars()
