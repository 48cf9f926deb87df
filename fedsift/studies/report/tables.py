"""All tables of a report: the one place where its numbers are taken from the outcome."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fedsift.studies.optout.scenario_result import CheckedStep
from fedsift.studies.report.observers import FIGURES, OURS
from fedsift.studies.report.outcome import Outcome
from fedsift.studies.report.table import Column, Interval, Table

# The states that are attacked: key in result.json, and how people know them.
WHEN = {"before": "before", "after": "after", "oracle": "never joined"}

_STEP, _UNLEARNED = Column("step", "step", "quantity"), Column("unlearned", "unlearned so far", "quantity")
_CLIENT, _METHOD = Column("client", "client", "code"), Column("method", "method")
_REASON, _RETRAINED = Column("reason", "reason", "reason"), Column("steps_retrained", "steps retrained", "quantity")
_SAME = Column("equals_oracle", "same as oracle", "answer")
_PLANNED = Column("planned", "planned by the scenario")
_KEY, _VALUE = Column("key", "key", "code"), Column("value", "value", "code")


def all_tables(outcome: Outcome) -> dict[str, Table]:
    """The tables that have rows, by name."""
    tables = [
        overview(outcome),
        _steps(outcome),
        events(outcome),
        scores(outcome),
        costs(outcome),
        _costs_in_all(outcome),
        _on_clock(outcome),
        _storage(outcome),
        _removals(outcome),
        *_attack_tables(outcome),
        _configuration(outcome),
        _environment(outcome),
    ]
    return {table.name: table for table in tables if table.rows}


def overview(outcome: Outcome) -> Table:
    """The run in a dozen numbers."""
    result, later = outcome.result, outcome.steps[1:]
    rows: list[tuple[Any, ...]] = [
        ("clients at the merge", result.clients),
        ("clients that never join, and only score", result.newcomers),
        ("clients that left", len(outcome.left)),
        ("of them, members again at the end", len(outcome.came_back)),
        ("new clients that joined after the merge", len(outcome.joined_later)),
        ("removals refused", len(outcome.refusals)),
        ("members at the end", outcome.steps[-1].members),
        ("client trainings after the merge", sum(step.trainings for step in later)),
        ("optimiser steps retrained", outcome.steps_retrained),
        ("of them, in refused reruns", outcome.steps_of_refused),
        ("bytes uploaded after the merge", sum(step.bytes_up for step in later)),
        ("tuned parameters", result.tuned_parameters),
        ("bytes of the server's sums", result.server_bytes),
        ("bytes of a client's mask, mean", result.mask_bytes_mean),
        ("bytes of an upload, mean", result.upload_bytes_mean),
        ("bytes of a dense float32 upload", result.dense_bytes),
        ("seconds in all", result.seconds),
    ]
    return Table("overview", "The run in numbers", (Column("what", "what"), Column("value", "value", "quantity")), rows)


def _steps(outcome: Outcome) -> Table:
    happened = {key: key for key in ("asked", "left", "joined", "refused", "offline", "failed")}
    happened["joined"] = "joined or came back"
    columns = (
        _STEP,
        Column("members", "members", "quantity"),
        *(Column(key, title, "quantity") for key, title in happened.items()),
        Column("same_as_incremental", "same as incremental oracle", "check"),
        Column("same_as_full", "same as full oracle", "check"),
        Column("trainings", "client trainings", "quantity"),
        _RETRAINED,
        Column("bytes_up", "bytes up", "quantity"),
        Column("seconds", "seconds", "quantity"),
        Column("state_digest", "state digest", "digest"),
    )
    counted = ("asked", "left", "joined", "refused", "offline", "failures")
    as_is = [column.key for column in columns[8:]]
    rows = [
        (step.step, step.members, *(len(getattr(step, key)) for key in counted), *(getattr(step, key) for key in as_is))
        for step in outcome.steps
    ]
    return Table("steps", "Step by step; step 0 is the merge", columns, rows)


def events(outcome: Outcome) -> Table:
    """Who left, joined, came back, was refused, was away or failed, and when."""
    columns = (_STEP, _CLIENT, Column("event", "what happened"), _REASON, _PLANNED)

    def happened(step: CheckedStep) -> Iterator[tuple[Any, ...]]:
        for key, event in (("left", "left"), ("joined", "joined"), ("offline", "away")):
            for client in getattr(step, key):
                back = key == "joined" and (step.step, client) in outcome.returns
                yield step.step, client, "came back" if back else event, None, ""
        for client, why in step.refused.items():
            yield step.step, client, "refused", why, outcome.planned.get((step.step, client), "")
        yield from ((step.step, client, "failed", why, "") for client, why in step.failures.items())

    # At the merge everybody joins: only what went wrong there is an event.
    rows = [row for step in outcome.steps for row in happened(step) if row[0] != 0 or row[2] != "joined"]
    return Table("events", "Who left, joined, came back, was refused, was away or failed", columns, rows)


def scores(outcome: Outcome) -> Table:
    """Mean scores of what clients are served, by the number unlearned."""
    columns = (
        _STEP,
        _UNLEARNED,
        Column("members", "members", "score"),
        Column("worst_decile", "members, worst tenth", "score"),
        Column("zero_shot", "members, zero-shot", "score"),
        Column("alone", "members, alone", "score"),
        Column("better_than_alone", "better than alone", "quantity"),
        Column("worse_than_alone", "worse than alone", "quantity"),
        Column("all_clients", "members and leavers", "score"),
        Column("leavers", "leavers", "score"),
        Column("newcomers", "newcomers", "score"),
        Column("newcomers_zero_shot", "newcomers, zero-shot", "score"),
        Column("stayers_change_mean", "change for stayers, mean", "change"),
        Column("stayers_change_worst", "change for stayers, worst", "change"),
    )
    rows = [
        (step.step, unlearned, *(getattr(step.scores, column.key) for column in columns[2:]))
        for step, unlearned in zip(outcome.steps, outcome.unlearned, strict=True)
        if step.scores
    ]
    scored_on = "rows that nobody trained on" if outcome.result.held_out else "the rows trained on (held-in)"
    return Table("scores", f"Mean {outcome.result.metric} of what clients are served, on {scored_on}", columns, rows)


def costs(outcome: Outcome) -> Table:
    """Client trainings of each method after the merge, up to each step."""
    methods = outcome.costs
    columns = (_STEP, _UNLEARNED, *(Column(title, title, "quantity") for title in methods))
    steps = [step.step for step in outcome.steps]
    rows = list(zip(steps, outcome.unlearned, *methods.values(), strict=True)) if methods else []
    return Table("costs", "Client trainings after the merge, up to each step", columns, rows)


def _costs_in_all(outcome: Outcome) -> Table:
    in_all = {title: cumulated[-1] for title, cumulated in outcome.costs.items()}
    column = Column("trainings", "client trainings", "quantity")
    return _by_method("costs_in_all", "Client trainings after the merge", column, in_all)


def _on_clock(outcome: Outcome) -> Table:
    counted = ("hours", "megabytes_up", "megabytes_down", "kilojoules")
    amounts = (Column(each, each.replace("_", " "), "amount") for each in counted)
    rows = []
    for title, each in outcome.result.on_clock.items():
        spent = each.spent
        rows.append((title, each.trainings, spent.seconds / 3600, spent.up / 1e6, spent.down / 1e6, spent.joules / 1e3))
    columns = (_METHOD, Column("trainings", "client trainings", "quantity"), *amounts)
    return Table("on_clock", "All changes after the merge on the virtual clock", columns, rows)


def _storage(outcome: Outcome) -> Table:
    column = Column("bytes", "bytes", "quantity")
    return _by_method("storage", "Bytes that a method keeps", column, outcome.result.storage_bytes)


def _by_method(name: str, title: str, column: Column, numbers: Mapping[str, int]) -> Table:
    """Each method's number, and how many times ours it is, the smallest first."""
    ours = numbers.get(OURS, 0)  # A report without costs has no numbers at all.
    rows = [(method, number, number / ours if ours else None) for method, number in numbers.items()]
    columns = (_METHOD, column, Column("times_ours", f"times {OURS}", "times"))
    return Table(name, title, columns, sorted(rows, key=lambda row: row[1]))


