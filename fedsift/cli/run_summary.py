"""What commands around a run print for people."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedsift.core.errors import legible
from fedsift.protocol.client_rounds import last_line
from fedsift.runs.check_data import DataReport, Spread
from fedsift.runs.forget import Forgotten
from fedsift.runs.join import Joined
from fedsift.runs.result import SCORES, Removal, RunResult
from fedsift.runs.verify import Verified

_SHOWN = 10  # removals, and failures; the rest is in result.json

Line = tuple[str, str]  # its text and its style


def print_run(console: Console, result: RunResult, out: Path) -> None:
    """The scores as a table, then bytes, seconds, removals, failures and the verdict."""
    after = result.scores_after_removal
    leavers = [removal.client for removal in result.removals if removal.client is not None]
    table = Table(title=f"mean {result.metric}, {result.clients} clients", title_justify="left")
    table.add_column("model", no_wrap=True)
    table.add_column("merge: all", justify="right")
    if after is not None:
        table.add_column("leavers: before", justify="right")
        table.add_column("leavers: after", justify="right")
        table.add_column("the rest: after", justify="right")
    for kind, title in SCORES.items():
        if kind not in result.scores:
            continue
        score = result.scores[kind]
        cells = [title, _score(score.mean)]
        if after is not None:
            later = after[kind].per_client if kind in after else {}
            rest = later.keys() - set(leavers)
            cells += [_mean_of(score.per_client, leavers), _mean_of(later, leavers), _mean_of(later, rest)]
        table.add_row(*cells)
    console.print(table)
    _print(console, _run_lines(result, out))


def print_forgotten(console: Console, result: Forgotten, run: Path) -> None:
    """What `fedsift forget` did."""
    lines = [
        *_removal_lines(result.removals),
        (f"state    {result.state_digest}, {result.members} members", ""),
        (f"seconds  {_seconds(result.seconds)}", ""),
        (f"written  {run / 'certificates'}", ""),
    ]
    _print(console, lines)


def print_joined(console: Console, result: Joined) -> None:
    """What `fedsift join` did."""
    lines = [
        *((f"joined   {legible(client_id)}", "green") for client_id in result.joined),
        *_failure_lines(result.failures, len(result.failures)),
        (f"state    {result.state_digest}, {result.members} members", ""),
    ]
    _print(console, lines)


def print_data(console: Console, report: DataReport) -> None:
    """What `fedsift check-data` found."""

    def spread(values: Spread) -> str:
        if values.min == values.max:
            return f"{values.min:g}"
        return f"{values.min:g} to {values.max:g} (median {values.median:g})"

    lines = [
        (f"clients  {report.clients}, the first {report.clients_read} read", ""),
        (f"digest   {report.digest}", ""),
        (f"rows     {spread(report.rows)} a client; scored on {spread(report.test_rows)}", ""),
    ]
    if report.heterogeneity is not None:
        lines += [
            (f"tokens   {spread(report.tokens)} a row", ""),
            (f"cut      {report.rows_cut} rows, {report.tokens_cut} tokens", "yellow" if report.rows_cut else ""),
            (
                f"targets  {report.different_targets} different; {report.single_target} clients with a single one; "
                f"heterogeneity {report.heterogeneity:.2f}",
                "",
            ),
        ]
    if report.different_targets <= len(report.targets):
        lines += [(f"         {share:6.1%}  {target}", "") for target, share in report.targets.items()]
    for each in report.samples:
        target = f" -> {each.target!r}" if each.target else ""
        lines.append((f"sample   {legible(each.client)}: {each.prompt!r}{target}", ""))
    same = report.repeatable
    verdict = "the same bits twice" if same else "NOT the same bits twice: a removal would be refused"
    lines.append((f"trained  {verdict}, profile {report.profile}", "green" if same else "bold red"))
    _print(console, lines)


def print_verified(console: Console, verified: Verified) -> None:
    """What `fedsift verify` found."""
    lines = [(f"{'profile':<12} {verified.profile}", "")]
    for finding in verified.findings:
        verdict, style = ("WRONG", "red") if finding.problems else ("ok", "green")
        lines.append((f"{finding.check:<12} {verdict}", style))
        lines += [(f"{'':<12} {problem}", "") for problem in finding.problems]
    _print(console, lines)


def _print(console: Console, lines: Iterable[Line]) -> None:
    for line, style in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def _run_lines(result: RunResult, out: Path) -> list[Line]:
    upload, dense = result.upload_bytes_mean, result.dense_bytes
    lines = [
        (f"upload   {upload:,.0f} bytes a client, {upload / dense:.1%} of dense float32 ({dense:,} bytes)", ""),
        (
            f"server   {result.server_bytes:,} bytes of sums for {result.tuned_parameters:,} parameters; "
            f"process at most {result.server_peak_memory_bytes / 2**20:,.0f} MiB",
            "",
        ),
        (f"seconds  {_seconds(result.seconds)}", ""),
        (f"state    {result.state_digest}", ""),
        *_removal_lines(result.removals),
        *_failure_lines(result.failures, _SHOWN),
    ]
    if result.oracle is not None:
        same = result.oracle.bit_identical
        run = "a run they never joined" if result.removals else "a second run"
        verdict = f"byte for byte the state of {run}" if same else f"NOT the state of {run}"
        lines.append((f"oracle   {result.oracle.state_digest}", ""))
        lines.append((f"verdict  {verdict}", "bold green" if same else "bold red"))
    lines.append((f"written  {out}", ""))
    return lines


def _removal_lines(removals: Iterable[Removal]) -> list[Line]:
    """A line for each removal, as far as they are shown; none for a refusal of a client that has left since."""
    shown = [removal for removal in removals if removal.verdict.removed or removal.stands_refused]
    lines = []
    for removal in shown[:_SHOWN]:
        removed = removal.verdict.removed
        what = f"{removal.steps_retrained} steps retrained" if removed else removal.reason or ""
        who = f"receipt {removal.receipt}" if removal.client is None else legible(removal.client)
        lines.append((f"removal  {who}  {removal.verdict}  {what}".rstrip(), "green" if removed else "red"))
    if len(shown) > _SHOWN:
        lines.append((f"removal  ... and {len(shown) - _SHOWN} more, in result.json", ""))
    return lines


def _failure_lines(failures: Mapping[str, str], shown: int) -> list[Line]:
    """A line for each of the first failures."""
    lines = [(f"failed   {legible(client_id)}  {last_line(why)}", "red") for client_id, why in failures.items()]
    if len(lines) > shown:
        lines[shown:] = [(f"failed   ... and {len(lines) - shown} more, in result.json", "red")]
    return lines


def _seconds(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{phase} {value:.1f}" for phase, value in seconds.items())


def _mean_of(per_client: Mapping[str, float], clients: Collection[str]) -> str:
    values = [per_client[client] for client in sorted(clients) if client in per_client]
    return _score(sum(values) / len(values)) if values else "-"


def _score(value: float) -> str:
    return f"{value:.3f}"
