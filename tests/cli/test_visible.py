"""Hostile texts on the terminal, in logs, pages and tables: nothing moves, hides, turns round, or begins a line."""

import csv
import io
import json
import logging
import re
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedsift.cli import terminal
from fedsift.cli.findings import findings_summary
from fedsift.cli.run_summary import join_summary, removal_summary
from fedsift.configuration.run_config import RunConfig
from fedsift.core.audit import Finding
from fedsift.core.certificate import certify
from fedsift.core.errors import BadInput, legible, visible
from fedsift.core.ledger import Ledger
from fedsift.core.receipt import Verdict
from fedsift.core.receipt_log import ReceiptLog
from fedsift.core.server_state import ServerState
from fedsift.core.signing_key import default_key_path, load_or_make_key, public_key_of
from fedsift.files.csv_cells import csv_cell, value_of_cell
from fedsift.protocol.client_rounds import last_line
from fedsift.runs.forget import Forgotten
from fedsift.runs.join import Joined
from fedsift.runs.ledger_folder import LedgerFolder
from fedsift.runs.result import Removal
from fedsift.runtime.progress import PhaseBars
from fedsift.studies.report.table import Column, Table as ReportTable
from tests.cli.commands import invoke
from tests.core.uploads import terms, upload

PACKAGE = Path(terminal.__file__).parent
# What a terminal, an editor or a browser acts upon, or does not show.
ACTIVE = (
    "\x1b\x9b\x07\x08\x00\x7f\r\n\v\f\x85\u2028\u2029\u061c\u200b\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\U000e0041"
)
FORGED = [
    "x\nverdict  byte for byte the state of a run they never joined",
    "x\r\x1b[2K\x1b[32mverdict  ok",
    "\x1b]0;title\x07\x1b]8;;http://example.org\x1b\\link",
    "\u202eDESUFER\u202c",
    "a\u200bb\u2066c",
    "[red]x[/red]",
    "[link=http://example.org]x",
    ":smiley:",
    "=1+2",
    "\x9b31mred",
    "x\u2028verdict  ok",
]
texts = st.one_of(
    st.sampled_from(FORGED),
    st.text(st.one_of(st.sampled_from(ACTIVE), st.characters(exclude_categories=["Cs"])), min_size=1, max_size=30),
)


def is_harmless(printed: str) -> bool:
    """Whether there is nothing in it but characters that are seen, and ends of lines."""
    return all(each == "\n" or unicodedata.category(each)[0] not in "CZ" or each == " " for each in printed)


@given(texts)
def test_a_visible_text_is_one_harmless_line(text: str) -> None:
    shown = visible(text)
    assert is_harmless(shown)
    assert "\n" not in shown
    assert visible(shown) == shown
    if "\\" not in text:
        assert shown.encode("ascii", "backslashreplace").decode("unicode_escape") == text
    assert visible("a b: é 漢 🙂") == "a b: é 漢 🙂"
    assert is_harmless(legible(text))
    assert is_harmless(last_line(f"stage: {text}"))
    assert is_harmless(str(BadInput(text)))


