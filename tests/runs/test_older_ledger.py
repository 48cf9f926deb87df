"""A ledger that is older than its certificates: it is found, nothing is skipped, and no number is given twice."""

import itertools
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.certificate import Signed, check_log
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.receipt_log import ReceiptLog
from fedsift.core.server_state import ServerState
from fedsift.core.signing_key import default_key_path, load_or_make_key, public_key_of
from fedsift.runs import ledger_folder
from fedsift.runs.ledger_folder import LedgerFolder
from fedsift.runs.older_ledger import owed_removals
from fedsift.runs.verify import verify
from fedsift.runtime.progress import PhaseBars
from tests.cli.commands import done, failed, invoke, receipt_of
from tests.core.uploads import terms, upload
from tests.runs.stopping import stopped

UPLOADS = {f"client {number}": upload([number % 4, 1, 0, 2]) for number in range(6)}


@pytest.fixture
def folder(tmp_path: Path) -> LedgerFolder:
    """A run of six clients that were never trained."""
    made = LedgerFolder.create(tmp_path / "run", RunConfig())
    state = ServerState.create(made.ledger, terms(4), len(UPLOADS), key=made.signing_key())
    for client, each in UPLOADS.items():
        state.merge(client, each)
    state.ledger.close()
    return made


def leave(folder: LedgerFolder, *clients: str, leaving: tuple[str, ...] | None = None) -> None:
    """What `forget` does with a ledger and its certificates."""
    with folder.locked(leaving=clients if leaving is None else leaving):
        folder.write_certificates()
        with Ledger.open(folder.ledger, key=folder.signing_key()) as ledger:
            state = ServerState(ledger)
            for client in clients:
                state.stage_removal(client, UPLOADS[client])
            state.commit_removals()
        folder.write_certificates()


def problems(folder: LedgerFolder) -> list[str]:
    """What `verify` finds."""
    found = verify(folder.path, False, None, PhaseBars())
    return [f"{check}: {problem}" for check, told in found.checks.items() for problem in told]


def certificates(folder: LedgerFolder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.certificates.path.iterdir())}


def content(ledger: Path) -> list[str]:
    """All that a ledger holds."""
    with closing(sqlite3.connect(ledger)) as connection:
        return [*connection.iterdump()]


def copied(folder: LedgerFolder, name: str) -> Path:
    return shutil.copy(folder.ledger, folder.path.parent / name)


def test_an_older_ledger_is_found_and_taken_up(folder: LedgerFolder) -> None:
    leave(folder, "client 0")
    backup = copied(folder, "backup")
    leave(folder, "client 1", "client 2")
    leave(folder, "client 4")
    expected, written = copied(folder, "newest"), certificates(folder)
    assert problems(folder) == []
    shutil.copy(backup, folder.ledger)
    told = (
        "the ledger ends with receipt 1, and receipt 4 is certified: it is older. 3 clients whose removal is certified "
        "are members again; remove them first"
    )
    assert problems(folder) == [f"certificates: {told}"]
    for leaving in ((), ("client 1", "client 4"), ("client 3",)):
        with pytest.raises(BadInput, match=told) as raised, folder.locked(leaving):
            raise AssertionError
        missing = sorted({"client 1", "client 2", "client 4"}.difference(leaving))
        assert f"fedsift forget {folder.path} -- {' '.join(map(repr, missing))}" in str(raised.value)
    assert content(folder.ledger) == content(backup)
    leave(folder, "client 1", "client 2", "client 4")
    assert problems(folder) == []
    found = certificates(folder)
    assert written.items() <= found.items()
    assert [name for name in found if name not in written] == ["0005.json", "0006.json", "0007.json"]
    with Ledger.open(folder.ledger) as ledger, Ledger.open(expected) as other:
        assert ServerState(ledger).digest() == ServerState(other).digest()
        log = ReceiptLog.of(ledger)
        assert log.texts[:4] == ReceiptLog.of(other).texts
    newest = Signed.load(folder.certificates.file(4))
    key = load_or_make_key(default_key_path())
    head = Signed.read(ledger_folder.certify(log.head_since(4), key).encode(), "head")
    assert check_log(newest, head, public_key_of(key)) == []


def test_what_is_owed_is_not_forgotten_when_the_removal_stops(folder: LedgerFolder) -> None:
    backup = copied(folder, "backup")
    leave(folder, "client 1", "client 2")
    shutil.copy(backup, folder.ledger)
    for moment in ((ServerState, "stage_removal", 1), (ServerState, "commit_removals", 1)):
        stopped(lambda: leave(folder, "client 1", "client 2"), *moment)
        assert problems(folder) == [
            "certificates: 2 clients whose removal is certified are members again; remove them first"
        ]
        with pytest.raises(BadInput, match=r"-- 'client 1' 'client 2'$"), folder.locked():
            raise AssertionError
    leave(folder, "client 1", leaving=("client 1", "client 2"))
    with pytest.raises(BadInput, match=r"1 client .*-- 'client 2'$"), folder.locked():
        raise AssertionError
    leave(folder, "client 2")
    assert problems(folder) == []
    with Ledger.open(folder.ledger, key=folder.signing_key()) as ledger:  # Who joins again afterwards owes nothing.
        ServerState(ledger).merge("client 2", UPLOADS["client 2"])
    assert problems(folder) == []
    with folder.locked():
        pass


