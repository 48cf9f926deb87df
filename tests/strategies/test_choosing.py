"""Hyper-parameters are chosen by scores that clients gave, never by scores that nobody gave."""

from collections.abc import Mapping, Sequence, Set

import numpy as np
import pytest

from fedsift.core.errors import BadInput
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, ComparedMethod, Recipient, Terms, Work
from fedsift.strategies.task_negation import TaskNegation
from tests.strategies.made_up_clients import LAYOUT, MadeUpClients


class Chooser(ComparedMethod):
    """Three candidates, each of which serves the vector of its scale."""

    name = "chooser"
    candidates: Sequence[Terms] = ({"scale": 1.0}, {"scale": 2.0}, {"scale": 3.0})
    settled = False

    def change(self, clients: Clients, joining: Set[str], leaving: Set[str]) -> Work:
        self.members |= joining
        return Work()

    def digest(self) -> str:
        return ""

    def shared(self) -> dict[str, Vector]:
        return {"one": np.ones(1, np.float32)}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        return [recipient.shared["one"] * np.float32(terms["scale"])]

    def settle(self) -> None:
        self.settled = True


def choose(scores: Mapping[str, Sequence[float]], silent: Mapping[str, str] | None = None) -> tuple[Chooser, int]:
    """A chooser among clients with these scores of the three candidates."""
    clients = MadeUpClients(score=lambda client_id, model: scores[client_id][int(model[0]) - 1], silent=silent)
    chooser = Chooser(LAYOUT)
    chooser.change(clients, set(scores), set())
    return chooser, chooser.choose(clients)


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ({"a": (0.1, 0.5, 0.2), "b": (0.1, 0.1, 0.2)}, 2.0),
        ({"a": (0.0, 0.0, 0.0)}, 1.0),  # of several the first
        ({"a": (-3.0, -2.0, -1.0)}, 3.0),
        ({**dict.fromkeys("abcde", (0.1, 0.2, 0.0)), "f": (9.0, 0.0, 0.0)}, 2.0),  # five are enough
    ],
)
def test_the_best_of_what_was_given(scores: dict[str, Sequence[float]], best: float) -> None:
    chooser, scored = choose(scores)
    assert chooser.chosen == {"scale": best}
    assert chooser.settled
    assert scored == min(5, len(scores)) * 3
    assert chooser.choose(MadeUpClients()) == 0  # once is enough
    assert chooser.chosen == {"scale": best}


def test_who_is_silent_does_not_count() -> None:
    chooser, _ = choose({"a": (0.1, 0.2, 0.3), "b": (9.0, 0.0, 0.0)}, silent={"b": "away"})
    assert chooser.chosen == {"scale": 3.0}


def test_nothing_is_chosen_by_nothing() -> None:
    with pytest.raises(BadInput, match=r"chooser: no client gave the scores .* \(client 'a': on fire; client 'b': no"):
        choose({"a": (1, 2, 3), "b": (1, 2, 3)}, silent={"a": "on fire", "b": "no power"})


@pytest.mark.parametrize("silent", ["leaver", "stayer", None])
def test_a_removal_needs_the_scores_of_both_sides(silent: str | None) -> None:
    """The leaver's score falls with lambda, and that of who stays does not move: lambda is 1."""
    method, honest = TaskNegation(LAYOUT), MadeUpClients()
    method.change(honest, {"leaver", "stayer"}, set())
    before = method.shared()["0"]

    def score(client_id: str, model: Vector) -> float:
        return -float(np.linalg.norm(model - before)) if client_id == "leaver" else 1.0

    clients = MadeUpClients(score=score, silent={silent: "on fire"} if silent else {})
    if silent:
        with pytest.raises(BadInput, match=f"task-negation: no client gave the scores .*'{silent}': on fire"):
            method.change(clients, set(), {"leaver"})
    else:
        work = method.change(clients, set(), {"leaver"})
        assert method.hyper_parameters == {"scale": 1.0}
        assert work.validation_scorings == 2 * 21
