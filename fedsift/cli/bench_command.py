"""`fedsift bench`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fedsift.cli.options import JSON, TRAINING, settings_of, takes
from fedsift.cli.terminal import told_to_people
from fedsift.core.options import Group
from fedsift.files.output import check_file, write_whole


@takes(*TRAINING, Group.GRID, "partial_sums")
def bench(
    overrides: dict[str, Any],
    config: Annotated[Path | None, typer.Argument(help="A config.toml; options override it.")] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Whole runs, beside stock Flower and a bare loop.")] = False,
    overhead: Annotated[bool, typer.Option("--overhead", help="Runs without a training.")] = False,
    step: Annotated[bool, typer.Option("--step", help="The optimiser step.")] = False,
    codec: Annotated[bool, typer.Option("--codec", help="Coding an upload and adding it to the sums.")] = False,
    reading: Annotated[bool, typer.Option("--reading", help="Reading a csv of 100,000 clients.")] = False,
    bits: Annotated[bool, typer.Option("--bits", help="Bits a magnitude: bytes and scores.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured, in turn.")] = 5,
    out: Annotated[Path | None, typer.Option(help="Also write all figures to this JSON file.")] = None,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Measure speed, overhead, memory and bytes; all parts, or those that are asked for."""
    with told_to_people("what was not printed is lost"):
        settings = settings_of(overrides, config)
        if out is not None:
            check_file(out)  # Before minutes are spent.
        from fedsift.runtime.ray_start import check_ray_folder
        from fedsift.simulations.bench.bench import ON_RAY, PARTS, figures

        given = {"runs": runs, "overhead": overhead, "step": step, "codec": codec, "reading": reading, "bits": bits}
        asked = [name for name in PARTS if given[name] or not any(given.values())]
        if ON_RAY.intersection(asked):
            check_ray_folder()
        parts = {}
        for name in asked:
            parts[name] = PARTS[name](settings, rounds)
            if not json_:
                Console().print(parts[name].table())
        told = json.dumps(figures(parts), indent=1)
        if out is not None:
            write_whole(out, told + "\n")
        if json_:
            typer.echo(told)
