"""How methods and comparisons are shown."""

from rich.table import Table

from fedsift.runs.scores import three_places, with_interval
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
    """A row for each baseline, then for each method."""
    removals = len(found.leavers)
    rows = "rows that nobody trained on (held-out)" if found.held_out else "the rows trained on (held-in)"
    title = (
        f"mean {found.metric} on {rows}\n{found.clients} members, {removals} leave, {found.newcomers} newcomers; "
        "in brackets 95% over clients"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("method", no_wrap=True)
    scored = ("members", "better / worse than alone", "newcomers", "the rest: after", "leavers: after")
    counted = ("first removal", f"all {removals}", "of everybody")
    for column in (*scored, *counted, "storage", "seconds", "same bits"):
        table.add_column(column, justify="right")
    for each in found.baselines:
        table.add_row(each.title, str(each.members or "-"), "", str(each.newcomers or "-"), *[""] * 8)
    if found.baselines:
        table.add_section()
    for row in found.methods:
        table.add_row(
            row.title,
            _interval(row.members_before, row.members_low, row.members_high),
            "-" if row.better_than_alone is None else f"{row.better_than_alone} / {row.worse_than_alone}",
            _interval(row.newcomers_before, row.newcomers_low, row.newcomers_high),
            _score(row.members_after),
            _score(row.leavers_after),
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


def _interval(mean: float | None, low: float | None, high: float | None) -> str:
    return "-" if mean is None or low is None or high is None else with_interval(mean, low, high)


def _score(value: float | None) -> str:
    return "-" if value is None else three_places(value)
