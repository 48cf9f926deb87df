"""Folders for what commands write: each command has one of its own, and a failed one leaves none."""

import re
from contextlib import chdir
from pathlib import Path

import pytest

from fedsift.core.errors import BadInput
from fedsift.files.output import clear, make_empty, output_folder, write_whole
from tests.cli.commands import failed
from tests.processes import together

CLAIM = """
for _ in range(20):
    with output_folder(None) as folder:
        (folder / "mine").touch()
        print(folder)
"""


def test_commands_that_start_together_get_folders_of_their_own(tmp_path: Path) -> None:
    claimed = together("from fedsift.files.output import output_folder", CLAIM, 4, folder=tmp_path)
    assert [len(each.split()) for each in claimed] == [20] * 4
    assert sorted("".join(claimed).split()) == [f"runs/{number:03d}" for number in range(1, 81)]


def test_what_is_there_is_nobodys(tmp_path: Path) -> None:
    with chdir(tmp_path):
        Path("runs").mkdir()
        Path("runs/001").touch()
        Path("runs/002").symlink_to("nowhere")
        Path("runs/003").mkdir()
        with output_folder(None) as folder:
            assert folder == Path("runs/004")
        assert sorted(path.name for path in Path("runs").iterdir()) == ["001", "002", "003"]


def test_a_folder_without_anything_in_it_goes(tmp_path: Path) -> None:
    with chdir(tmp_path):
        with pytest.raises(KeyboardInterrupt), output_folder(None) as folder:
            assert folder.is_dir()
            raise KeyboardInterrupt
        assert not list(Path().iterdir())
        with output_folder(Path("mine")):
            assert not list(Path().iterdir())


@pytest.mark.parametrize("runs", ["a file", "a link to nowhere"])
def test_runs_cannot_be_written(tmp_path: Path, runs: str, table_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if runs == "a file":
        Path("runs").touch()
    else:
        Path("runs").symlink_to("/proc/nowhere/x")
    for command in (["run"], ["optout", "one-client"], ["compare", "--leave-count", "1"]):
        told = failed(*command, "--clients", 4, "--steps", 1)
        assert re.fullmatch(r"fedsift: runs cannot be written \(.*give --out.*\n", told)


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("file", "it is a file"),
        ("full", "the folder is not empty"),
        ("file/below", "cannot be written (Not a directory)"),
        ("/proc/nowhere", "cannot be written (No such file or directory)"),
        ("x" * 300, "cannot be written (File name too long)"),
        ("/".join(["x" * 200] * 30), "cannot be written (File name too long)"),
        ("deep/er/" + "x" * 300, "cannot be written (File name too long)"),
        ("loop", "cannot be written (File exists)"),
    ],
)
def test_a_folder_that_cannot_be_used(tmp_path: Path, out: str, told: str) -> None:
    with chdir(tmp_path):
        Path("file").touch()
        Path("full").mkdir()
        Path("full/precious").touch()
        Path("loop").symlink_to("loop")
        before = sorted(Path().rglob("*"))
        with pytest.raises(BadInput, match=re.escape(told)):
            make_empty(Path(out))
        assert sorted(Path().rglob("*")) == before


def test_a_disk_without_the_room(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"1,500(,000){5} bytes are needed at least, and \d[\d,]* are free"):
        make_empty(tmp_path / "a" / "b", room=10**18 + 5 * 10**17)
    assert not list(tmp_path.iterdir())


def test_only_what_was_made_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    for path in (tmp_path / "theirs", tmp_path / "new", tmp_path / "theirs" / "deep" / "er"):
        made = make_empty(path)
        (path / "masks").mkdir()
        (path / "masks" / "a").touch()
        (path / "config.toml").touch()
        (path / "link").symlink_to(tmp_path / "elsewhere")
        clear(path, made)
        assert sorted(each.name for each in tmp_path.iterdir()) == ["elsewhere", "theirs"]
        assert not list((tmp_path / "theirs").iterdir())
    assert (tmp_path / "elsewhere" / "precious").exists()


def test_no_link_is_written_through(tmp_path: Path) -> None:
    """Neither under the name of a file nor of what it is until it is whole."""
    victim, folder = tmp_path / "victim", tmp_path / "out"
    victim.write_text("victim")
    folder.mkdir()
    for name in ("result.json", ".result.json.partial"):
        (folder / name).symlink_to(victim)
    write_whole(folder / "result.json", "new")
    assert (victim.read_text(), (folder / "result.json").read_text()) == ("victim", "new")
    assert [each.name for each in folder.iterdir() if each.is_symlink()] == []
    (folder / "result.json").unlink()
    (folder / "data.parquet").symlink_to(victim)
    with pytest.raises(BadInput, match=r"data\.parquet is no file of one name but a link"):
        make_empty(folder)