def _removals(outcome: Outcome) -> Table:
    columns = (
        _CLIENT,
        _STEP,
        Column("verdict", "verdict"),
        _REASON,
        _PLANNED,
        _RETRAINED,
        Column("certificate", "certificate", "path"),
    )
    rows = [tuple(getattr(removal, column.key) for column in columns) for removal in outcome.result.removals]
    return Table("removals", "Removals and their certificates", columns, rows)


def _attack_tables(outcome: Outcome) -> list[Table]:
    told = outcome.result.attacks
    if not told:
        return []
    relearning = "Relearning: optimiser steps until the leavers' data are known again"
    canaries = "Canaries: exposure of those of the leavers, in bits"
    remembered = "What is remembered of the leavers' rows, and what is left for others, with 95% intervals"
    return [
        _distances("membership", "Membership attacks on the leavers, with 95% intervals", told["membership"]),
        _distances("memory", remembered, told["memory"]),
        _probe("relearning", relearning, told["relearning"], "steps_to_recover", "recovery"),
        _probe("canaries", canaries, told["canaries"], "exposure", "score"),
        _reconstruction(told.get("reconstruction", ())),
    ]


def _probe(name: str, title: str, told: Sequence[Mapping[str, Any]], key: str, kind: str) -> Table:
    """What a probe found for each method in each state that is attacked."""
    columns = (_METHOD, *(Column(state, when, kind) for state, when in WHEN.items()), _SAME)
    rows = [(row["method"], *(row[key][state] for state in WHEN), row["equals_oracle"]) for row in told]
    return Table(name, title, columns, rows)


