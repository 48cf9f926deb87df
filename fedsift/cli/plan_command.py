"""`fedsift plan`."""

from typing import Annotated, Any

from fedsift.cli.options import JSON, takes
from fedsift.cli.terminal import NOTHING_WRITTEN, errors_in_one_line, tell
from fedsift.studies.plan.assumptions import Assumptions


@takes(of=Assumptions)
def plan(overrides: dict[str, Any], json_: Annotated[bool, JSON] = False) -> None:
    """Calculate bytes, memory and hours; nothing is trained.

    Of a federation of any size, and what removals cost with each method. The formulas are in docs/how-to/planning.md.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.studies.plan.footprint import Footprint
        from fedsift.studies.plan.presentation import assumed, footprint_table, plan_json, removals_table
        from fedsift.studies.plan.removals import removals

        footprint = Footprint(Assumptions(**{name: each for name, each in overrides.items() if each is not None}))
        rows = removals(footprint)
        tell(plan_json(footprint, rows), json_, [footprint_table(footprint), removals_table(rows), *assumed(footprint)])
