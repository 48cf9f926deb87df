"""A run's folder that somebody prepared: nothing outside it is touched, and a link in it is told, not followed."""

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from tests.cli.commands import done, invoke

COMMANDS = (
    ("verify", "{}"),
    ("forget", "{}", "client 1"),
    ("join", "{}", "client 0"),
    ("run", "--resume", "{}"),
    ("export", "{}", "{}-exported", "--merged"),
)


@pytest.fixture(scope="module")
def run_folder(tiny_config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first client has left."""
    folder = tmp_path_factory.mktemp("run")
    write_toml(tiny_config, folder / "config.toml")
    done("run", folder / "config.toml", "--out", folder / "out")
    done("forget", folder / "out", "client 0")
    return folder / "out"


def content(folder: Path) -> dict[str, str]:
    """What lies below a folder: names, and digests of files."""
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest() if each.is_file() else ""
        for each in folder.rglob("*")
    }


# What a run's folder may hold, and what is made of it: a link to a file, or to a folder, outside.
FILES = (
    *("config.toml", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite-journal", "result.json"),
    *("rounds.json", "scenario.toml", ".result.json.partial", ".rounds.json.partial", ".config.toml.partial"),
    *("ledger-new.partial", "ledger-3.partial", "masks/stranger.mask", "masks/.stranger.mask.partial"),
    *("certificates/0001.json", "certificates/0002.json", "certificates/.0002.json.partial"),
)
FOLDERS = ("masks", "certificates", "masks-2", "masks-9")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command[0]))
@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_links_are_not_followed(run_folder: Path, tmp_path: Path, command: tuple[str, ...], stride: int) -> None:
    outside, count = tmp_path / "outside", 0
    shutil.copytree(run_folder, outside)
    (outside / "victim.mask").write_bytes(b"victim")
    before = content(outside)
    chosen = [*FILES, *FOLDERS][COMMANDS.index(command) % stride :: stride]
    for name in chosen:
        out = tmp_path / "out"
        shutil.copytree(run_folder, out)
        trap = out / name
        if trap.is_dir():
            shutil.rmtree(trap)
        trap.unlink(missing_ok=True)
        target = outside / name if (outside / name).exists() else outside
        trap.symlink_to(target if name in FOLDERS or target.is_file() else outside / "victim.mask")
        inside = content(out)
        code, _, told = invoke(*(each.format(out) for each in command))
        assert content(outside) == before, (name, told)
        assert code == 2 and "take it away" in told and told.count("\n") == 1, (name, code, told)
        assert content(out) == inside, name
        count += 1
        shutil.rmtree(out)
    print(f"{command[0]}: {count} links, 0 files touched outside the folder")


@pytest.mark.parametrize("name", ["../outside", "{outside}", "masks/../../outside", "", ".", "certificates"])
def test_the_ledger_names_no_folder(run_folder: Path, tmp_path: Path, name: str) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (outside / "victim.mask").write_bytes(b"victim")
    shutil.copytree(run_folder, out)
    with closing(sqlite3.connect(out / "ledger.sqlite")) as connection, connection:
        connection.execute("INSERT INTO settings VALUES ('mask_folder', ?)", (name.format(outside=outside),))
    inside = content(out)
    for command in COMMANDS:
        code, _, told = invoke(*(each.format(out) for each in command))
        assert (code, "the ledger is damaged: mask_folder" in told) == (2, True), (command, told)
    assert (outside / "victim.mask").read_bytes() == b"victim"
    assert content(out) == inside