def test_where_the_clients_are_asked_themselves(folder: LedgerFolder) -> None:
    """In a deployment: the log is taken up, and who is owed a removal is named until it has had it."""
    backup = copied(folder, "backup")
    leave(folder, "client 1", "client 2")
    shutil.copy(backup, folder.ledger)
    with folder.locked(leaving=None), Ledger.open(folder.ledger) as ledger:
        assert owed_removals(ledger) == {"client 1", "client 2"}
        assert len(ledger.receipts()) == 2


def test_lost_receipts_of_nobody_who_is_a_member_are_taken_up_at_once(folder: LedgerFolder) -> None:
    backup = copied(folder, "backup")
    with folder.locked(), Ledger.open(folder.ledger, key=folder.signing_key()) as ledger:
        ServerState(ledger).refuse("client 1", "no")
    folder.write_certificates()
    shutil.copy(backup, folder.ledger)
    with folder.locked():
        pass
    leave(folder, "client 1")
    assert problems(folder) == []
    assert [receipt_of(folder.certificates.file(number))["verdict"] for number in (1, 2)] == ["REFUSED", "BIT_EXACT"]


def test_a_ledger_of_another_past(folder: LedgerFolder) -> None:
    """Certificates were taken away with the newer ledger, other clients left, and then they came back."""
    backup = copied(folder, "backup")
    leave(folder, "client 1")
    kept = certificates(folder)
    shutil.copy(backup, folder.ledger)
    shutil.rmtree(folder.certificates.path)
    leave(folder, "client 2")
    leave(folder, "client 3")
    (folder.certificates.file(1)).write_bytes(kept["0001.json"])
    assert problems(folder) == ["certificates: certificate 1: the ledger's log of 1 receipt is another one"]
    folder.certificates.file(2).unlink()
    with pytest.raises(BadInput, match=r"certificate .*0001\.json: the ledger's log of 1 receipt"), folder.locked():
        raise AssertionError


def test_a_certificate_is_never_overwritten(folder: LedgerFolder) -> None:
    leave(folder, "client 1")
    file = folder.certificates.file(1)
    text = file.read_text(encoding="utf-8")
    folder.certificates.write(1, text)
    with pytest.raises(BadInput, match=r"0001\.json is another certificate than that of the ledger's receipt 1"):
        folder.certificates.write(1, text.replace("}", " }", 1))
    assert file.read_text(encoding="utf-8") == text


def test_no_link_is_followed(folder: LedgerFolder, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    folder.certificates.path.mkdir()
    (folder.certificates.path / ".0001.json.partial").symlink_to(victim)
    leave(folder, "client 1")
    assert folder.certificates.file(1).is_file()
    folder.certificates.file(2).symlink_to(victim)
    with pytest.raises(BadInput, match=r"0002\.json is no file of one name but a link"):
        leave(folder, "client 2")
    folder.certificates.file(2).unlink()
    folder.certificates.path.rename(tmp_path / "elsewhere")
    folder.certificates.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="certificates is no folder but a link"):
        leave(folder, "client 2")
    assert victim.read_text(encoding="utf-8") == "precious"
    assert {file.name for file in (tmp_path / "elsewhere").iterdir()} == {"0001.json"}


def test_certificates_without_a_ledger(folder: LedgerFolder) -> None:
    leave(folder, "client 1")
    folder.ledger.unlink()
    with pytest.raises(BadInput, match=r"has certificates, but no ledger\.sqlite: put it back"), folder.locked():
        raise AssertionError


def test_a_missing_or_foreign_certificate_of_a_lost_receipt(folder: LedgerFolder) -> None:
    backup = copied(folder, "backup")
    leave(folder, "client 1", "client 2", "client 3")
    shutil.copy(backup, folder.ledger)
    second, third = (folder.certificates.file(number) for number in (2, 3))
    content = second.read_bytes()
    for other, told in ((b"", "is no removal certificate"), (third.read_bytes(), "not the certificate of receipt 2")):
        second.write_bytes(other)
        for found in (problems, leave):
            try:
                (problem,) = found(folder, *(["client 1", "client 2", "client 3"] if found is leave else []))  # type: ignore[operator]
            except BadInput as error:
                problem = str(error)
            assert told in problem
    second.unlink()
    with pytest.raises(BadInput, match=r"0002\.json: No such file"), folder.locked():
        raise AssertionError
    second.write_bytes(content)
    leave(folder, "client 1", "client 2", "client 3")
    assert problems(folder) == []


