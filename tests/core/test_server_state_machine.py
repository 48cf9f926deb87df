"""Any interleaving of operations leaves the state of a fresh one that merges the current members."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from fedsift.core.audit import audit
from fedsift.core.errors import Refused
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from tests.core.uploads import level_lists, terms, upload

SIZE = 9
CAPACITY = 4
CLIENTS = [f"client {index}" for index in range(6)]


class Interleaving(RuleBasedStateMachine):
    uploads = Bundle("uploads")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.sqlite"
        self.state = ServerState.create(self.path, terms(SIZE), CAPACITY)
        self.members: dict[str, bytes] = {}
        self.receipts = 0

    @rule(target=uploads, levels=level_lists(SIZE, 3))
    def train(self, levels: list[int]) -> bytes:
        return upload(levels)

    @rule(client=st.sampled_from(CLIENTS), data=uploads)
    def join_or_rejoin(self, client: str, data: bytes) -> None:
        try:
            self.state.merge(client, data)
        except Refused:
            assert client in self.members or len(self.members) == CAPACITY
        else:
            assert client not in self.members
            self.members[client] = data

    @rule(client=st.sampled_from(CLIENTS), data=uploads, place=st.integers(0, 82))
    def failed_join(self, client: str, data: bytes, place: int) -> None:
        broken = bytearray(data)
        broken[place % 80] ^= 0xFF
        try:
            self.state.merge(client, bytes(broken))
        except Refused:
            return
        raise AssertionError("a broken header was merged")

    @rule(batch=st.sets(st.sampled_from(CLIENTS), max_size=3))
    def leave(self, batch: set[str]) -> None:
        leaving = sorted(batch & self.members.keys())
        for client in leaving:
            self.state.stage_removal(client, self.members.pop(client))
        self.receipts += len(self.state.commit_removals())

    @rule(client=st.sampled_from(CLIENTS), data=uploads)
    def refused_removal(self, client: str, data: bytes) -> None:
        if self.members.get(client) == data:
            return
        try:
            self.state.stage_removal(client, data)
        except Refused as error:
            self.state.refuse(client, str(error))
            self.receipts += 1
            return
        raise AssertionError("a rerun that differs was subtracted")

    @rule()
    def fold(self) -> None:
        self.state.fold()

    @rule()
    def reopen(self) -> None:
        self.state.ledger.close()
        self.state = ServerState(Ledger.open(self.path))

    @invariant()
    def equals_a_state_that_merged_the_members(self) -> None:
        oracle = ServerState.create(None, terms(SIZE), CAPACITY)
        for client, data in self.members.items():
            oracle.merge(client, data)
        assert self.state.digest() == oracle.digest()
        assert self.state.members.keys() == oracle.members.keys()

    @invariant()
    def passes_its_audit(self) -> None:
        assert [finding for finding in audit(self.state.ledger) if finding.problems] == []
        assert len(self.state.ledger.receipts()) == self.receipts

    def teardown(self) -> None:
        self.state.ledger.close()
        self.folder.cleanup()


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(max_examples=5, stateful_step_count=20, deadline=None)


@pytest.mark.exhaustive
class TestMoreInterleaving(Interleaving.TestCase):  # type: ignore[misc]
    settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
