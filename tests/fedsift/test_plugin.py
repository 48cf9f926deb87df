import sys
from pathlib import Path

import pytest

from fedsift.errors import BadInput
from fedsift.examples import Example
from fedsift.plugin import load_plugin

MODULE = """
class Dataset:
    client_ids = ["x", "y"]
    def examples(self, client_id):
        return [(f"{client_id}:", " 1")]

class Repeated(Dataset):
    client_ids = ["x", "y", "x"]

made = []

def clients():
    return {"ann": [("p", " t")], "bob": lambda: made.append("bob") or [("q", " u"), ["r", " v"]]}

def dataset(): return Dataset()
def repeated(): return Repeated()
def empty(): return {}
def wrong(): return 5
def raising(): raise KeyError("no such file")
def no_rows(): return {"ann": []}
def late(): return {"ann": lambda: 1 / 0}
def number(): return {"ann": [("p", 3)]}
def triple(): return {"ann": [("p", " t"), ("p", " t", "x")]}
def text(): return {"ann": ["pt"]}
def blank(): return {"ann": [("p", "")]}
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
    assert data.examples("ann") == [Example("p", " t")]
    assert sys.modules["my_clients"].made == []
    assert data.examples("bob") == [Example("q", " u"), Example("r", " v")]
    assert sys.modules["my_clients"].made == ["bob"]


def test_an_object_with_client_ids_and_examples() -> None:
    assert load_plugin("my_clients:dataset").examples("y") == [Example("y:", " 1")]


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ("missing_module:f", "ModuleNotFoundError: No module named 'missing_module'"),
        ("broken_clients:f", "No module named 'nothing_like_this' .*broken_clients.py, line 1"),
        ("my_clients:client", "unknown function 'client'; did you mean 'clients'"),
        ("my_clients:raising", "dataset my_clients:raising: KeyError: 'no such file' .*my_clients.py, line 1"),
        ("my_clients:empty", "has no clients"),
        ("my_clients:wrong", "returned int; expected a mapping"),
        ("my_clients:repeated", "client 'x' is there more than once"),
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
        ("number", "client 'ann', row 1 is .* expected a pair"),
        ("triple", "client 'ann', row 2 is"),
        ("text", "client 'ann', row 1 is 'pt'"),
        ("blank", "client 'ann', row 1 is"),
    ],
)
def test_what_is_no_row(function: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_plugin(f"my_clients:{function}").examples("ann")
