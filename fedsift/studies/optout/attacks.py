"""Attacks on the clients that left in a scenario that has been played."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.data.loading import load_dataset
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session
from fedsift.studies.attacks.evaluation import IN_ROUNDS, ON_CENTRAL_FT, evaluate_attacks
from fedsift.studies.attacks.paraphrases import paraphrases
from fedsift.studies.attacks.subjects import Parties
from fedsift.studies.comparison.compare import check_methods
from fedsift.studies.optout.scenario import Scenario, read_scenario
from fedsift.studies.optout.scenario_federation import Cast
from fedsift.studies.optout.scenario_folder import ScenarioFolder
from fedsift.studies.optout.scenario_result import ScenarioResult
from fedsift.studies.training_cache import TrainingCache, check_equal_steps

_MOST_ATTACKED = 5  # leavers, the first: each attack scores all their examples many times over


def attacked_methods(rounds: RoundSettings) -> Sequence[str]:
    """Those that are attacked beside SIFT-Masks where nobody names others."""
    return (*ON_CENTRAL_FT, *IN_ROUNDS) if rounds.rounds else ON_CENTRAL_FT


def check_attacked(attacks: bool, names: Sequence[str] | None, rounds: RoundSettings) -> None:
    """See that the methods to attack can be played, before anything is.

    Raises:
        BadInput: nothing is attacked, or as of `check_methods`.
    """
    if names is None:
        return
    if not attacks:
        raise BadInput("methods says what is attacked beside SIFT-Masks: ask for attacks, too")
    check_methods(names, rounds)


def check_parties(scenario: Scenario, config: RunConfig, cast: Cast) -> None:
    """See that a scenario will have what `attack` needs, before it is played.

    Raises:
        BadInput: nobody leaves or nobody stays, fewer than two clients never join, clients differ in steps, or as of
            `paraphrases`.
    """
    check_equal_steps(config)
    left = _attacked(client_id for step in cast.plan(scenario, config).steps for client_id in step.leave)
    Parties.of(cast.clients, left, cast.newcomers)
    dataset = load_dataset(config)
    paraphrases(config, left, {client_id: dataset.train_examples(client_id) for client_id in left})


def _attacked(left: Iterable[str]) -> list[str]:
    """The first of those who left."""
    return list(dict.fromkeys(left))[:_MOST_ATTACKED]


def attack(path: Path, bars: PhaseBars, names: Sequence[str] | None = None) -> ScenarioResult:
    """Fill in "attacks" in a scenario's result.json; returns all of it.

    The trainings that attacks need, the leavers' among them, lie in a folder for the time being and are deleted.

    Args:
        path: the scenario's folder.
        bars: are told of the progress.
        names: of the methods to attack beside SIFT-Masks, as for `compare`; `attacked_methods` for None.

    Raises:
        BadInput: the scenario has not been played to its end, nobody left, or as of `check_methods`.
    """
    folder, config = ScenarioFolder.open(path)
    with folder.locked():
        result = folder.read_result()
        if result is None:
            raise BadInput(f"{path} has no result.json: play the scenario to its end first (--resume {path})")
        keys = RoundSettings().to_mapping()
        rounds = RoundSettings.from_mapping({key: value for key, value in result.config.items() if key in keys})
        if names is None:
            names = attacked_methods(rounds)
        check_methods(names, rounds)
        leavers = _attacked(client_id for step in result.steps for client_id in step.left)
        if not leavers:
            raise BadInput(f"{path}: nobody left, so there is nobody to attack")
        cast = Cast.of(read_scenario(str(folder.scenario)), config)
        schedule = rounds.schedule(config, load_dataset(config), cast.clients)
        with (
            folder.trainings() as trainings,
            bars,
            TrainingCache(config, trainings, bars, ray_session) as cache,
        ):
            attacks = evaluate_attacks(cache, cast.clients, leavers, cast.newcomers, names, schedule)
            bars.finish()
        result = dataclasses.replace(result, attacks=attacks)
        folder.write_result(result)
    return result
