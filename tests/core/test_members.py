import hashlib

import pytest
from hypothesis import given, strategies as st

from fedsift.core.member import Member
from fedsift.core.members import Members
from fedsift.core.server_state import ServerState
from tests.core.uploads import terms, upload


def member(number: int) -> Member:
    return Member(hashlib.sha256(b"%d" % number).digest(), b"", b"", b"", b"", 1, 1, 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=30))
def test_what_came_and_went_leaves_no_trace(toggled: list[tuple[int, int]]) -> None:
    """Against a dictionary: the hash is that of a new one with the same, in another order."""
    expected: dict[str, Member] = {}
    members = Members({})
    for client, number in toggled:
        client_id = f"client {client}"
        if client_id in expected:
            del expected[client_id]
            members.remove(client_id)
        else:
            expected[client_id] = member(number)
            members.add(client_id, expected[client_id])
    assert dict(members) == expected
    assert len(members) == len(expected)
    assert members.hash() == Members(dict(reversed(expected.items()))).hash()
    for number in range(4):
        same = {client_id for client_id, each in expected.items() if each == member(number)}
        assert set(members.with_upload(member(number).digest)) == same


def test_the_hash_counts_equal_uploads() -> None:
    hashes = {Members({f"client {each}": member(0) for each in range(count)}).hash() for count in range(5)}
    assert len(hashes) == 5


def test_a_removal_and_a_copy_look_at_no_other_member(monkeypatch: pytest.MonkeyPatch) -> None:
    state = ServerState.create(None, terms(4), capacity=3)
    uploads = {f"client {each}": upload([each, 1, 0, 0]) for each in range(3)}
    for client_id, each in uploads.items():
        state.merge(client_id, each)

    def refused(_: Members) -> None:
        raise AssertionError("somebody goes through all members")

    monkeypatch.setattr(Members, "__iter__", refused)
    state.remove("client 1", uploads["client 1"])
    state.merge("client 1", uploads["client 1"], node_key="a key")
    assert len(state.members) == 3
