"""What a run leaves behind: `result.json`, and the same as a table for people."""

import resource
from pathlib import Path
from typing import Any, TypedDict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedsift.configuration.run_config import RunConfig
from fedsift.core.audit import Finding
from fedsift.core.errors import legible

# Keys in result.json, and how people know them.
_SCORES = {
    "zero_shot": "zero-shot",
    "local": "local",
    "merged": "merged",
    "sift_masks_paper": "SIFT-Masks as published",
    "sift_masks": "SIFT-Masks",
}
_SHOWN = 10  # removals, and failures; the rest is in result.json


class Score(TypedDict):
    """A kind of score in result.json."""

    mean: float
    per_client: dict[str, float]


class Removal(TypedDict):
    """A removal in result.json, as far as it always tells."""

    receipt: int
    verdict: str
    steps_retrained: int


class Oracle(TypedDict):
    """The oracle in result.json."""

    state_digest: str
    bit_identical: bool


class RunResult(TypedDict):
    """result.json of a run, as far as later commands read it."""

    clients: int
    tuned_parameters: int
    metric: str
    scores: dict[str, Score]
    scores_after_removal: dict[str, Score] | None
    upload_bytes_mean: float
    dense_bytes: int
    server_bytes: int
    server_peak_memory_bytes: int
    state_digest: str
    removals: list[Removal]
    failures: dict[str, str]
    oracle: Oracle | None
    seconds: dict[str, float]


