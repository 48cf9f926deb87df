"""What the engine does to the process that it runs in."""

import os

import pytest

from simulations.engine import _environment


def test_only_its_own_variables_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSIFT_TEST_STOOD", "before")
    monkeypatch.delenv("FEDSIFT_TEST_ABSENT", raising=False)
    monkeypatch.setenv("FEDSIFT_TEST_OTHER", "before")
    with _environment({"FEDSIFT_TEST_STOOD": "meanwhile", "FEDSIFT_TEST_ABSENT": "meanwhile"}):
        assert os.environ["FEDSIFT_TEST_STOOD"] == os.environ["FEDSIFT_TEST_ABSENT"] == "meanwhile"
        os.environ["FEDSIFT_TEST_OTHER"] = "somebody else's"
    assert os.environ["FEDSIFT_TEST_STOOD"] == "before"
    assert "FEDSIFT_TEST_ABSENT" not in os.environ
    assert os.environ["FEDSIFT_TEST_OTHER"] == "somebody else's"
