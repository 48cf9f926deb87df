"""Flower's run configuration and its two halves; what is written of the options, and where each of them appears."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedsift.configuration.documents import options_page, with_flower_section
from fedsift.configuration.run_config import RunConfig, read_toml, write_toml
from fedsift.configuration.server_settings import ServerSettings, app_config, split
from fedsift.core.errors import BadInput
from fedsift.core.options import Effect, Group, Seeded, option
from tests.cli.commands import invoke

PROJECT = Path(__file__).parents[2]


def test_split_is_the_inverse_of_app_config() -> None:
    config, settings = RunConfig(steps=3, leave=("a", "b")), ServerSettings(out="runs/x", min_nodes=7, round_timeout=5)
    assert split({**app_config(config, settings), "round-timeout": 5}) == (config, settings)  # Seconds may be whole.


def test_pyproject_and_the_page_of_options_say_what_is_declared() -> None:
    """To write both anew: python -m fedsift.cli.documents.

    A key that pyproject.toml does not have cannot be given to `flwr run --run-config`.
    """
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["tool"]["flwr"]["app"]["config"] == app_config(
        RunConfig.from_mapping({}), ServerSettings()
    )
    assert with_flower_section(text) == text
    assert (PROJECT / "docs/reference/options.md").read_text(encoding="utf-8") == options_page()


def test_every_option_appears_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of the ServerApp alone have no command: `flwr run . --run-config` gives them."""
    monkeypatch.setenv("COLUMNS", "300")
    _, shown, _ = invoke("run", "--help")
    page, flower = options_page(), app_config(RunConfig.from_mapping({}), ServerSettings())
    write_toml(RunConfig(), tmp_path / "config.toml")
    written = read_toml(tmp_path / "config.toml")
    for name in {**RunConfig.options(), **ServerSettings.options()}:
        key = name.replace("_", "-")
        assert f"| `{key}` |" in page
        assert key in flower
        assert (key in written) == (name in RunConfig.options())
        assert f"--{key} " in shown or name in ServerSettings.options()


@dataclass(frozen=True, kw_only=True)
class Kettle(Seeded):
    """Options that fedsift has not."""

    degrees: float = option(100.0, "How hot it gets. At sea level.", Group.MACHINE, Effect.SERVED, gt=0, le=100)
    cups: int = option(2, "How many.", Group.RUN, ge=1)
    tea: str = option("", "Which.", Group.RUN, choices=("green",), form="colour:leaf", fits=lambda text: ":" in text)
    guests: tuple[str, ...] = option((), "Who drinks.", Group.RUN)


def test_a_declaration_is_all_that_an_option_needs() -> None:
    kettle = Kettle.from_mapping({"degrees": 80, "guests": ["ann"], "tea": "red:leaf", "seed": 3})
    assert (kettle.degrees, type(kettle.degrees), kettle.guests) == (80.0, float, ("ann",))
    assert list(kettle.to_mapping()) == ["cups", "tea", "guests", "seed", "degrees"]
    assert kettle.to_user_config()["guests"] == '["ann"]'
    assert Kettle.from_user_config(kettle.to_user_config()) == kettle
    assert kettle.part(Seeded) == Seeded(seed=3)
    assert Kettle.options()["degrees"].valid == "a number above 0 to 100"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"degrees": 101}, "configuration: degrees = 101.0: give a number above 0 to 100 (How hot it gets)"),
        ({"degrees": float("nan")}, "configuration: degrees = nan: give a number above 0 to 100 (How hot it gets)"),
        ({"degrees": True}, "configuration: degrees = True: expected a number"),
        ({"cups": 0}, "configuration: cups = 0: give a whole number from 1 on (How many)"),
        ({"cups": 1.0}, "configuration: cups = 1.0: expected a whole number"),
        ({"tea": "grene"}, "configuration: unknown tea 'grene'; did you mean 'green'? (or give colour:leaf)"),
        ({"guests": "ann"}, "configuration: guests = 'ann': expected a list of texts"),
        ({"cup": 1}, "configuration: unknown key 'cup'; did you mean 'cups'?"),
    ],
)
def test_what_is_not_valid(values: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput) as caught:
        Kettle.from_mapping(values)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"min-nodes": 0}, "min-nodes = 0: give a whole number from 1 on"),
        ({"round-timeout": 0.0}, "round-timeout = 0.0"),
        ({"round-timeout": float("nan")}, "round-timeout = nan"),
        ({"tie-nodes": 1}, "tie-nodes = 1: expected true or false"),
        ({"min-node": 2}, "unknown key 'min-node'"),
    ],
)
def test_a_mistake_is_told(changed: dict[str, float], reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        split({**app_config(RunConfig.from_mapping({}), ServerSettings()), **changed})
