"""Flower's run configuration and its two halves; what pyproject.toml says of it."""

import tomllib
from pathlib import Path

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.configuration.server_settings import ServerSettings, app_config, split
from fedsift.core.errors import BadInput

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_split_is_the_inverse_of_app_config() -> None:
    config, settings = RunConfig(steps=3, leave=("a", "b")), ServerSettings(out="runs/x", min_nodes=7)
    assert split(app_config(config, settings)) == (config, settings)


def test_the_app_in_pyproject_has_every_key_with_its_default() -> None:
    """A key that does not stand there cannot be given to `flwr run --run-config`."""
    app = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["tool"]["flwr"]["app"]
    assert app["config"] == app_config(RunConfig(), ServerSettings())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"min-nodes": 0}, "min-nodes = 0: give 1 or more"),
        ({"round-timeout": 0.0}, "round-timeout = 0.0"),
        ({"round-timeout": float("nan")}, "round-timeout = nan"),
        ({"tie-nodes": 1}, "tie-nodes = 1: expected bool"),
        ({"min-node": 2}, "unknown key 'min-node'"),
    ],
)
def test_a_mistake_is_told(changed: dict[str, float], reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        split({**app_config(RunConfig(), ServerSettings()), **changed})


def test_seconds_may_be_whole() -> None:
    _, settings = split({**app_config(RunConfig(), ServerSettings()), "round-timeout": 5})
    assert settings.round_timeout == 5
