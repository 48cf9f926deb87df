"""`fedsift plan`."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from fedsift.cli.options import JSON, takes
from fedsift.cli.terminal import errors_in_one_line
from fedsift.studies.plan.assumptions import Assumptions


@takes(of=Assumptions)
def plan(overrides: dict[str, Any], json_: Annotated[bool, JSON] = False) -> None:
    """Calculate bytes, memory, device-hours and the cost of removals beyond this machine; nothing is trained."""
    with errors_in_one_line("nothing was written"):
        from fedsift.studies.plan.footprint import Footprint
        from fedsift.studies.plan.presentation import assumed, footprint_table, plan_json, removals_table
        from fedsift.studies.plan.removals import removals

        footprint = Footprint(Assumptions(**{name: each for name, each in overrides.items() if each is not None}))
        rows = removals(footprint)
        if json_:
            typer.echo(json.dumps(plan_json(footprint, rows), indent=1))
        else:
            console = Console()
            console.print(footprint_table(footprint))
            console.print(removals_table(rows))
            for line in assumed(footprint):
                typer.echo(line)
