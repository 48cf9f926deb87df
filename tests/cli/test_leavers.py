"""Who leaves is who was meant: an id is taken to the character, however it looks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, strategies as st
from typer.testing import CliRunner

from fedsift.cli.leavers import read_ids
from fedsift.cli.options import overriding, settings_of, takes
from fedsift.configuration.clients_of_run import choose_leavers
from fedsift.configuration.run_config import RunConfig, read_toml, write_toml
from fedsift.core.errors import BadInput
from fedsift.core.options import Group
from tests.cli.commands import done, failed, fedsift, result_of

# Pairs and triples of ids that some way of reading takes for each other, or for an option.
ODD = [
    *("a,b", "a", "b", " a", "a ", "A", "5", "05", "-1", "--oracle", "--", "x\ny", "x y", "x\r", "x"),
    *("é", "e\u0301", "a\u200b", '"a"', "'a'", "\\n", "[red]", "{who}", "$HOME", "*", "客户"),
]
IDS = st.one_of(st.sampled_from([*ODD, "", ",", "a,", "a, b"]), st.text(max_size=4))


def parsed(*arguments: str) -> RunConfig:
    """What the options that say who leaves make of a command line."""
    seen: list[dict[str, Any]] = []
    app = typer.Typer()

    @app.command()
    @takes(Group.LEAVERS)
    def command(overrides: dict[str, Any]) -> None:
        seen.append(overriding(overrides))

    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, BadInput):
        raise result.exception
    assert result.exit_code == 0, result.output
    return RunConfig.from_mapping(seen[0])


@given(ids=st.lists(IDS, max_size=5))
def test_ids_pass_the_command_line_as_they_are(ids: Sequence[str]) -> None:
    assert parsed(*(part for each in ids for part in ("--leave", each))).leave == tuple(ids)
    assert parsed(*(f"--leave={each}" for each in ids)).leave == tuple(ids)


@given(given_id=IDS, clients=st.lists(IDS, min_size=1, max_size=6, unique=True))
def test_no_spelling_hits_another_client(given_id: str, clients: list[str]) -> None:
    if given_id in clients:
        assert choose_leavers(RunConfig(leave=(given_id, given_id)), clients) == (given_id,)
    else:
        with pytest.raises(BadInput, match="leave: unknown client"):
            choose_leavers(RunConfig(leave=(given_id,)), clients)


@pytest.mark.parametrize(
    ("given_id", "clients", "meant"),
    [
        ("5", ["a", "b"], "; for a number of clients: --leave-count 5"),
        ("5", ["50", "a"], "did you mean '50'?; for a number of clients: --leave-count 5"),
        ("a,b", ["a", "b"], "; for several: --leave a --leave b"),
        ("a b, -c,", ["a b", "-c"], "; for several: --leave 'a b' --leave -c"),
        ("a, b", ["a", " b", "b"], "; for several: --leave a --leave ' b'"),
        ("7,", ["7"], "; for several: --leave 7"),
        ("a,c", ["a", "b"], "did you mean 'a'?"),
        (",", ["a", "b"], "valid: a, b"),
    ],
)
def test_what_was_meant_perhaps_is_told(given_id: str, clients: list[str], meant: str) -> None:
    with pytest.raises(BadInput) as told:
        choose_leavers(RunConfig(leave=(given_id,)), clients)
    assert str(told.value).endswith(meant)


def test_a_number_is_an_id_and_a_count_is_none() -> None:
    clients = [str(number) for number in range(20)]
    assert choose_leavers(parsed("--leave", "5"), clients) == ("5",)
    assert len(choose_leavers(parsed("--leave-count", "5"), clients)) == 5
    assert choose_leavers(parsed(), clients) == choose_leavers(parsed("--leave-count", "0"), clients) == ()


def test_files_and_options_add_up_and_a_count_excludes_both(tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text("b\nc\n", encoding="utf-8")
    assert parsed("--leave-file", str(file), "--leave", "a").leave == ("a", "b", "c")
    for options in (["--leave", "a"], ["--leave-file", str(file)]):
        with pytest.raises(BadInput, match="leave-count excludes leave and leave-file"):
            parsed(*options, "--leave-count", "0")


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (b"a", ["a"]),
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b" a \t\n007\n", [" a \t", "007"]),
        (b'a,b\n# c\n"d"\n', ["a,b", "# c", '"d"']),
        (b"a\rb\r\r\n", ["a\rb\r"]),
        ("é\ne\u0301\n\u2028\x0b\x0c\x85\n".encode(), ["é", "e\u0301", "\u2028\x0b\x0c\x85"]),
        (b"a\na\n", ["a", "a"]),
        (b"a\x00b\n", ["a\x00b"]),
    ],
)
def test_a_file_of_ids(tmp_path: Path, content: bytes, ids: list[str]) -> None:
    (tmp_path / "ids").write_bytes(content)
    assert read_ids(tmp_path / "ids") == ids


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no ids"),
        (b"\n", "line 1 is empty"),
        (b"a\n\nb\n", "line 2 is empty"),
        (b"a\n\r\n", "line 2 is empty"),
        (b"a\n\n", "line 2 is empty"),
        (b"a\nb\xff\n", "line 2 is no UTF-8"),
        (b"\xed\xa0\x80\n", "line 1 is no UTF-8"),
        (b"\xef\xbb\xbfa\n", "line 1 begins with a byte order mark"),
        ("a\n".encode("utf-16"), "line 1 is no UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_as_it_is(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "ids").write_bytes(content)
    with pytest.raises(BadInput, match=f"ids: .*{told}"):
        read_ids(tmp_path / "ids")


@given(ids=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1), min_size=1))
def test_what_python_writes_line_by_line_comes_back(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    ids = [each for each in ids if not each.endswith("\r") and not each.startswith("\ufeff")] or ["a"]
    file = tmp_path_factory.getbasetemp() / "written"
    file.write_bytes("".join(f"{each}\n" for each in ids).encode())
    assert read_ids(file) == ids


def test_options_replace_what_a_file_says_of_leavers(tmp_path: Path) -> None:
    """Else a run with leavers could not be repeated with others."""
    file = tmp_path / "config.toml"
    write_toml(RunConfig(leave=("a,b", " c")), file)
    assert settings_of({"leave": None}, file).leave == ("a,b", " c")
    assert settings_of({"leave": ["d"]}, file).leave == ("d",)
    counted = settings_of({"leave_count": 2}, file)
    assert (counted.leave, counted.leave_count) == ((), 2)
    assert not settings_of({"leave_count": 0}, file).anybody_leaves


def test_odd_ids_leave_return_and_leave_again(
    own_code: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them in one run: those that are named go, and those that look like them stay."""
    monkeypatch.chdir(own_code)
    rows = f"def clients():\n    return {{each: [('Q:', f' {{place}}')] for place, each in enumerate({ODD!r})}}\n"
    Path("odd_ids.py").write_text(rows, encoding="utf-8")
    (tmp_path / "config.toml").write_text("evaluate = false\n", encoding="utf-8")
    named, out = ODD[::2], tmp_path / "out"
    options = ["--dataset", "odd_ids:clients", "--model", tiny_model, "--steps", 1, "--newcomers", 0, "--out", out]
    leave = [f"--leave={each}" for each in [*named, named[0]]]
    printed = done("run", tmp_path / "config.toml", *options, *leave)
    assert read_toml(out / "config.toml")["leave"] == [*named, named[0]]
    removals = result_of(out)["removals"]
    assert {removal["client"] for removal in removals} == set(named)
    assert len([line for line in printed.splitlines() if line.startswith("removal")]) == 11  # ten, and how many more
    assert json.loads(done("join", out, "--json", "--", *named))["joined"] == sorted(named)
    forgotten = json.loads(done("forget", out, "--json", "--", *named))
    assert sorted(each["client"] for each in forgotten["removals"]) == sorted(named)
    assert forgotten["state_digest"] == result_of(out)["state_digest"]
    for stranger in ("", "a,", "x\n", "--json", "e"):
        told = failed("forget", out, "--", stranger, code=3)
        assert f"unknown member {stranger!r}" in told and told.count("\n") == 1


def test_an_id_that_looks_like_an_option_comes_after_two_dashes(tmp_path: Path) -> None:
    ended = fedsift("forget", tmp_path, "-7")
    assert ended.returncode == 2
    valid = "--json, --rebuild, --rows"
    assert ended.stderr == f"fedsift: unknown option '-7'; valid: {valid} (an id that begins with - comes after --)\n"
