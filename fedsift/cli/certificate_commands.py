"""Commands about what a server signs: for a client that left, on its own machine, and for whoever runs the server."""

from pathlib import Path
from typing import Annotated

import typer

from fedsift.cli.options import JSON, RUN, existing
from fedsift.cli.terminal import NOTHING_WRITTEN, errors_in_one_line, say, say_json, tell
from fedsift.core.errors import counted

_KEY = Annotated[str, typer.Option(help="The server's key: 64 hexadecimal digits, or a file of them.")]


def verify_certificate(
    file: Annotated[Path, existing("A removal certificate, or a tree head.")],
    public_key: _KEY,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Check a removal certificate, without the run.

    For the client that left. What the certificate says is shown if it holds; else the exit code is 3.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.cli.findings import findings_summary
        from fedsift.core.audit import Finding
        from fedsift.core.certificate import Signed
        from fedsift.core.signing_key import given_public_key

        key, found = given_public_key(public_key), Signed.load(file)
        finding = Finding("certificate", found.problems(key))
        said = found.said.values()
        values = {**said.get("receipt", {}), **{f"log {name}": value for name, value in vars(found.head).items()}}
        lines = [] if finding.problems else [f"{name:<18} {value}" for name, value in values.items()]
        told = {"checks": {finding.check: finding.problems}, **({} if finding.problems else said)}
        tell(told, json_, [*lines, *findings_summary([finding])], good=not finding.problems)


def verify_log(
    old: Annotated[Path, existing("A certificate or a tree head.")],
    new: Annotated[Path, existing("A later one, by `fedsift log-head --since` for the old one.")],
    public_key: _KEY,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Check that a server's log only grew.

    Between two of its signed heads, each a certificate or what `fedsift log-head` wrote.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.cli.findings import findings_summary
        from fedsift.core.audit import Finding
        from fedsift.core.certificate import Signed, check_log
        from fedsift.core.signing_key import given_public_key

        key, before, now = given_public_key(public_key), Signed.load(old), Signed.load(new)
        finding = Finding("log", check_log(before, now, key))
        heads = {"old": before.head, "new": now.head}
        lines = [f"{age:<12} {counted(head.size, 'receipt')}, root {head.root}" for age, head in heads.items()]
        found = {"checks": {finding.check: finding.problems}, **{age: vars(head) for age, head in heads.items()}}
        tell(found, json_, [*lines, *findings_summary([finding])], good=not finding.problems)


def log_head(
    run: Annotated[Path, RUN],
    since: Annotated[int, typer.Option(min=0, help="Also prove that the first N receipts are as before.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the head to this file.")] = None,
) -> None:
    """Sign the present state of the log of receipts.

    For clients and auditors, who compare it with what they have.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.core.strict_json import parse_json
        from fedsift.files.output import check_file, write_whole
        from fedsift.runs.log_head import signed_head

        if out is not None:
            check_file(out)
        text = signed_head(run, since)
        if out is None:
            say_json(parse_json(text))
        else:
            write_whole(out, text)
            say(f"written  {out}")


def public_key(run: Annotated[Path, RUN]) -> None:
    """Print the key that checks a run's certificates.

    Clients get it when they join.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.runs.log_head import public_key_of_run

        say(public_key_of_run(run))
