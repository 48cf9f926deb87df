"""What the server sends of the shared head, and what members answer, whatever is wrong with it."""

from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from fedsift.core.blend import BLENDS, HEAD_VOTES
from fedsift.core.errors import Refused
from fedsift.core.server_state import ServerState
from fedsift.core.shared_head import choose_ridge
from fedsift.protocol.head_service import SentHead, read_head, read_votes, summed
from tests.core.uploads import HEAD, terms, upload

DECISIONS = 10**6  # of all members
HEAD_LOSSES, OWN_LOSSES = [*range(HEAD_VOTES)], [*range(len(BLENDS))]


@pytest.fixture
def state() -> ServerState:
    """Of two members."""
    state = ServerState.create(None, terms(4), 2)
    for client_id, levels in (("ann", [1, 0, 2, 3]), ("bob", [0, 0, 1, 1])):
        state.merge(client_id, upload(levels))
    return state


def sent(state: ServerState) -> RecordDict:
    return SentHead(state).add_to(RecordDict(), BLENDS[3])


def test_what_is_sent_comes_back(state: ServerState) -> None:
    read = read_head(sent(state), HEAD)
    assert read is not None
    expected = state.head_sums()
    assert np.array_equal(read.sums.gram, expected.gram) and np.array_equal(read.sums.targets, expected.targets)
    assert (read.sums.rows, read.ridge, read.blend) == (expected.rows, choose_ridge(expected), BLENDS[3])


def test_all_messages_of_a_round_share_the_sums(state: ServerState) -> None:
    head = SentHead(state)
    first, second = (head.add_to(RecordDict(), blend) for blend in BLENDS[:2])
    assert first.array_records["head"] is second.array_records["head"]


def test_a_federation_without_a_head_has_none(state: ServerState) -> None:
    assert read_head(RecordDict(), HEAD) is None
    assert read_head(sent(state), None) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ridge": 0.0}, "ridge of 0.0"),
        ({"ridge": -1.0}, "ridge of -1.0"),
        ({"ridge": float("nan")}, "ridge of nan"),
        ({"ridge": float("inf")}, "ridge of inf"),
        ({"ridge": "1"}, "field 'ridge' is str"),
        ({"decisions": 2.0}, "field 'decisions' is float"),
        ({"decisions": -1}, "-1 decisions"),
        ({"own": 0.25}, "is none of the public settings"),
        ({"own": float("nan")}, "is none of the public settings"),
        ({"prior": None}, "field 'prior' is NoneType"),
    ],
)
def test_a_service_that_is_none_is_refused(state: ServerState, changes: dict[str, Any], told: str) -> None:
    content = sent(state)
    fields = {**content.config_records["head-service"], **changes}
    content["head-service"] = ConfigRecord({name: value for name, value in fields.items() if value is not None})
    with pytest.raises(Refused, match=told):
        read_head(content, HEAD)


def ints(size: int, dtype: str = "int64", stype: str = "raw") -> Array:
    return Array(dtype=dtype, shape=(size,), stype=stype, data=bytes(8 * size))


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        (None, "sums are missing"),
        ({}, "sums are missing"),
        ({"gram": ints(HEAD.triangle)}, "sums are missing"),
        ({"gram": ints(HEAD.triangle + 1), "targets": ints(20)}, "of another size than the terms say"),
        ({"gram": ints(HEAD.triangle), "targets": ints(0)}, "of another size than the terms say"),
        ({"gram": ints(HEAD.triangle, "float64"), "targets": ints(20)}, "is no raw int64"),
        ({"gram": ints(HEAD.triangle, stype="numpy.ndarray"), "targets": ints(20)}, "is no raw int64"),
        ({"gram": Array("int64", (1,), "raw", b"123"), "targets": ints(20)}, "is no raw int64"),
    ],
)
def test_sums_that_are_none_are_refused(state: ServerState, arrays: dict[str, Array] | None, told: str) -> None:
    content = sent(state)
    del content["head"]
    if arrays is not None:
        content["head"] = ArrayRecord(arrays)
    with pytest.raises(Refused, match=told):
        read_head(content, HEAD)


def test_votes_come_back() -> None:
    assert read_votes(votes(HEAD_LOSSES, OWN_LOSSES), True, DECISIONS) == (HEAD_LOSSES, OWN_LOSSES)
    assert read_votes(votes(HEAD_LOSSES, []), True, DECISIONS) == (HEAD_LOSSES, None)  # a voter with a single row


@pytest.mark.parametrize(
    ("head", "own", "told"),
    [
        (HEAD_LOSSES[1:], OWN_LOSSES, f"are no {HEAD_VOTES} losses"),
        ([], OWN_LOSSES, f"are no {HEAD_VOTES} losses"),
        (HEAD_LOSSES, OWN_LOSSES[1:], f"are no {len(BLENDS)} losses"),
        ([-1, *HEAD_LOSSES[1:]], [], "votes .-1, "),
        ([2**53 + 1, *HEAD_LOSSES[1:]], [], f"are no {HEAD_VOTES} losses"),
        ([float(each) for each in HEAD_LOSSES], [], f"are no {HEAD_VOTES} losses"),
        ([True] * HEAD_VOTES, [], f"are no {HEAD_VOTES} losses"),
        (HEAD_LOSSES, [float("nan")] * len(BLENDS), f"are no {len(BLENDS)} losses"),
        ("1234", [], "field 'head-losses' is str"),
        (HEAD_LOSSES, None, "field 'own-losses' is NoneType"),
    ],
)
def test_votes_that_are_none_are_refused(head: Any, own: Any, told: str) -> None:
    with pytest.raises(Refused, match=told):
        read_votes(votes(head, own), True, DECISIONS)


def votes(head: Any, own: Any) -> ConfigRecord:
    losses = {"head-losses": head, "own-losses": own}
    return ConfigRecord({name: value for name, value in losses.items() if value is not None})


def test_votes_add_up() -> None:
    assert summed([[1, 2], [30, 40], [500, 600]]) == [531, 642]


def test_own_losses_come_from_voters_alone() -> None:
    assert read_votes(votes(HEAD_LOSSES, []), False, DECISIONS) == (HEAD_LOSSES, None)
    with pytest.raises(Refused, match="are no 0 losses"):
        read_votes(votes(HEAD_LOSSES, OWN_LOSSES), False, DECISIONS)


def test_nobody_loses_more_than_on_all_decisions() -> None:
    """20 nats of 1024 units each, on one decision."""
    most = [20480] * HEAD_VOTES
    assert read_votes(votes(most, []), False, 1) == (most, None)
    with pytest.raises(Refused, match="losses"):
        read_votes(votes([20481, *most[1:]], []), False, 1)
