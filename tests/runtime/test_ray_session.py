"""What the engine does to the process that it runs in."""

import os
from pathlib import Path

import pytest

from fedsift.core.server_state import ServerState
from fedsift.federation.client import MEMBERSHIP
from fedsift.runs.federate import remembered
from fedsift.runtime.ray_door import environment
from tests.core.uploads import terms, upload


def test_only_its_own_variables_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSIFT_TEST_STOOD", "before")
    monkeypatch.delenv("FEDSIFT_TEST_ABSENT", raising=False)
    monkeypatch.setenv("FEDSIFT_TEST_OTHER", "before")
    with environment({"FEDSIFT_TEST_STOOD": "meanwhile", "FEDSIFT_TEST_ABSENT": "meanwhile"}):
        assert os.environ["FEDSIFT_TEST_STOOD"] == os.environ["FEDSIFT_TEST_ABSENT"] == "meanwhile"
        os.environ["FEDSIFT_TEST_OTHER"] = "somebody else's"
    assert os.environ["FEDSIFT_TEST_STOOD"] == "before"
    assert "FEDSIFT_TEST_ABSENT" not in os.environ
    assert os.environ["FEDSIFT_TEST_OTHER"] == "somebody else's"


def test_a_client_may_have_any_name(tmp_path: Path) -> None:
    """Who was removed stays away, whatever stands in its receipt."""
    ledger = tmp_path / "ledger.sqlite"
    state = ServerState.create(ledger, terms(4), capacity=3)
    for client_id in ("REFUSED", '"REFUSED"', "stays"):
        state.merge(client_id, upload([1, 0, 2, 0]))
    for client_id in ("REFUSED", '"REFUSED"'):
        state.remove(client_id, upload([1, 0, 2, 0]))
    state.refuse("stays", "why not")
    state.ledger.close()
    known = remembered(["REFUSED", '"REFUSED"', "stays", "never came"], ledger, returning=False)
    removed = {place: state.config_records[MEMBERSHIP]["removed"] for place, state in known.items()}
    assert removed == {0: True, 1: True, 2: False}
