"""Attacks on the clients that left in a scenario that has been played."""

import dataclasses
import tempfile
from collections.abc import Iterable
from pathlib import Path

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.runtime.progress import PhaseBars
from fedsift.studies.attacks.evaluation import evaluate_attacks
from fedsift.studies.attacks.subjects import Parties
from fedsift.studies.optout.scenario import Scenario, read_scenario
from fedsift.studies.optout.scenario_federation import Cast
from fedsift.studies.optout.scenario_folder import ScenarioFolder
from fedsift.studies.optout.scenario_result import ScenarioResult
from fedsift.studies.training_cache import TrainingCache, check_equal_steps

_MOST_ATTACKED = 5  # leavers, the first: each attack scores all their examples many times over


def check_attacks(scenario: Scenario, config: RunConfig, cast: Cast) -> None:
    """See that a scenario will have what `attack` needs, before it is played.

    Raises:
        BadInput: nobody leaves or nobody stays, fewer than two clients never join, or clients differ in steps.
    """
    check_equal_steps(config)
    left = [client_id for step in cast.plan(scenario, config).steps for client_id in step.leave]
    Parties.of(cast.clients, _attacked(left), cast.newcomers)


def _attacked(left: Iterable[str]) -> list[str]:
    """The first of those who left."""
    return list(dict.fromkeys(left))[:_MOST_ATTACKED]


def attack(path: Path, bars: PhaseBars) -> ScenarioResult:
    """Fill in "attacks" in a scenario's result.json; returns all of it.

    The trainings that attacks need, the leavers' among them, lie in a folder for the time being and are deleted.

    Raises:
        BadInput: the scenario has not been played to its end, or nobody left.
    """
    folder, config = ScenarioFolder.open(path)
    with folder.locked():
        result = folder.read_result()
        if result is None:
            raise BadInput(f"{path} has no result.json: play the scenario to its end first (--resume {path})")
        leavers = _attacked(client_id for step in result.steps for client_id in step.left)
        if not leavers:
            raise BadInput(f"{path}: nobody left, so there is nobody to attack")
        cast = Cast.of(read_scenario(str(folder.scenario)), config)
        with (
            tempfile.TemporaryDirectory(dir=path) as trainings,
            bars,
            TrainingCache(config, Path(trainings), bars) as cache,
        ):
            attacks = evaluate_attacks(cache, cast.clients, leavers, cast.newcomers)
            bars.finish()
        result = dataclasses.replace(result, attacks=attacks)
        folder.write_result(result)
    return result
