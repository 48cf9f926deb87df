"""How a plan is shown: to people, and to machines."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from rich.filesize import decimal
from rich.table import Table

from fedsift.core.errors import counted
from fedsift.protocol.method import ROUNDS
from fedsift.studies.number_text import three_digits
from fedsift.studies.plan.assumptions import SUSTAINED
from fedsift.studies.plan.footprint import Footprint
from fedsift.studies.plan.removals import Removals


def plan_json(footprint: Footprint, rows: Sequence[Removals]) -> dict[str, Any]:
    """Assumptions as they were resolved, what SIFT-Masks takes, and removals by method."""
    assumptions = footprint.assumptions
    resolved = {
        **dataclasses.asdict(assumptions),
        "model_parameters": int(assumptions.model_parameters),
        "tuned": assumptions.tuned_parameters,
        "removals": assumptions.leavers,
        "levels": assumptions.grid.levels,
        "flops": assumptions.device_flops,
    }
    return {"assumptions": resolved, "sift_masks": footprint.to_json(), "methods": [row.to_json() for row in rows]}


def footprint_table(footprint: Footprint) -> Table:
    """What SIFT-Masks takes."""
    assumptions = footprint.assumptions
    clients = assumptions.clients
    title = (
        f"SIFT-Masks: {counted(clients, 'client')}, {_count(assumptions.tuned_parameters)} of "
        f"{_count(assumptions.model_parameters)} parameters tuned, levels 0 to {assumptions.grid.levels}"
    )
    table = Table(title=title)
    table.add_column("")
    for column in ("a client", f"all {clients:,}", "the server"):
        table.add_column(column, justify="right")

    def each(label: str, value: int) -> None:
        table.add_row(label, decimal(value), decimal(clients * value), "-")

    each("up: an upload", footprint.upload_bytes)
    if footprint.head_bytes:
        each("up: of that the shared head, at most", footprint.head_bytes)
    each("down: the terms of a training", footprint.terms_bytes)
    each("down: a member's model, own", footprint.served_own_bytes)
    each("down: a member's model, coordinate", footprint.served_coordinate_bytes)
    if footprint.served_head_bytes:
        each("down: the shared head's sums", footprint.served_head_bytes)
    table.add_row("down: the merged model, without a mask", decimal(footprint.merged_bytes), "-", "-")
    each("kept: its mask", footprint.mask_bytes)
    each("kept: its levels, for own", footprint.levels_bytes)
    table.add_row("memory: training, activations on top", decimal(footprint.client_bytes), "-", "-")
    table.add_row("memory: the sums", "-", "-", decimal(footprint.sums_bytes))
    table.add_row("memory: with uploads on their way", "-", "-", decimal(footprint.server_bytes))
    table.add_row("disk: the ledger", "-", "-", decimal(footprint.ledger_bytes))
    each_hours, all_hours = three_digits(footprint.training_hours), three_digits(footprint.merge_hours)
    table.add_row("device-hours: training", each_hours, all_hours, "-")
    table.add_row("hours by the clock: training", "-", three_digits(footprint.merge_elapsed_hours), "-")
    for label, seconds in (("decode and add", footprint.add_seconds), ("a merge in all", footprint.merge_seconds)):
        table.add_row(f"server's core-seconds: {label}", three_digits(seconds), three_digits(clients * seconds), "-")
    return table


def removals_table(rows: Sequence[Removals]) -> Table:
    """Trainings and device-hours of removals, and what is stored, a row for each method."""
    assumptions = rows[0].footprint.assumptions
    table = Table(title="removals, one after the other: client trainings (device-hours)")
    table.add_column("method")
    table.add_column("exact")
    for span in ("the first", f"the first {assumptions.leavers:,}", f"all {assumptions.clients:,}"):
        table.add_column(span, justify="right")
    table.add_column("storage", justify="right")
    for row in rows:
        costs = [f"{count:,} ({three_digits(hours)})" for count, hours in zip(row.trainings, row.hours, strict=True)]
        table.add_row(row.method.title, "yes" if row.method.exact else "no", *costs, decimal(row.storage_bytes))
    return table


def assumed(footprint: Footprint) -> list[str]:
    """What the figures rest on, a line each."""
    assumptions = footprint.assumptions
    given = "as given" if assumptions.flops else f"{SUSTAINED:.0%} of an H200's dense peak; measure yours"
    return [
        f"training {counted(assumptions.steps, 'step')} of {counted(assumptions.batch_size, 'row')} of "
        f"{counted(assumptions.tokens, 'token')}, "
        f"weights in {assumptions.dtype}: {footprint.training_flops:.3g} FLOP",
        f"devices  {assumptions.devices:,} at once, each keeps up {assumptions.device_flops:.3g} FLOP/s ({given})",
        f"server   a core decodes and adds {assumptions.codec_rate:.3g} entries a second (fedsift bench --codec)",
        f"masks    keep {assumptions.density:.1%} of the entries",
        f"rounds   {ROUNDS:g} of all members, of methods that train in rounds",
        "storage  models, and a bit an entry for each mask, as Table 1 of the paper counts",
    ]


def _count(number: float) -> str:
    """Parameters, as models are called after them: 135M, 1.2B."""
    if number < 1e6:
        return f"{number:,.0f}"
    return f"{three_digits(number / 1e6)}M" if number < 1e9 else f"{three_digits(number / 1e9)}B"
