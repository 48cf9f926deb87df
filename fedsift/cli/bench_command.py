"""`fedsift bench`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from fedsift.cli.options import CONFIG, JSON, TRAINING, settings_of, takes
from fedsift.cli.terminal import errors_in_one_line, say_json, show
from fedsift.core.errors import BadInput
from fedsift.core.options import Group
from fedsift.files.output import check_file, write_whole
from fedsift.studies.bench.registry import BENCHMARKS, figures


@takes(*TRAINING, Group.GRID, "partial_sums", flags={each.name: each.told for each in BENCHMARKS.values()})
def bench(
    overrides: dict[str, Any],
    config: Annotated[Path | None, CONFIG] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each part is measured.")] = 5,
    blazefl_python: Annotated[
        Path | None,
        typer.Option(help="A Python from 3.13 on with fedsift and blazefl: another arm of --runs.", metavar="PATH"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write all figures to this JSON file.")] = None,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Measure speed, overhead and memory.

    All parts, or those that are named by options.
    """
    with errors_in_one_line("what was not printed is lost"):
        asked = [each for name, each in BENCHMARKS.items() if overrides.pop(name)]
        if not asked:
            settings = settings_of(overrides, config)
            asked = [each for each in BENCHMARKS.values() if each.is_meant(settings)]
        settings_for = {each.name: settings_of(overrides, config, defaults=each.defaults) for each in asked}
        if out is not None:
            check_file(out)  # Before minutes are spent.
        from fedsift.runtime.ray_start import check_ray

        if any(each.on_ray for each in asked):
            check_ray()
        if blazefl_python is not None:
            checks = [each.check_blazefl for each in asked if each.check_blazefl]
            if not checks:
                raise BadInput("blazefl-python is an arm of --runs, which is not asked for")
            checks[0](blazefl_python)
        parts = {}
        for each in asked:
            others = {"blazefl_python": blazefl_python} if each.check_blazefl else {}
            parts[each.name] = each.measure(settings_for[each.name], rounds, **others)
            if not json_:
                for table in parts[each.name].tables():
                    show(table)
                for line in parts[each.name].lines():
                    show(line)
        told = json.dumps(figures(parts), indent=1)
        if out is not None:
            write_whole(out, told + "\n")
        if json_:
            say_json(figures(parts))