def backups(folder: LedgerFolder, order: list[str], chance: random.Random) -> None:
    """Clients leave one after the other, and in between an earlier ledger comes back."""
    kept = [copied(folder, "0")]
    gone: set[str] = set()
    for place, client in enumerate(order, start=1):
        if client not in gone:
            leave(folder, client)
        gone.add(client)
        kept.append(copied(folder, str(place)))
        shutil.copy(chance.choice(kept), folder.ledger)
        with Ledger.open(folder.ledger) as ledger:
            back = gone & ledger.members().keys()
        if back:
            with pytest.raises(BadInput, match="again; remove"), folder.locked():
                raise AssertionError
        leave(folder, *sorted(back))
        kept[-1] = copied(folder, str(place))
    assert problems(folder) == []
    with Ledger.open(folder.ledger) as ledger:
        state = ServerState(ledger)
        assert state.members.keys() == UPLOADS.keys() - gone
        numbers = [receipt.number for receipt in ledger.receipts()]
    assert numbers == folder.certificates.numbers() == [*range(1, len(numbers) + 1)]
    digests = [receipt_of(folder.certificates.file(number))["number"] for number in numbers]
    assert digests == numbers


@pytest.mark.parametrize("seed", [0, *(pytest.param(each, marks=pytest.mark.exhaustive) for each in range(1, 60))])
def test_ledgers_that_come_back_again_and_again(folder: LedgerFolder, seed: int) -> None:
    chance = random.Random(seed)
    backups(folder, chance.sample(sorted(UPLOADS), 4), chance)


def test_all_commands_on_a_run(tiny_config: RunConfig, tmp_path: Path) -> None:
    """Each says what is to be done, and that done, all is as if the older ledger had never come back."""
    write_toml(tiny_config, tmp_path / "config.toml")
    out = tmp_path / "run"
    done("run", tmp_path / "config.toml", "--out", out)
    shutil.copy(out / "ledger.sqlite", tmp_path / "backup")
    done("forget", out, "client 2", "client 5")
    with Ledger.open(out / "ledger.sqlite") as ledger:
        expected = ServerState(ledger).digest()
    shutil.copy(tmp_path / "backup", out / "ledger.sqlite")
    again = f"fedsift forget {out} -- 'client 2' 'client 5'"
    for command in (["run", "--resume", out], ["join", out, "client 2"], ["forget", out, "client 5"]):
        told = failed(*command)
        assert "2 clients whose removal is certified are members again" in told
        assert again.replace(" 'client 5'", "") in told
        assert content(out / "ledger.sqlite") == content(tmp_path / "backup")
    code, printed, _ = invoke("verify", out)
    assert code == 3
    assert "certificates WRONG" in printed
    done("forget", out, "--", "client 2", "client 5")
    done("verify", out, "--certificate", out / "certificates" / "0002.json")
    with Ledger.open(out / "ledger.sqlite") as ledger:
        assert ServerState(ledger).digest() == expected
    assert [receipt_of(out / "certificates" / f"{number:04d}.json")["client"] for number in range(1, 5)] == [
        *itertools.chain(["client 2", "client 5"] * 2)
    ]


@pytest.mark.parametrize("every", [1700, pytest.param(11, marks=pytest.mark.exhaustive)])
def test_no_certificate_is_skipped_wherever_a_removal_is_killed(every: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.runs.kill_certificates", tmp_path, str(every)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    print(f"removals killed: {found}")
    assert (found["skipped"], found["wrong"]) == (0, 0)
    assert found["kills"] >= 5000 // every
    assert found["between"] >= 500 // every


AT_WORK = """
import sys
from pathlib import Path
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.runs.ledger_folder import LedgerFolder
folder = LedgerFolder(Path(sys.argv[1]))
def work():
    with folder.locked():
        with Ledger.open(folder.ledger, key=folder.signing_key()) as ledger:
            ServerState(ledger).refuse("client 1", "no")
        folder.write_certificates()
work()
print("at work", flush=True)
while True:
    work()
"""


@pytest.mark.parametrize("audits", [10, pytest.param(200, marks=pytest.mark.exhaustive)])
def test_no_audit_beside_a_server_is_a_false_alarm(folder: LedgerFolder, audits: int) -> None:
    command = [sys.executable, "-c", AT_WORK, str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "at work\n"
        alarms = [found for _ in range(audits) if (found := problems(folder))]
        certified = len(folder.certificates.numbers())
        assert server.poll() is None
        server.kill()
    print(f"audits beside a server: {audits}, of a log that grew to {certified}; false alarms: {len(alarms)}")
    assert alarms == []
    assert certified > 0
