import dataclasses
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import Refused
from fedsift.core.linear_checksum import LinearChecksum
from fedsift.core.member import Training
from fedsift.core.partial_sums import PartialSums
from fedsift.core.receipt import Verdict
from fedsift.core.server_state import ServerState
from tests.core.uploads import level_lists, terms, upload

TRAINING = Training(b"data", '{"cpu":"a"}', 20, 1)


def server(size: int, capacity: int = 9, folder: str | Path | None = None) -> tuple[ServerState, LinearChecksum]:
    state = ServerState.create(folder and Path(folder) / "ledger.sqlite", terms(size), capacity)
    return state, LinearChecksum(state.ledger.checksum_secret, terms(size))


def partial_sums(levels: dict[str, list[int]], checksum: LinearChecksum, capacity: int = 9) -> PartialSums:
    partial = PartialSums(terms(len(next(iter(levels.values())))), capacity)
    for client_id, each in levels.items():
        partial.add(client_id, upload(each), TRAINING, checksum)
    return partial


@given(data=st.data(), size=st.integers(1, 30), clients=st.integers(1, 6))
def test_any_grouping_gives_the_state_of_one_by_one(data: st.DataObject, size: int, clients: int) -> None:
    """In the digest, the members' records, the checksums and what a fold has written."""
    levels = {f"client {index}": data.draw(level_lists(size, 3)) for index in range(clients)}
    one_by_one, _ = server(size)
    for client_id, each in levels.items():
        one_by_one.merge(client_id, upload(each), TRAINING)

    groups: dict[int, dict[str, list[int]]] = {}
    for client_id, each in levels.items():
        groups.setdefault(data.draw(st.integers(0, 2)), {})[client_id] = each
    with TemporaryDirectory() as folder:
        state, checksum = server(size, folder=folder)
        for group in groups.values():
            state.merge_sums(partial_sums(group, checksum))
        assert ServerState(state.ledger).digest() == state.digest()
        assert ServerState(state.ledger).members == state.members
        state.ledger.close()
    assert state.digest() == one_by_one.digest()
    alike, members = one_by_one.members, state.members
    assert {each: members[each].digest for each in members} == {each: alike[each].digest for each in alike}
    for place, total in enumerate(state.checksums().values()):
        words = [each.checksums[8 * place : 8 * place + 8] for each in members.values()]
        assert total == sum(int.from_bytes(word, "little") for word in words) % 2**64


def test_a_member_merged_by_sums_leaves_like_any_other() -> None:
    state, checksum = server(4)
    state.merge("client 9", upload([0, 0, 2, 1]))
    alone = state.digest()
    state.merge_sums(partial_sums({"client 0": [1, 0, 3, 0]}, checksum))
    assert state.sums.level_sum.tolist() == [1, 0, 5, 1]
    assert state.sums.mask_count.tolist() == [1, 0, 2, 1]
    receipt = state.remove("client 0", upload([1, 0, 3, 0]), TRAINING)
    assert receipt.body.verdict == Verdict.BIT_EXACT
    assert state.digest() == alone


@pytest.mark.parametrize(
    ("already", "capacity", "message"),
    [(["client 1"], 9, "'client 1' is a member already"), (["x", "y"], 3, "room for 3 members; 2 more")],
)
def test_all_clients_or_none(already: list[str], capacity: int, message: str, tmp_path: Path) -> None:
    state, checksum = server(3, capacity, tmp_path)
    for client_id in already:
        state.merge(client_id, upload([1, 0, 1]))
    before = state.digest()
    with pytest.raises(Refused, match=message):
        state.merge_sums(partial_sums({"client 0": [1, 1, 1], "client 1": [2, 0, 0]}, checksum))
    assert state.digest() == before == ServerState(state.ledger).digest()


def test_sums_that_are_not_of_these_clients_are_refused() -> None:
    state, checksum = server(3)
    before = state.digest()
    for vector in range(5):
        partial = partial_sums({"client 0": [1, 1, 1]}, checksum)
        partial.sums.vectors()[vector][1][-1] += 1
        with pytest.raises(Refused, match="of 1 client is not the sum of their contributions"):
            state.merge_sums(partial)
    partial = partial_sums({"client 0": [1, 1, 1]}, checksum)
    partial.members["client 1"] = dataclasses.replace(
        partial.members["client 0"], checksums=bytes(8) + partial.members["client 0"].checksums[8:]
    )
    with pytest.raises(Refused, match="the mask count of 2 clients"):
        state.merge_sums(partial)
    assert state.digest() == before


def test_no_sums_while_a_removal_is_staged() -> None:
    state, checksum = server(3)
    state.merge("client 0", upload([1, 0, 1]))
    state.stage_removal("client 0", upload([1, 0, 1]))
    with pytest.raises(Refused, match="a removal is staged"):
        state.merge_sums(partial_sums({"client 1": [1, 1, 1]}, checksum))


def test_a_failed_write_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state, checksum = server(3, folder=tmp_path)
    state.merge("client 0", upload([1, 0, 1]))
    before = state.digest()
    with monkeypatch.context() as patch:
        patch.setattr(state.ledger, "write_sums", lambda _: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            state.merge_sums(partial_sums({"client 1": [1, 1, 1]}, checksum))
    assert state.digest() == before
    assert list(state.members) == ["client 0"]


def test_after_a_failed_write_nobody_goes_on_with_a_state_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    state, checksum = server(3)
    monkeypatch.setattr(state.ledger, "write_sums", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        state.merge_sums(partial_sums({"client 1": [1, 1, 1]}, checksum))
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        state.fold()


def test_an_upload_twice_or_one_too_many_or_a_bad_one_changes_nothing() -> None:
    _, checksum = server(3)
    partial = partial_sums({"client 0": [1, 0, 1]}, checksum, capacity=2)
    before = partial.vector_bytes()
    with pytest.raises(Refused, match="two uploads"):
        partial.add("client 0", upload([1, 0, 1]), Training(), checksum)
    with pytest.raises(Refused, match="shorter than its header"):
        partial.add("client 1", b"", Training(), checksum)
    assert (partial.vector_bytes(), list(partial.members)) == (before, ["client 0"])
    partial.add("client 1", upload([1, 1, 1]), Training(), checksum)
    with pytest.raises(Refused, match="room for 2 clients"):
        partial.add("client 2", upload([1, 0, 1]), Training(), checksum)


def test_vectors_travel_as_bytes() -> None:
    _, checksum = server(3)
    partial = partial_sums({"client 0": [1, 0, 3]}, checksum)
    sent = partial.vector_bytes()
    assert sent[:2] == [bytes([1, 0, 0, 0, 3, 0]), bytes([1, 0, 0, 0, 1, 0])]
    read = PartialSums(terms(3), 9)
    read.read_vectors(sent)
    for (_, found), (_, expected) in zip(read.sums.vectors(), partial.sums.vectors(), strict=True):
        assert np.array_equal(found, expected)
    with pytest.raises(Refused, match="a mask count of 5 bytes; expected 6"):
        read.read_vectors([sent[0], bytes(5), *sent[2:]])
    with pytest.raises(Refused, match="2 sums; expected 5"):
        read.read_vectors(sent[:2])