def _reconstruction(told: Sequence[Mapping[str, Any]]) -> Table:
    """What all others, colluding, reconstruct of one who stays."""
    columns = (_METHOD, Column("from", "from"), *(Column(state, when, "score") for state, when in WHEN.items()), _SAME)
    rows = [
        (row["method"], row["from"], *(row["probability"][state] for state in WHEN), row["equals_oracle"])
        for row in told
    ]
    title = "A stayer against whom all others collude: the probability of its answers"
    return Table("reconstruction", title, columns, rows)


def _distances(name: str, title: str, told: Sequence[Mapping[str, Any]]) -> Table:
    """Signed: what is found where the leavers never joined, what before and after, and by how much that differs."""
    columns = (
        Column("metric", "metric"),
        Column("figure", "figure"),
        _METHOD,
        Column("oracle", WHEN["oracle"], "interval"),
        *(
            column
            for state in ("before", "after")
            for column in (
                Column(state, WHEN[state], "interval"),
                Column(f"{state}_difference", f"{WHEN[state]}, difference", "distance"),
            )
        ),
        _SAME,
    )
    titles, figures = [row["title"] for row in told], list(FIGURES)
    rows = [
        (
            row["title"],
            FIGURES[figure],
            row["method"],
            *(
                cell
                for state in ("oracle", "before", "after")
                for cell in (
                    Interval(row[state][figure], *row[state][f"{figure}_interval"]),
                    *(Interval(*row["difference"][state][figure]) for _ in range(state != "oracle")),
                )
            ),
            row["equals_oracle"],
        )
        for row, figure in sorted(
            ((row, figure) for row in told for figure in row["difference"]["after"]),
            key=lambda each: (titles.index(each[0]["title"]), figures.index(each[1])),
        )
    ]
    return Table(name, title, columns, rows)


def _configuration(outcome: Outcome) -> Table:
    return Table("configuration", "Configuration", (_KEY, _VALUE), list(outcome.result.config.items()))


def _environment(outcome: Outcome) -> Table:
    columns = (Column("worker", "kind of worker", "quantity"), _KEY, _VALUE)
    rows: list[tuple[Any, ...]] = [
        (number, key, value)
        for number, fingerprint in enumerate(outcome.result.environment, start=1)
        for key, value in fingerprint.items()
    ]
    return Table("environment", "The workers' environment", columns, rows)
