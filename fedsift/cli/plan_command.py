"""`fedsift plan`."""

from typing import Annotated, Any

from rich.table import Table

from fedsift.cli.options import JSON, given_values, takes
from fedsift.cli.terminal import NOTHING_WRITTEN, errors_in_one_line, tell
from fedsift.studies.plan.assumptions import Assumptions
from fedsift.studies.plan.model import MODEL_OPTIONS


@takes(*MODEL_OPTIONS, into="of_model", defaults={"model": ""})
@takes(of=Assumptions)
def plan(overrides: dict[str, Any], of_model: dict[str, Any], json_: Annotated[bool, JSON] = False) -> None:
    """Calculate bytes, memory and hours; nothing is trained.

    Of a federation of any size, and what removals cost with each method. With --model its sizes are taken from its
    config.json; weights are neither needed nor read.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.studies.plan.footprint import Footprint
        from fedsift.studies.plan.model import sizes_of_model
        from fedsift.studies.plan.presentation import assumed, footprint_table, plan_json, removals_table
        from fedsift.studies.plan.removals import removals

        given = {name: each for name, each in overrides.items() if each is not None}
        sizes = sizes_of_model(given_values(of_model), given)
        known = {name: each for name, each in sizes.items() if name in Assumptions.options()}
        footprint = Footprint(Assumptions(**given, **known))
        rows = removals(footprint)
        shown: list[Table | str] = [footprint_table(footprint), removals_table(rows)]
        if sizes:
            shape = f"hidden size {sizes['hidden_size']:,}, layers {sizes['layers']}"
            shown.append(f"model    {of_model['model']}: {shape}, {int(known['tuned']):,} parameters tuned")
        found = plan_json(footprint, rows) | ({"model": sizes} if sizes else {})
        tell(found, json_, [*shown, *assumed(footprint)])
