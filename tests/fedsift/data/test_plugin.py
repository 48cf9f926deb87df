import sys
from pathlib import Path

import pytest

from fedsift.data.plugin import load_plugin
from fedsift.errors import BadInput

MODULE = """
class Dataset:
    client_ids = ["x", "y"]
    def train_examples(self, client_id):
        return [(f"{client_id}:", " 1")]

class Tested(Dataset):
    def test_examples(self, client_id):
        return [(f"{client_id}?", " 2")]

class Repeated(Dataset):
    client_ids = ["x", "y", "x"]

made = []

def clients():
    return {"ann": [("p", " t")], "bob": lambda: made.append("bob") or [("q", " u"), ["r", " v"]]}

def dataset(): return Dataset()
def tested(): return Tested()
def repeated(): return Repeated()
def empty(): return {}
def wrong(): return 5
def raising(): raise KeyError("no such file")
def no_rows(): return {"ann": []}
def late(): return {"ann": lambda: 1 / 0}
def number_id(): return {7: [("p", " t")]}
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_clients.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "broken_clients.py").write_text("import nothing_like_this", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("my_clients", "broken_clients"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_mapping_is_read_client_by_client() -> None:
    data = load_plugin("my_clients:clients")
    assert data.client_ids == ["ann", "bob"]
    assert data.train_examples("ann") == [("p", " t")]
    assert sys.modules["my_clients"].made == []
    assert data.train_examples("bob") == [("q", " u"), ["r", " v"]]
    assert sys.modules["my_clients"].made == ["bob"]


def test_an_object_with_client_ids_and_examples() -> None:
    assert load_plugin("my_clients:dataset").train_examples("y") == [("y:", " 1")]
    assert load_plugin("my_clients:dataset").test_examples("y") == [("y:", " 1")]
    assert load_plugin("my_clients:tested").test_examples("y") == [("y?", " 2")]
    assert load_plugin("my_clients:tested").train_examples("y") == [("y:", " 1")]


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ("missing_module:f", "ModuleNotFoundError: No module named 'missing_module'"),
        ("broken_clients:f", "No module named 'nothing_like_this' .*broken_clients.py, line 1"),
        ("my_clients:client", "unknown function 'client'; did you mean 'clients'"),
        ("my_clients:raising", "dataset my_clients:raising: KeyError: 'no such file' .*my_clients.py, line \\d+"),
        ("my_clients:empty", "has no clients"),
        ("my_clients:wrong", "returned int; expected a mapping"),
        ("my_clients:repeated", "client 'x' is there 2 times; merge its rows under one id"),
        ("my_clients:number_id", "client id 7 is no text"),
    ],
)
def test_what_is_no_data_set(specification: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_plugin(specification)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("no_rows", "client 'ann' has no rows"),
        ("late", "client 'ann': ZeroDivisionError: division by zero .*my_clients.py, line"),
    ],
)
def test_rows_that_cannot_be_made(function: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_plugin(f"my_clients:{function}").train_examples("ann")
