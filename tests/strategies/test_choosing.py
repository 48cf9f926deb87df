"""Hyper-parameters are chosen by scores that clients told, never by scores that nobody told."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message

from fedsift.core.errors import BadInput
from fedsift.protocol.messages import client_reply
from fedsift.strategies.compared_method import ComparedMethod, ComparedRecord, Recipient, Vector
from fedsift.strategies.pooled_training import Pool, PooledTraining
from fedsift.strategies.registry import METHODS, STRATEGIES

SpeakAs = Callable[[int], None]
NAN = float("nan")


class Chooser(PooledTraining):
    """Three candidates."""

    method = METHODS["ties"]
    candidates: ClassVar[Sequence[Mapping[str, float]]] = ({"scale": 1.0}, {"scale": 2.0}, {"scale": 3.0})

    def deal(self) -> list[list[list[str]]]:
        return []

    def shared(self) -> dict[str, Vector]:
        return {}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        return []


class Clients:
    """A grid on which each client tells its scores, a letter each: node 1 is "a"."""

    def __init__(self, scores: Mapping[str, Mapping[str, float]], speak_as: SpeakAs) -> None:
        self._scores, self._speak_as = scores, speak_as

    def send_and_receive(self, messages: Iterable[Message]) -> Iterator[Message]:
        for message in messages:
            node = message.metadata.dst_node_id
            self._speak_as(node)
            client_id = "_abcdef"[node]
            yield client_reply(message, client_id, scores=dict(self._scores[client_id]))


def served(*scores: float) -> dict[str, float]:
    return {f"served {place}": score for place, score in enumerate(scores)}


def ready(strategy: ComparedMethod, scores: Mapping[str, object], speak_as: SpeakAs, left: Sequence[str] = ()) -> None:
    speak_as(1)
    strategy.rounds.append(ComparedRecord(left=list(left)))
    strategy.clients = {"_abcdef".index(client_id): client_id for client_id in scores}
    strategy.members = set(scores) - set(left)


def evaluate(strategy: ComparedMethod, scores: Mapping[str, Mapping[str, float]], speak_as: SpeakAs) -> None:
    list(strategy.configure_evaluate(1, ArrayRecord(), ConfigRecord(), Clients(scores, speak_as)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scores", "chosen", "failed"),
    [
        ({"a": served(0.1, 0.5, 0.2), "b": served(0.1, 0.1, 0.2)}, 2.0, []),
        ({"a": served(0.0, 0.0, 0.0)}, 1.0, []),
        ({"a": served(-3.0, -2.0, -1.0)}, 3.0, []),
        ({"a": served(0.1, 0.2, 0.3), "b": served(9.0)}, 3.0, ["b"]),
        ({"a": served(0.1, 0.2, 0.3), "b": {}}, 3.0, ["b"]),
        ({"a": served(0.1, 0.2, 0.3), "b": served(NAN, 0.9, 0.1)}, 3.0, ["b"]),
    ],
)
def test_the_best_of_what_was_told(
    scores: dict[str, dict[str, float]], chosen: float, failed: list[str], speak_as: SpeakAs
) -> None:
    strategy = Chooser(1, evaluated={1})
    ready(strategy, scores, speak_as)
    evaluate(strategy, scores, speak_as)
    assert strategy.chosen == {"scale": chosen}
    assert list(strategy.rounds[0].failures) == failed


def test_nothing_is_chosen_by_nothing(speak_as: SpeakAs) -> None:
    scores = {"a": served(0.1), "b": served(NAN, 1, 2)}
    strategy = Chooser(1, evaluated={1})
    ready(strategy, scores, speak_as)
    with pytest.raises(BadInput, match=r"ties: no client told the scores to choose hyper-parameters by \(client 'a': "):
        evaluate(strategy, scores, speak_as)
    assert not strategy.chosen


@pytest.mark.parametrize("silent", ["leaver", "control"])
def test_a_removal_needs_the_scores_of_both_sides(silent: str, speak_as: SpeakAs) -> None:
    strategy = STRATEGIES["task-negation"](2, evaluated=())
    number = 21  # lambda 0, 0.05, ..., 1
    falling = served(*np.linspace(1, 0, number))
    told = {"a": falling, "b": served(*[1.0] * number)}
    for scores, fails in ((told, False), ({**told, {"leaver": "a", "control": "b"}[silent]: {}}, True)):
        ready(strategy, scores, speak_as, left=["a"])
        strategy.pools = [Pool([["b"]], [np.zeros(2, np.float32)])]  # type: ignore[attr-defined]
        strategy.in_training = [Pool([["a"]], [np.ones(2, np.float32)])]  # type: ignore[attr-defined]
        if fails:
            with pytest.raises(BadInput, match="task-negation: no client told the scores"):
                evaluate(strategy, scores, speak_as)
        else:
            evaluate(strategy, scores, speak_as)
            assert strategy.hyper_parameters == {"scale": 1.0}
