"""`fedsift plan`."""

import json
from typing import Annotated

import typer
from rich.console import Console

from fedsift.cli.options import JSON
from fedsift.cli.terminal import errors_in_one_line
from fedsift.configuration.run_config import RunConfig


def plan(
    model_parameters: Annotated[
        float, typer.Option(help="Of the whole model, frozen ones included.", show_default="1.2e9")
    ] = 1.2e9,
    tuned: Annotated[
        float, typer.Option(help="How many of them are tuned, or up to 1 which share.", show_default="1: all")
    ] = 1.0,
    clients: Annotated[int, typer.Option(help="How many clients.")] = 500,
    removals: Annotated[
        int, typer.Option(help="How many leave, one after the other; 0 for one in a hundred, but at least one.")
    ] = 0,
    steps: Annotated[int, typer.Option(help="Optimiser steps a client.")] = RunConfig.steps,
    batch_size: Annotated[int, typer.Option(help="Rows a step.")] = RunConfig.batch_size,
    tokens: Annotated[int, typer.Option(help="Tokens a row, with those of its prompt.")] = RunConfig.max_length,
    levels: Annotated[int, typer.Option(help=RunConfig.options()["levels"].help)] = RunConfig.levels,
    density: Annotated[
        float, typer.Option(help="Share of entries that a mask keeps; docs/planning.md has examples.")
    ] = 0.4,
    dtype: Annotated[str, typer.Option(help="Of the base weights on a client: float32, bfloat16.")] = RunConfig.dtype,
    flops: Annotated[
        float,
        typer.Option(
            help="FLOP/s that a device keeps up; 0 for half of an H200's dense peak: 3.35e13 in float32, "
            "4.95e14 in bfloat16."
        ),
    ] = 0.0,
    devices: Annotated[int, typer.Option(help="How many devices train at once, a client each.")] = 1,
    codec_rate: Annotated[
        float,
        typer.Option(
            help="Entries a second that a core of the server decodes and adds (fedsift bench --codec).",
            show_default="5e8",
        ),
    ] = 5e8,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Calculate bytes, memory, device-hours and the cost of removals beyond this machine; nothing is trained."""
    with errors_in_one_line("nothing was written"):
        from fedsift.studies.plan.assumptions import Assumptions
        from fedsift.studies.plan.footprint import Footprint
        from fedsift.studies.plan.presentation import assumed, footprint_table, plan_json, removals_table
        from fedsift.studies.plan.removals import removals as removals_by_method

        footprint = Footprint(
            Assumptions(
                model_parameters=model_parameters,
                tuned=tuned,
                clients=clients,
                removals=removals,
                steps=steps,
                batch_size=batch_size,
                tokens=tokens,
                levels=levels,
                density=density,
                dtype=dtype,
                flops=flops,
                devices=devices,
                codec_rate=codec_rate,
            )
        )
        rows = removals_by_method(footprint)
        if json_:
            typer.echo(json.dumps(plan_json(footprint, rows), indent=1))
        else:
            console = Console()
            console.print(footprint_table(footprint))
            console.print(removals_table(rows))
            for line in assumed(footprint):
                typer.echo(line)
