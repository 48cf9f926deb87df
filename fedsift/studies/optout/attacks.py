"""Attacks on the clients that left in a scenario that has been played."""

import dataclasses
import tempfile
from pathlib import Path

from fedsift.core.errors import BadInput
from fedsift.runtime.progress import PhaseBars
from fedsift.studies.attacks.evaluation import evaluate_attacks
from fedsift.studies.optout.scenario import read_scenario
from fedsift.studies.optout.scenario_federation import Cast
from fedsift.studies.optout.scenario_folder import ScenarioFolder
from fedsift.studies.optout.scenario_result import ScenarioResult
from fedsift.studies.training_cache import TrainingCache

_MOST_ATTACKED = 5  # leavers, the first: each attack scores all their examples many times over


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
        left = [client_id for step in result.steps for client_id in step.left]
        leavers = list(dict.fromkeys(left))[:_MOST_ATTACKED]
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