@given(texts, texts)
def test_what_commands_show(text: str, other: str) -> None:
    """Lines and tables, whatever stands in them: each line is one line, and no mark-up is taken for such."""
    table = Table(title=f"title\n{text}", caption=text)
    table.add_column(text)
    table.add_row(text)
    table.add_row(Text(other, "red"))
    removal = Removal(text, 1, Verdict.REFUSED, other, 0, "")
    lines: list[Table | Text | str] = [
        text,
        Text(text, "bold red"),
        *join_summary(Joined([text], {text: f"train: {other}"}, "", 1)),
        *removal_summary(Forgotten([removal], "", 1, {text: 0.0}, [text]), Path(text.replace("\0", ""))),
        *findings_summary([Finding(text, [text, other])]),
    ]
    printed = io.StringIO()
    console = Console(file=printed, width=400, markup=False, emoji=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal, "_console", lambda: console)
        patch.setattr(terminal.typer, "echo", lambda line, **_: printed.write(f"{line}\n"))
        for line in lines:
            terminal.show(line)
        assert is_harmless(printed.getvalue())
        assert printed.getvalue().count("\n") == len(lines)
        terminal.show(table)
    assert is_harmless(printed.getvalue())
    bars = PhaseBars(Console(file=(told := io.StringIO()), width=20, force_terminal=False))
    bars.warn(text)
    bars.tell(other)
    assert is_harmless(told.getvalue())
    assert told.getvalue().count("\n") == 2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run whose members have hostile names."""
    folder = LedgerFolder.create(tmp_path_factory.mktemp("hostile") / "run", RunConfig())
    state = ServerState.create(folder.ledger, terms(4), len(FORGED), key=folder.signing_key())
    for number, name in enumerate(FORGED):
        state.merge(name, upload([number % 4, 1, 0, 2]))
    state.ledger.close()
    return folder.path


def commands(run: Path, text: str) -> list[list[str]]:
    """Commands that say something of a text."""
    name = text.replace("\0", "") or "x"
    return [
        ["forget", str(run), "--", name],
        ["join", str(run), "--", name],
        ["verify", str(run / name)],
        ["verify", str(run), "--certificate", name],
        ["verify-certificate", name, "--public-key", name],
        ["verify-log", name, name, "--public-key", "00" * 32],
        ["export", str(run), str(run / "out"), "--member", name],
        ["rekey", str(run), name, name],
        ["leave", name],
        ["run", "--dataset", name],
        ["run", "--model", name, "--leave", name],
        ["compare", "--methods", name],
        ["optout", name],
        ["reproduce", name],
        ["check-data", name],
        [f"--{name}"],
        [name],
        ["forget", f"--{name}"],
        ["plan", "--clients", name],
    ]


FURTHER = [pytest.param(each, marks=pytest.mark.exhaustive) for each in FORGED]


@pytest.mark.parametrize("text", [FORGED[0], FORGED[3], *FURTHER], ids=ascii)
def test_commands_that_say_something_of_a_hostile_name(
    run: Path, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told_of = 0
    for command in commands(run, text):
        code, printed, told = invoked(command)
        assert code in (2, 3), (command, code, told)
        assert is_harmless(printed + told), (command, printed + told)
        lines = [line for line in (printed + told).splitlines() if line.startswith("verdict")]
        assert not lines, command
        told_of += "fedsift: " in told
    assert told_of >= 12


def invoked(command: list[str]) -> tuple[int, str, str]:
    """As from a shell: options that are wrong are told by `main`."""
    import contextlib

    from fedsift import cli

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr("sys.argv", ["fedsift", *command])
        try:
            cli.main()
        except SystemExit as ended:
            return int(ended.code or 0), out.getvalue(), err.getvalue()
    raise AssertionError


@given(texts)
def test_any_name_on_quick_commands(run: Path, text: str) -> None:
    quick = {"verify-certificate", "leave"}
    for command in commands(run, text):
        if command[0] in quick:
            code, printed, told = invoked(command)
            assert code in (2, 3), (command, code, told)
            assert is_harmless(printed + told), (command, printed + told)
            assert told.count("\n") == 1, told


def test_a_traceback_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    for text in FORGED:
        try:
            raise ValueError(text)
        except ValueError as error:
            terminal.say_traceback(type(error), error, error.__traceback__)
    told = capsys.readouterr().err
    assert told.count("Traceback") == len(FORGED)
    assert is_harmless(told)


def test_a_certificate_of_a_hostile_name(run: Path, tmp_path: Path) -> None:
    """What it says is shown in lines of its own, and none of them is the name's."""
    key = load_or_make_key(default_key_path())
    shutil.copytree(run, tmp_path / "run")
    with Ledger.open(tmp_path / "run" / "ledger.sqlite", key=key) as ledger:
        state = ServerState(ledger)
        for name in FORGED:
            state.refuse(name, name)
        log = ReceiptLog.of(ledger)
    for number, name in enumerate(FORGED, start=len(log) - len(FORGED) + 1):
        (tmp_path / "file").write_text(certify(log.certificate(number), key), encoding="utf-8")
        code, printed, _ = invoke("verify-certificate", tmp_path / "file", "--public-key", public_key_of(key))
        assert code == 0
        assert is_harmless(printed)
        assert [line.split()[0] for line in printed.splitlines()].count("verdict") == 1
        assert "verdict            REFUSED" in printed.splitlines()
        code, printed, _ = invoke("verify-certificate", tmp_path / "file", "--public-key", public_key_of(key), "--json")
        assert json.loads(printed)["receipt"]["client"] == name
        assert printed.isascii()


def test_what_clients_say_in_a_servers_log(caplog: pytest.LogCaptureFixture) -> None:
    """A reason of several lines, as of a crash, is told in lines that begin with blanks."""
    from fedsift.core.errors import Refused
    from fedsift.protocol.client_rounds import ClientRounds, RoundRecord

    class Rounds(ClientRounds[RoundRecord]):
        def __init__(self) -> None:
            super().__init__()
            self.rounds = [RoundRecord()]

        configure_train = aggregate_train = configure_evaluate = summary = None  # type: ignore[assignment]

    Rounds.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
    rounds = Rounds()
    with caplog.at_level(logging.WARNING, "flwr"):
        for name in FORGED:
            rounds.failed(name, "train", Refused(f"Traceback\n{name}\nINFO : fedsift: state 0"))
    for record in caplog.records:
        first, *others = record.getMessage().split("\n")
        assert first.startswith("client ")
        assert all(line.startswith("    ") for line in others)
        assert is_harmless(record.getMessage())
    assert last_line("train: ") == "train: no reason was given"


CALCULATED = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


@given(st.one_of(texts, st.text("=+-@\t\r\n' \uff1d1a|", max_size=6)))
def test_no_cell_of_a_csv_is_calculated(text: str) -> None:
    assert not CALCULATED.match(csv_cell(text))
    assert value_of_cell(csv_cell(text)) == text
    assert [csv_cell(each) for each in (-1, -0.5, None, True)] == [-1, -0.5, None, True]
    table = ReportTable("name", "title", (Column("text", "text"), Column("number", "number", "score")), [(text, -0.5)])
    ((cell, number),) = [*csv.reader(io.StringIO(table.to_csv()))][1:]
    assert (value_of_cell(cell), number) == (text, "-0.5") or (text == "" and cell == "")
    assert not CALCULATED.match(cell)


def test_all_that_commands_print_goes_through_one_gate() -> None:
    """Of the modules of the command line, one prints."""
    printing = re.compile(r"typer\.echo|Console\(|\bprint\(|click\.echo|sys\.std(out|err)")
    found = {file.name for file in PACKAGE.glob("*.py") if printing.search(file.read_text(encoding="utf-8"))}
    assert found == {"terminal.py"}
