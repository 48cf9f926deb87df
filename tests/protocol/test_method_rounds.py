"""A method's questions as messages over a grid, some of whose clients answer what cannot be used."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message

from fedsift.core.bit_packing import pack_mask
from fedsift.core.local_training import LocalTraining, Objective
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.protocol.compared_method import PoolTraining, Recipient
from fedsift.protocol.messages import client_reply, read_float_array
from fedsift.protocol.method_rounds import GridClients, MethodRecord, MethodRounds
from fedsift.strategies.consensus_tall_masks import ConsensusTallMasks
from fedsift.strategies.fedavg import FedAvg
from fedsift.strategies.fine_tune_merge import FineTuneMerge
from fedsift.strategies.ties import TiesMerging

SIZE = 3
LAYOUT = ParameterLayout(("weight",), ((SIZE,),))
NAN = float("nan")
ONES = np.ones(SIZE, np.float32)
Answer = Mapping[str, Any]  # of `client_reply`


class Answers:
    """A grid whose node 1 is client "a", node 2 "b", ...: each gives the answer that is ready for it."""

    def __init__(self, answers: Mapping[str, Answer], speak_as: Callable[[int], None]) -> None:
        self._answers, self._speak_as = answers, speak_as
        self.asked: list[Message] = []

    def get_node_ids(self) -> list[int]:
        return ["_abcdef".index(client_id) for client_id in self._answers]

    def send_and_receive(self, messages: Iterable[Message], timeout: float | None = None) -> Iterator[Message]:
        for message in messages:
            self.asked.append(message)
            client_id = "_abcdef"[message.metadata.dst_node_id]
            self._speak_as(message.metadata.dst_node_id)
            yield client_reply(message, **{"client_id": client_id, **self._answers[client_id]})
            self._speak_as(1)


@pytest.fixture
def asking(speak_as: Callable[[int], None]) -> Callable[..., tuple[GridClients, MethodRounds, Answers]]:
    """From a method and answers to its clients, who have answered the query of the first round."""

    def asking(method: Any, answers: Mapping[str, Answer]) -> tuple[GridClients, MethodRounds, Answers]:
        speak_as(1)
        rounds, grid = MethodRounds(method), Answers(answers, speak_as)
        rounds.rounds.append(MethodRecord())
        rounds.clients = {"_abcdef".index(client_id): client_id for client_id in answers}
        return GridClients(rounds, grid, 1), rounds, grid  # type: ignore[arg-type]

    return asking


def served(*scores: float) -> Answer:
    return {"scores": {f"served {place}": score for place, score in enumerate(scores)}}


Asking = Callable[..., tuple[GridClients, MethodRounds, Answers]]


def test_scores_that_are_missing_or_no_numbers_are_refused(asking: Asking) -> None:
    answers = {"a": served(0.1, 0.2), "b": served(9.0), "c": {}, "d": served(NAN, 1.0)}
    answers["e"] = {**served(1, 1), "client_id": "a"}  # in another's name
    clients, rounds, _ = asking(TiesMerging(LAYOUT), answers)
    method = rounds.method
    assert clients.answering({"a", "x"}) == {"a"}
    assert clients.scores(method, set("abcdex"), method.candidates[:2], {"0": ONES}) == {"a": [0.1, 0.2]}
    assert set(clients.failures) == set("bde")  # "c" has no rows to be scored on
    assert all(why.startswith("evaluate.served:") for why in clients.failures.values())


def test_each_is_told_whether_it_is_a_member_and_its_own_terms(asking: Asking) -> None:
    clients, rounds, grid = asking(FineTuneMerge(LAYOUT), {"a": served(0.1), "b": served(0.2)})
    rounds.method.members = {"a"}
    clients.scores(rounds.method, {"a", "b"}, [{}], {"0": ONES})
    configs = [message.content.config_records["config"] for message in grid.asked]
    assert [(each["method"], each["member"], each["candidates"]) for each in configs] == [
        ("ft-merge", True, '[{"cluster": 0}]'),
        ("ft-merge", False, "[{}]"),
    ]
    records = [message.content.array_records["shared"] for message in grid.asked]
    assert records[0] is records[1]  # sent once, where a grid can
    assert read_float_array(records[0]["0"]).tolist() == ONES.tolist()


def test_task_vectors_of_another_size_are_refused(asking: Asking) -> None:
    steps, whole, cut = {"fields": {"steps": 5}}, {"task_vectors": [ONES]}, {"task_vectors": [ONES[:2]]}
    answers: dict[str, Answer] = {"a": {**steps, **whole}, "b": {**steps, **cut}, "c": steps, "d": whole}
    clients, rounds, _ = asking(FineTuneMerge(LAYOUT), answers)
    work = rounds.method.change(clients, set("abcd"), set())
    assert rounds.method.members == {"a"}
    assert rounds.method.shared()["0"].tolist() == ONES.tolist()
    assert (work.trainings, work.steps) == (0, 0)
    assert set(clients.failures) == set("bcd")


def test_masks_of_another_size_are_refused(asking: Asking) -> None:
    whole, cut = pack_mask(np.array([True, False, True])), b""
    answers = {"a": {"fields": {"mask 0": whole}}, "b": {"fields": {"mask 0": cut}}, "c": {"fields": {"mask 1": whole}}}
    clients, rounds, _ = asking(ConsensusTallMasks(LAYOUT), answers)
    ((client_id, (mask,)),) = clients.masks(rounds.method, set("abc"), [{"density": 0.5}], {"total": ONES})
    assert (client_id, mask.tolist()) == ("a", [True, False, True])
    assert set(clients.failures) == {"b", "c"}


@pytest.mark.parametrize("pool", [-1, 1])
def test_a_pool_that_was_not_asked_for_is_refused(asking: Asking, pool: int) -> None:
    told = {"fields": {"pool": pool, "steps": 1}, "task_vectors": [ONES]}
    clients, _, grid = asking(FineTuneMerge(LAYOUT), {"a": told})
    assert list(clients.pooled([PoolTraining([["a"], ["b"]], first=1, start=ONES, lr_factor=0.5)])) == []
    assert set(clients.failures) == {"a"}
    (asked,) = grid.asked
    config = asked.content.config_records["config"]
    assert (config["slices"], config["first"], config["lr-factor"]) == ('[["a"], ["b"]]', 1, 0.5)
    assert read_float_array(asked.content.array_records["start"]["values"]).tolist() == ONES.tolist()


def test_a_round_changes_the_membership_as_clients_wish(speak_as: Callable[[int], None]) -> None:
    """Clients a and b join, b leaves again; c answers nonsense to the training and is no member."""
    method = FineTuneMerge(LAYOUT)
    rounds = MethodRounds(method, evaluated={1})
    tuned = {"task_vectors": [ONES]}
    for number, wishes in enumerate((("join", "join", "join"), ("stay", "leave", "away")), start=1):
        fields = [{"wish": wish, "steps": 5} for wish in wishes]
        answers = {"a": {"fields": fields[0], **tuned}, "b": {"fields": fields[1], **tuned}, "c": {"fields": fields[2]}}
        grid = Answers(answers, speak_as)
        speak_as(1)
        nothing = rounds.configure_train(number, ArrayRecord(), ConfigRecord(), grid)  # type: ignore[arg-type]
        assert list(nothing) == []
        told = [(each.metadata.message_type, each.metadata.dst_node_id) for each in grid.asked]
        served = rounds.configure_evaluate(number, ArrayRecord(), ConfigRecord(), grid)  # type: ignore[arg-type]
        assert len(list(served)) == {1: 3, 2: 0}[number]
        joined, removed = [("query.joined", 1), ("query.joined", 2)], [("train.fine_tune", 2), ("query.removed", 2)]
        assert told[-2:] == {1: joined, 2: removed}[number]
    merge, removal = rounds.rounds
    assert (merge.joined, merge.members, merge.trainings, list(merge.failures)) == (["a", "b"], 2, 0, ["c"])
    assert (removal.joined, removal.left, removal.members) == ([], ["b"], 1)
    assert (removal.trainings, removal.steps) == (1, 5)
    assert method.members == {"a"}
    assert merge.state_digest != removal.state_digest == method.digest()
    recipient = Recipient(None, method.shared(), [SIZE], lambda _: 0.0)
    assert [each.tolist() for each in method.serve(recipient)] == [ONES.tolist()]


def trained(rows: int = 2, steps: int = 5, reach: object = 0.5, size: int = SIZE) -> Answer:
    return {
        "fields": {"rows": rows, "steps": steps, "reach": reach},
        "task_vectors": [np.ones(size, np.float32)],
    }


def test_trainings_of_a_round_that_cannot_be_are_refused(asking: Asking) -> None:
    answers = {"a": trained(), "b": trained(rows=0), "c": trained(reach=NAN), "d": trained(size=2)}
    answers["e"] = trained(reach=1)  # a whole number
    clients, _, _ = asking(FedAvg(LAYOUT), answers)
    found = list(clients.local(1, ONES, dict.fromkeys("abcde", LocalTraining(5))))
    assert [(client_id, each.rows, each.steps, each.reach) for client_id, each in found] == [("a", 2, 5, 0.5)]
    assert set(clients.failures) == set("bcde")


def test_the_rounds_model_is_sent_once_and_each_its_own_correction(asking: Asking) -> None:
    clients, _, grid = asking(FedAvg(LAYOUT), {"a": trained(), "b": trained()})
    asked = {"a": LocalTraining(5, Objective.NPO, 0.5), "b": LocalTraining(4, correction=2 * ONES)}
    assert len(list(clients.local(7, 3 * ONES, asked))) == 2
    first, second = (message.content for message in grid.asked)
    assert first["start"] is second["start"]
    assert read_float_array(first.array_records["start"]["values"]).tolist() == (3 * ONES).tolist()
    config = first.config_records["config"]
    assert [config[each] for each in ("round", "steps", "objective", "proximal")] == [7, 5, "npo", 0.5]
    assert "correction" not in first
    assert read_float_array(second.array_records["correction"]["values"]).tolist() == (2 * ONES).tolist()


def test_plain_trainings_are_on_the_clock_side_by_side(asking: Asking) -> None:
    """The slowest decides: 7 steps of a second, and 12 bytes up. A pool trains on a device of its own."""
    steps = {"a": 5, "b": 7}
    answers = {each: {"fields": {"steps": number}, "task_vectors": [ONES]} for each, number in steps.items()}
    clients, _, _ = asking(FineTuneMerge(LAYOUT), answers)
    assert len(list(clients.fine_tuned({"a", "b"}))) == 2
    assert clients.spent.seconds == pytest.approx(7 + 12 / 1e6)
    assert (clients.spent.up, clients.spent.down) == (24, 0)
    assert clients.spent.joules == pytest.approx(5 * (12 + 24 / 1e6))
    pool = {"fields": {"pool": 0, "steps": 9}, "task_vectors": [ONES]}
    clients, _, _ = asking(FineTuneMerge(LAYOUT), {"a": pool})
    assert len(list(clients.pooled([PoolTraining([["a"], ["b"]])]))) == 1
    assert (clients.spent.seconds, clients.spent.up, clients.spent.joules) == (9, 0, 45)