def run_result(
    config: RunConfig,
    metric: str,
    outcome: dict[str, Any],
    oracle: dict[str, Any] | None,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """The content of result.json, from the outcomes of the ServerApp."""
    merge, *later = outcome["rounds"]
    final = later[-1] if later else merge
    before, after = _named(merge["scores"], config.localise), _named(final["scores"], config.localise)
    members = merge["members"]
    dense_bytes = 4 * outcome["tuned_parameters"]
    earlier, own = (
        outcome["receipts"][: outcome["earlier_receipts"]],
        outcome["receipts"][outcome["earlier_receipts"] :],
    )
    removals = _unnamed([removal_entry(receipt) for receipt in earlier], _removed(earlier)) + [
        {
            **removal_entry(receipt),
            "score_before": before.get("sift_masks", {}).get(receipt["client"]),
            "score_after": after.get("merged", {}).get(receipt["client"]),
        }
        for receipt in own
    ]
    return {
        "clients": members,
        "tuned_parameters": outcome["tuned_parameters"],
        "metric": metric,
        "scores": {name: _summary(per_client) for name, per_client in before.items()},
        "scores_after_removal": {name: _summary(per_client) for name, per_client in after.items()} if later else None,
        "upload_bytes_mean": merge["upload_bytes"] / members,
        "dense_bytes": dense_bytes,
        "server_bytes": outcome["server_bytes"],
        "server_peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "saturated_share": merge["saturated"] / (members * outcome["tuned_parameters"]),
        "state_digest": outcome["state_digest"],
        "removals": removals,
        "failures": {client_id: why for record in outcome["rounds"] for client_id, why in record["failures"].items()},
        "profile": config.profile,
        "oracle": oracle_entry(oracle, outcome["state_digest"]) if oracle else None,
        "seconds": {phase: round(value, 3) for phase, value in seconds.items()},
        "environment": outcome["environments"],
    }


def amended(result: dict[str, Any], receipts: list[dict[str, Any]], state_digest: str) -> dict[str, Any]:
    """A result after further removals: no score of a client that left is in it, and its removal goes by its receipt.

    Args:
        result: as it was.
        receipts: bodies of the further receipts.
        state_digest: of the state now.
    """
    removed = _removed(receipts)
    changed = dict(result)
    for key in ("scores", "scores_after_removal"):
        if result[key] is not None:
            remaining = {
                name: {each: value for each, value in score["per_client"].items() if each not in removed}
                for name, score in result[key].items()
            }
            changed[key] = {name: _summary(per_client) for name, per_client in remaining.items() if per_client}
    changed["failures"] = {each: why for each, why in result["failures"].items() if each not in removed}
    changed["removals"] = _unnamed(result["removals"] + [removal_entry(receipt) for receipt in receipts], removed)
    return {**changed, "state_digest": state_digest, "oracle": None}


def _removed(receipts: list[dict[str, Any]]) -> set[str]:
    return {receipt["client"] for receipt in receipts if receipt["verdict"] != "REFUSED"}


def _unnamed(entries: list[dict[str, Any]], removed: set[str]) -> list[dict[str, Any]]:
    """Entries of removals; those of the removed do not tell who it was: that stands in the receipt alone."""
    personal = {"client", "reason", "score_before", "score_after"}
    return [
        {name: value for name, value in entry.items() if name not in personal or entry.get("client") not in removed}
        for entry in entries
    ]


def oracle_entry(oracle: dict[str, Any], state_digest: str) -> dict[str, Any]:
    """What result.json tells of an oracle, from its outcome."""
    return {"state_digest": oracle["state_digest"], "bit_identical": oracle["state_digest"] == state_digest}


def removal_entry(receipt: dict[str, Any]) -> dict[str, Any]:
    """What result.json tells of a removal, from the body of its receipt."""
    return {
        "client": receipt["client"],
        "receipt": receipt["number"],
        "verdict": receipt["verdict"],
        "reason": receipt["reason"],
        "steps_retrained": receipt["steps_retrained"],
        "state_digest_after": receipt["state_after"],
    }


def proven(result: dict[str, Any]) -> bool:
    """Whether no removal stands refused and the oracle, where asked for, agrees."""
    oracle = result["oracle"]
    exact = not any(removal["verdict"] == "REFUSED" for removal in result["removals"] if not _is_settled(removal))
    return exact and (oracle is None or oracle["bit_identical"])


def print_summary(console: Console, result: dict[str, Any], out: Path) -> None:
    """The table and the verdicts for a terminal."""
    again = result["scores_after_removal"] is not None
    leavers = [removal["client"] for removal in result["removals"] if "client" in removal]
    table = Table(title=f"mean {result['metric']}, {result['clients']} clients", title_justify="left")
    table.add_column("model", no_wrap=True)
    table.add_column("merge: all", justify="right")
    if again:
        table.add_column("leavers: before", justify="right")
        table.add_column("leavers: after", justify="right")
        table.add_column("the rest: after", justify="right")
    for name, title in _SCORES.items():
        if name not in result["scores"]:
            continue
        cells = [title, _score(result["scores"][name]["mean"])]
        if again:
            later = result["scores_after_removal"].get(name, {"per_client": {}})["per_client"]
            cells += [
                _mean_of(result["scores"][name]["per_client"], leavers),
                _mean_of(later, leavers),
                _mean_of(later, later.keys() - set(leavers)),
            ]
        table.add_row(*cells)
    console.print(table)
    for line, style in _lines(result, out):
        console.print(Text(line, style=style), soft_wrap=True)


def print_removals(console: Console, told: dict[str, Any], run: Path) -> None:
    """What `fedsift forget` did."""
    seconds = ", ".join(f"{phase} {value:.1f}" for phase, value in told["seconds"].items())
    lines = removal_lines(told["removals"])
    lines += [
        (f"state    {told['state_digest']}, {told['members']} members", ""),
        (f"seconds  {seconds}", ""),
        (f"written  {run / 'certificates'}", ""),
    ]
    for line, style in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def print_joined(console: Console, told: dict[str, Any]) -> None:
    """What `fedsift join` did."""
    lines = [(f"joined   {legible(client_id)}", "green") for client_id in told["joined"]]
    lines += [
        (f"failed   {legible(client_id)}  {last_line(why)}", "red") for client_id, why in told["failures"].items()
    ]
    lines.append((f"state    {told['state_digest']}, {told['members']} members", ""))
    for line, style in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def print_data(console: Console, told: dict[str, Any]) -> None:
    """What `fedsift check-data` found."""

    def spread(values: dict[str, float]) -> str:
        if values["min"] == values["max"]:
            return f"{values['min']:g}"
        return f"{values['min']:g} to {values['max']:g} (median {values['median']:g})"

    same = told["digests"][0] == told["digests"][1]
    lines = [
        (f"clients  {told['clients']}, the first {told['clients_read']} read", ""),
        (f"digest   {told['digest']}", ""),
        (f"rows     {spread(told['rows'])} a client; scored on {spread(told['test_rows'])}", ""),
    ]
    if told["targets"]:
        lines += [
            (f"tokens   {spread(told['tokens'])} a row", ""),
            (f"cut      {told['rows_cut']} rows, {told['tokens_cut']} tokens", "yellow" if told["rows_cut"] else ""),
            (
                f"targets  {told['different_targets']} different; {told['single_target']} clients with a single one; "
                f"heterogeneity {told['heterogeneity']:.2f}",
                "",
            ),
        ]
    if told["different_targets"] <= len(told["targets"]):
        lines += [(f"         {share:6.1%}  {target}", "") for target, share in told["targets"].items()]
    for each in told["samples"]:
        target = f" -> {each['target']!r}" if each["target"] else ""
        lines.append((f"sample   {legible(each['client'])}: {each['prompt']!r}{target}", ""))
    verdict = "the same bits twice" if same else "NOT the same bits twice: a removal would be refused"
    lines.append((f"trained  {verdict}, profile {told['profile']}", "green" if same else "bold red"))
    for line, style in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def print_findings(console: Console, profile: str, findings: list[Finding]) -> None:
    """What `fedsift verify` found."""
    console.print(Text(f"{'profile':<12} {profile}"))
    for finding in findings:
        console.print(
            Text(f"{finding.check:<12} {'WRONG' if finding.problems else 'ok'}", "red" if finding.problems else "green")
        )
        for problem in finding.problems:
            console.print(Text(f"{'':<12} {problem}"), soft_wrap=True)


def _lines(result: dict[str, Any], out: Path) -> list[tuple[str, str]]:
    upload, dense = result["upload_bytes_mean"], result["dense_bytes"]
    seconds = ", ".join(f"{phase} {value:.1f}" for phase, value in result["seconds"].items())
    lines = [
        (f"upload   {upload:,.0f} bytes a client, {upload / dense:.1%} of dense float32 ({dense:,} bytes)", ""),
        (
            f"server   {result['server_bytes']:,} bytes of sums for {result['tuned_parameters']:,} parameters; "
            f"process at most {result['server_peak_memory_bytes'] / 2**20:,.0f} MiB",
            "",
        ),
        (f"seconds  {seconds}", ""),
        (f"state    {result['state_digest']}", ""),
    ]
    lines += removal_lines(result["removals"])
    failures = list(result["failures"].items())
    lines += [(f"failed   {legible(client_id)}  {last_line(why)}", "red") for client_id, why in failures[:_SHOWN]]
    if len(failures) > _SHOWN:
        lines.append((f"failed   ... and {len(failures) - _SHOWN} more, in result.json", "red"))
    oracle = result["oracle"]
    if oracle is not None:
        same = oracle["bit_identical"]
        run = "a run they never joined" if result["removals"] else "a second run"
        verdict = f"byte for byte the state of {run}" if same else f"NOT the state of {run}"
        lines.append((f"oracle   {oracle['state_digest']}", ""))
        lines.append((f"verdict  {verdict}", "bold green" if same else "bold red"))
    lines.append((f"written  {out}", ""))
    return lines


def _is_settled(removal: dict[str, Any]) -> bool:
    """Whether a removal was refused of a client that has left since: then only its receipt says who it was."""
    return removal["verdict"] == "REFUSED" and "client" not in removal


def removal_lines(removals: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """A line and its style for each removal, as far as they are shown."""
    lines = []
    removals = [removal for removal in removals if not _is_settled(removal)]
    for removal in removals[:_SHOWN]:
        exact = removal["verdict"] != "REFUSED"
        told = f"{removal['steps_retrained']} steps retrained" if exact else removal.get("reason", "")
        who = legible(removal["client"]) if "client" in removal else f"receipt {removal['receipt']}"
        lines.append((f"removal  {who}  {removal['verdict']}  {told}".rstrip(), "green" if exact else "red"))
    if len(removals) > _SHOWN:
        lines.append((f"removal  ... and {len(removals) - _SHOWN} more, in result.json", ""))
    return lines


def last_line(reason: str) -> str:
    """Stage and last line of a failure: of a traceback, the error itself."""
    stage, _, told = reason.partition(": ")
    return f"{stage}: {told.strip().splitlines()[-1]}"


def _named(scores: dict[str, dict[str, float]], localise: str) -> dict[str, dict[str, float]]:
    """From client -> score to score -> client, with the localisations under their names in result.json."""
    sources = {**{name: name for name in _SCORES}, "sift_masks_paper": "paper", "sift_masks": localise}
    named = {
        name: {client: scores[client][source] for client in sorted(scores) if source in scores[client]}
        for name, source in sources.items()
    }
    return {name: per_client for name, per_client in named.items() if per_client}


def _summary(per_client: dict[str, float]) -> dict[str, Any]:
    return {"mean": sum(per_client.values()) / len(per_client), "per_client": per_client}


def _mean_of(per_client: dict[str, float], clients: Any) -> str:
    values = [per_client[client] for client in sorted(clients) if client in per_client]
    return _score(sum(values) / len(values)) if values else "-"


def _score(value: float) -> str:
    return f"{value:.3f}"
