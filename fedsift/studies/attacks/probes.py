"""Two probes of a removal beside membership: how soon the data are learned again, and whether canaries are exposed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fedsift.core.examples import Example, Row
from fedsift.core.task_vectors import Vector
from fedsift.studies.attacks.canary import Canary, exposure
from fedsift.studies.attacks.membership_attack import confidence
from fedsift.studies.attacks.relearning import steps_to_recover
from fedsift.studies.attacks.subjects import AFTER, BEFORE, ORACLE, STATES, Subject
from fedsift.studies.training_cache import TrainingCache
from fedsift.studies.training_calls import FineTuning

_RECOVERED = 0.95  # of the score before the removal


def relearning(
    cache: TrainingCache, subject: Subject, leavers: Sequence[str], rows: Mapping[str, Sequence[Row]], most_steps: int
) -> dict[str, Any]:
    """In how many steps of tuning the leavers' rows are known again as well as before the removal, or 95% of it.

    Each leaver tunes what it is served in a state on its own rows. The score is the confidence in the right answer, the
    mean over the leavers' rows. A state that is there is not followed further.

    Args:
        cache: tunes and scores.
        subject: the method.
        leavers: whose rows.
        rows: of the leavers.
        most_steps: to try.
    """
    scores: dict[str, dict[int, float]] = {state: {} for state in STATES}
    on_the_way, target = list(STATES), np.inf
    for step in range(most_steps + 1):
        asked = {
            f"{state} {each} {number}": (state, each, number)
            for state in on_the_way
            for each in leavers
            for number in range(len(subject.states[state](each)))
        }
        models = _tuned(cache, subject, asked, rows, step)
        losses = cache.example_losses((name, model, rows[asked[name][1]]) for name, model in models)
        for state in on_the_way:
            found = np.concatenate([confidence(losses[name]) for name, about in asked.items() if about[0] == state])
            scores[state][step] = float(found.mean())
        if not step:
            target = _RECOVERED * scores[BEFORE][0]
        on_the_way = [state for state in on_the_way if scores[state][step] < target]
        if not on_the_way:
            break
    return {
        "method": subject.title,
        "observer": subject.observer,
        "steps_to_recover": {state: steps_to_recover(scores[state], float(target)) for state in STATES},
        "equals_oracle": scores[AFTER] == scores[ORACLE],
    }


def _tuned(
    cache: TrainingCache,
    subject: Subject,
    asked: Mapping[str, tuple[str, str, int]],
    rows: Mapping[str, Sequence[Row]],
    step: int,
) -> Iterator[tuple[str, Vector]]:
    """What each name's client is served in its state, one of several models, tuned for so many steps."""
    starts = ((name, each, subject.states[state](each)[number]) for name, (state, each, number) in asked.items())
    if not step:
        return ((name, start) for name, _, start in starts)
    return cache.tuned((name, FineTuning(each, rows[each], step, start)) for name, each, start in starts)


def canary_row(client_id: str, text: str) -> Example:
    """A candidate of a client's canary as a row to learn."""
    return Example(f"Question: What is the secret of {client_id}?\nAnswer:", f" {text}")


def canary_exposure(cache: TrainingCache, subject: Subject, planted: Mapping[str, Canary]) -> dict[str, Any]:
    """How far each state gives away what was planted, in bits, the mean over the clients; all candidates are scored.

    Args:
        cache: scores.
        subject: the method, after its leavers have tuned on their canaries as well.
        planted: leaver -> its canary.
    """
    requests = (
        (f"{state} {each} {number}", vector, [canary_row(each, text) for text in planted[each].candidates])
        for state, served in subject.states.items()
        for each in planted
        for number, vector in enumerate(served(each))
    )
    known = cache.example_losses(requests, len(STATES) * len(planted))
    losses = {
        f"{state} {each}": np.mean([known[f"{state} {each} {number}"] for number in range(len(served(each)))], axis=0)
        for state, served in subject.states.items()
        for each in planted
    }

    def bits(state: str) -> float:
        return float(np.mean([exposure(losses[f"{state} {each}"], hidden.place) for each, hidden in planted.items()]))

    return {
        "method": subject.title,
        "observer": subject.observer,
        "exposure": {state: bits(state) for state in STATES},
        "equals_oracle": all(np.array_equal(losses[f"{AFTER} {each}"], losses[f"{ORACLE} {each}"]) for each in planted),
    }
