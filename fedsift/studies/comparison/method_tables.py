"""How methods and comparisons are shown."""

from rich.table import Table

from fedsift.strategies.registry import METHODS
from fedsift.studies.comparison.comparison import Comparison, MethodRow


def methods_table() -> Table:
    """The registry as a table; T members, M the bytes of a model."""
    table = Table(title="methods (T members, M bytes of a model)", title_justify="left")
    table.add_column("name", no_wrap=True)
    for column in ("method", "paper", "removal", "trainings a removal", "storage"):
        table.add_column(column)
    for method in METHODS.values():
        kind = "exact" if method.exact else "approximate"
        table.add_row(method.name, method.title, method.paper, kind, method.cost.formula, method.storage.formula)
    return table


def comparison_table(found: Comparison) -> Table:
    """A row for each method."""
    removals = len(found.leavers)
    title = f"mean {found.metric}, {found.clients} members, {removals} leave, {found.newcomers} newcomers"
    table = Table(title=title, title_justify="left")
    table.add_column("method", no_wrap=True)
    scored = ("members", "the rest: after", "leavers: after", "newcomers: after")
    counted = ("first removal", f"all {removals}", "of everybody")
    for column in (*scored, *counted, "storage", "seconds", "same bits"):
        table.add_column(column, justify="right")
    for row in found.methods:
        scores = (row.members_before, row.members_after, row.leavers_after, row.newcomers_after)
        table.add_row(
            row.title,
            *("-" if score is None else f"{score:.3f}" for score in scores),
            f"{row.trainings[0]:,}",
            f"{sum(row.trainings):,}",
            f"{row.trainings_of_all_removals:,}",
            f"{row.storage_bytes / 2**20:,.1f} MiB",
            f"{row.seconds:.1f}",
            _sameness(row),
        )
    table.caption = (
        "removals in client trainings; same bits: the state after them is that of never having joined (if not: the "
        "share of entries that differ, and how much of the distance from before the removals is left)"
    )
    return table


def _sameness(row: MethodRow) -> str:
    if row.exact_in_bits:
        return "yes"
    differing, left = row.differing_entries, row.distance_left
    return "no" if differing is None else f"no: {differing:.0%}" + ("" if left is None else f", {left:.2f}")
