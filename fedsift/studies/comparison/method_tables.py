"""How methods and comparisons are shown."""

from rich.table import Table

from fedsift.core.errors import counted
from fedsift.runs.scores import three_places, with_interval
from fedsift.strategies.registry import METHODS
from fedsift.studies.comparison.comparison import Comparison, MethodRow


def methods_tables() -> list[Table]:
    """The registry, exact methods first; T members, M the bytes of a model."""
    tables = []
    for exact, kind in ((True, "exact"), (False, "approximate")):
        table = Table(title=f"{kind} methods")
        for column in ("name", "paper", "trainings a removal", "storage"):
            table.add_column(column)
        for method in METHODS.values():
            if method.exact == exact:
                table.add_row(method.name, method.paper, method.cost.formula, method.storage.formula)
        tables.append(table)
    table.caption = (
        "T members, S shards of L slices, H = 1 + 1/2 + ... + 1/L, M bytes of a model, "
        "R rounds of which each has a share s of the members"
    )
    return tables


def comparison_tables(found: Comparison) -> list[Table]:
    """What methods score, beside what clients have without them; and what removals cost, and whether they are exact."""
    return [_scores(found), _removals(found), _clock(found)]


def _scores(found: Comparison) -> Table:
    rows = "rows that nobody trained on (held-out)" if found.held_out else "the rows trained on (held-in)"
    title = (
        f"mean {found.metric} on {rows}\n{counted(found.clients, 'member')}, "
        f"{counted(len(found.leavers), 'leaves', 'leave')}, {counted(found.newcomers, 'newcomer')}; "
        "in brackets 95% over clients"
    )
    if found.chosen_on:
        title += (
            f"\nwithout the {counted(len(found.chosen_on), 'member')} on whose scores settings of methods were chosen"
        )
    table = Table(title=title)
    table.add_column("method")
    for column in ("members", "better / worse", "newcomers", "stay", "left"):
        table.add_column(column, justify="right")
    for each in found.baselines:
        table.add_row(each.title, str(each.members or "-"), "", str(each.newcomers or "-"), "", "")
    table.add_section()
    for row in found.methods:
        table.add_row(
            row.title,
            _interval(row.members_before, row.members_low, row.members_high),
            "-" if row.better_than_alone is None else f"{row.better_than_alone} / {row.worse_than_alone}",
            _interval(row.newcomers_before, row.newcomers_low, row.newcomers_high),
            _score(row.members_after),
            _score(row.leavers_after),
        )
    table.caption = "better / worse: members than alone; stay, left: those who stay and who left, after the removals"
    return table


def _removals(found: Comparison) -> Table:
    removals = len(found.leavers)
    table = Table(title="removals, in client trainings")
    table.add_column("method")
    for column in ("first", f"all {removals}", "of everybody", "storage", "seconds", "same bits"):
        table.add_column(column, justify="right")
    for row in found.methods:
        table.add_row(
            row.title,
            f"{row.trainings[0]:,}",
            f"{sum(row.trainings):,}",
            f"{row.trainings_of_all_removals:,}",
            f"{row.storage_bytes / 2**20:,.1f} MiB",
            f"{row.seconds:.1f}",
            _sameness(row),
        )
    table.caption = (
        "same bits: the state after them is that of never having joined (if not: the share of entries that differ, and "
        "how much of the distance from before the removals is left)"
    )
    return table


def _clock(found: Comparison) -> Table:
    table = Table(title=f"{counted(len(found.leavers), 'removal')} on the virtual clock")
    table.add_column("method")
    for column in ("trainings", "steps", "hours", "MB up", "MB down", "kJ"):
        table.add_column(column, justify="right")
    for row in found.methods:
        spent = row.removals
        table.add_row(
            row.title,
            f"{sum(row.trainings):,}",
            f"{sum(row.steps):,}",
            f"{spent.seconds / 3600:,.3f}",
            f"{spent.up / 1e6:,.1f}",
            f"{spent.down / 1e6:,.1f}",
            f"{spent.joules / 1e3:,.1f}",
        )
    table.caption = "on the clients' devices; one removal after the other, the clients of a round side by side"
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
