"""What a tracker is sent of a comparison: numbers of each method before and after the removals, tables and files."""

from collections.abc import Mapping
from pathlib import Path

from fedsift.core.tracking import Tracking
from fedsift.studies.comparison.comparison import Comparison, MethodRow


def track_row(tracking: Tracking, row: MethodRow, removals: int) -> None:
    """Send a method's numbers: at step 0 before the removals, and at the step of their number after them."""
    before = {
        "members": row.members_before,
        "members_low": row.members_low,
        "members_high": row.members_high,
        "newcomers": row.newcomers_before,
        "newcomers_low": row.newcomers_low,
        "newcomers_high": row.newcomers_high,
        "leavers": row.leavers_before,
    }
    after = {
        "members": row.members_after,
        "newcomers": row.newcomers_after,
        "leavers": row.leavers_after,
        "trainings": sum(row.trainings),
        "steps_retrained": sum(row.steps),
        "exact_in_bits": row.exact_in_bits,
        "seconds": row.seconds,
    }
    for step, numbers in ((0, before), (removals, after)):
        tracking.log(step, {f"{row.name}/{name}": value for name, value in numbers.items()})


def track_comparison(
    tracking: Tracking, found: Comparison, per_client: Mapping[str, Mapping[str, float]], out: Path
) -> None:
    """Send the tables of methods and clients, and the files."""
    if not tracking:
        return
    import pandas

    baselines = [(each.name, score) for each in found.baselines for score in (each.members, each.newcomers) if score]
    clients = {client_id: dict(scores) for client_id, scores in sorted(per_client.items())}
    for name, score in baselines:
        for client_id, value in score.per_client.items():
            clients.setdefault(client_id, {})[name] = value
    rows = [{"client": client_id, **scores} for client_id, scores in clients.items()]
    tables = {"methods": pandas.DataFrame(found.rows()), "clients": pandas.DataFrame(rows)}
    tracking.found(tables, {name: out / name for name in ("result.json", "methods.csv")})
