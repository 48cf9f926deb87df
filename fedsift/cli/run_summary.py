"""What people are shown of a run, and of what was done to it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fedsift.cli.findings import findings_summary
from fedsift.cli.score_table import score_lines, score_table, warning_lines
from fedsift.core.errors import counted, legible
from fedsift.protocol.client_rounds import last_line
from fedsift.runs.privacy import PrivacySpent
from fedsift.runs.result import Removal, RunResult
from fedsift.runs.scores import MARGIN, ServedBelowLocal

if TYPE_CHECKING:  # torch, and what else a command may do without
    from fedsift.runs.check_data import DataReport, Spread
    from fedsift.runs.export import Exported
    from fedsift.runs.forget import Forgotten
    from fedsift.runs.join import Joined
    from fedsift.runs.verify import Verified

_TOKENS_SHOWN = 12
_SHOWN = 10  # removals, and failures; the rest is in result.json


def run_summary(result: RunResult, out: Path) -> list[Table | Text]:
    """The scores as a table, then bytes, seconds, removals, failures, the verdict; last, whether members lose by it."""
    upload, dense = result.upload_bytes_mean, result.dense_bytes
    shown: list[Table | Text] = [
        score_table(result),
        *score_lines(result),
        *_grid_line(result.served_below_local),
        Text(f"upload   {upload:,.0f} bytes a client, {upload / dense:.1%} of dense float32 ({dense:,} bytes)"),
        Text(
            f"server   {result.server_bytes:,} bytes of sums for {result.tuned_parameters:,} parameters; "
            f"process at most {result.server_peak_memory_bytes / 2**20:,.0f} MiB"
        ),
        *_privacy_line(result.privacy),
        _seconds(result.seconds),
        Text(f"state    {result.state_digest}"),
        *_removal_lines(result.removals),
        *_failure_lines(result.failures, _SHOWN),
    ]
    if result.oracle is not None:
        same = result.oracle.bit_identical
        run = "a run they never joined" if result.removals else "a second run"
        verdict = f"byte for byte the state of {run}" if same else f"NOT the state of {run}"
        shown.append(Text(f"oracle   {result.oracle.state_digest}"))
        shown.append(Text(f"verdict  {verdict}", "bold green" if same else "bold red"))
    return [*shown, Text(f"written  {out}"), *warning_lines(result)]


def removal_summary(result: "Forgotten", run: Path) -> list[Text]:
    """What `fedsift forget` did."""
    return [
        *_removal_lines(result.removals),
        Text(f"state    {result.state_digest}, {counted(result.members, 'member')}"),
        *(Text(f"late     {each}; the next command on this run does it", "yellow") for each in result.late),
        _seconds(result.seconds),
        Text(f"written  {run / 'certificates'}"),
    ]


def export_summary(exported: "Exported") -> list[Text]:
    """What `fedsift export` wrote."""
    whose = "the merged model" if exported.member is None else f"the model of {legible(exported.member)}"
    return [
        Text(
            f"written  {exported.path}: {whose}, {sum(exported.files.values()):,} bytes; README.md says how to use it"
        ),
        Text(f"state    {exported.state_digest}"),
        Text("A removal does not reach this copy: delete it by hand when its member has left."),
    ]


def join_summary(result: "Joined") -> list[Text]:
    """What `fedsift join` did."""
    return [
        *(Text(f"joined   {legible(client_id)}", "green") for client_id in result.joined),
        *_failure_lines(result.failures, len(result.failures)),
        Text(f"state    {result.state_digest}, {counted(result.members, 'member')}"),
    ]


def data_summary(report: "DataReport") -> list[Text]:
    """What `fedsift check-data` found."""

    def spread(values: "Spread") -> str:
        if values.min == values.max:
            return f"{values.min:g}"
        return f"{values.min:g} to {values.max:g} (median {values.median:g})"

    others = counted(report.newcomers, "newcomer") if report.newcomers else "no newcomers"
    held = "held-out" if report.held_out else "held-in"
    scored_on = f"{spread(report.test_rows)} {held} {'row' if report.test_rows.max == 1 else 'rows'}"
    together = f", by column {report.group_column}" if report.group_column else ""
    lacking = counted(report.not_scored, "client has none and is", "clients have none and are")
    unscored = f"; {lacking} not scored" if report.not_scored else ""
    shown = [
        Text(f"clients  {report.clients}, the first {report.clients_read} read; {others}"),
        Text(f"digest   {report.digest}"),
        Text(f"rows     {spread(report.rows)} a client to tune on"),
        Text(f"scored   on {scored_on} a client{together}{unscored}"),
    ]
    if report.heterogeneity is not None:
        cut = f"cut      {counted(report.rows_cut, 'row')}, {counted(report.tokens_cut, 'token')}"
        targets = f"{report.different_targets} different; {counted(report.single_target, 'client')} with a single one"
        shown += [
            Text(f"tokens   {spread(report.tokens)} a row"),
            Text(cut, "yellow" if report.rows_cut else ""),
            Text(f"targets  {targets}; heterogeneity {report.heterogeneity:.2f}"),
        ]
    if report.different_targets <= len(report.targets):
        shown += [Text(f"         {share:6.1%}  {target}") for target, share in report.targets.items()]
    for each in report.samples:
        target = f" -> {each.target!r}" if each.target else ""
        shown.append(Text(f"sample   {legible(each.client)}: {each.prompt!r}{target}"))
        if each.learned:
            tokens = [*map(repr, each.learned[:_TOKENS_SHOWN]), *["..."] * (len(each.learned) > _TOKENS_SHOWN)]
            shown.append(Text(f"learned  {counted(len(each.learned), 'token')}: {' '.join(tokens)}"))
    same = report.repeatable
    verdict = "the same bits twice" if same else "NOT the same bits twice: a removal would be refused"
    return [*shown, Text(f"trained  {verdict}, profile {report.profile}", "green" if same else "bold red")]


def audit_summary(verified: "Verified") -> list[Text]:
    """What `fedsift verify` found."""
    known = "" if verified.known_key else "; no key is known here to hold it against (--public-key)"
    by = f"key {verified.sealed_by}" if verified.sealed_by else "no key: who can write the file can make its seal"
    shown = [Text(f"{'profile':<12} {verified.profile}"), Text(f"{'sealed by':<12} {by}{known}")]
    return [*shown, *findings_summary(verified.findings)]


def _grid_line(lost: ServedBelowLocal) -> list[Text]:
    if not lost.members:
        return []
    count = f"{lost.members:,} of {counted(lost.of, 'member')} {'is' if lost.members == 1 else 'are'}"
    return [Text(f"grid     {count} served more than {MARGIN} below their own model: try {lost.advice}", "yellow")]


def _privacy_line(spent: PrivacySpent | None) -> list[Text]:
    if spent is None:
        return []
    states = counted(spent.publications, "published state")
    what = f"epsilon {spent.epsilon:,.2f} at delta {spent.delta:g}"
    return [Text(f"privacy  {what}, over {states} with noise {spent.noise:g}")]


def _removal_lines(removals: Iterable[Removal]) -> list[Text]:
    """A line for each removal, as far as they are shown; none for a refusal of a client that has left since."""
    shown = [removal for removal in removals if removal.verdict.done or removal.stands_refused]
    lines = []
    for removal in shown[:_SHOWN]:
        done = removal.verdict.done
        what = f"{counted(removal.steps_retrained, 'step')} retrained" if done else removal.reason or ""
        who = f"receipt {removal.receipt}" if removal.client is None else legible(removal.client)
        lines.append(Text(f"removal  {who}  {removal.verdict}  {what}".rstrip(), "green" if done else "red"))
    if len(shown) > _SHOWN:
        lines.append(Text(f"removal  ... and {len(shown) - _SHOWN} more, in result.json"))
    return lines


def _failure_lines(failures: Mapping[str, str], shown: int) -> list[Text]:
    """A line for each of the first failures."""
    lines = [Text(f"failed   {legible(client_id)}  {last_line(why)}", "red") for client_id, why in failures.items()]
    if len(lines) > shown:
        lines[shown:] = [Text(f"failed   ... and {len(lines) - shown} more, in result.json", "red")]
    return lines


def _seconds(seconds: Mapping[str, float]) -> Text:
    return Text("seconds  " + ", ".join(f"{phase} {value:.1f}" for phase, value in seconds.items()))
