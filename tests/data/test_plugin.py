import sys
from pathlib import Path

import pytest

from fedsift.core.errors import BadInput
from fedsift.data.kinds.plugin import load_plugin

MODULE = """
import sys
from collections.abc import Mapping
from enum import Enum

import pandas

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

ROWS = [("p", " t"), ("q", " u")]

class With:
    def __init__(self, client_ids): self.client_ids = client_ids
    def train_examples(self, client_id): return ROWS

class Raises(With):
    @property
    def client_ids(self): raise RuntimeError("boom")
    @client_ids.setter
    def client_ids(self, value): pass

class Method(With):
    def __init__(self): pass
    def client_ids(self): return ["ann"]

class Halfway(Mapping):
    def __iter__(self):
        yield "ann"
        raise ValueError("halfway")
    def __len__(self): return 2
    def __getitem__(self, client_id): return ROWS

class Name(str):
    def __str__(self): return "somebody else"
    __repr__ = __str__
    def __eq__(self, other): return False
    __hash__ = str.__hash__

class Who(str, Enum):
    ANN = "ann"

used_up = iter(ROWS)

def ids_none(): return With(None)
def ids_text(): return With("ann")
def ids_set(): return With({"ann", "bob"})
def ids_number(): return With(3)
def ids_raise(): return Raises(())
def ids_method(): return Method()
def ids_halfway(): return Halfway()
def ids_lone_surrogate(): return {"ann": ROWS, "b\\ud800": ROWS}
def ids_exit(): return With(sys.exit(3) for _ in range(2))
def one_name_twice(): return With(["ann", Name("ann")])
def ids_of_subclasses(): return {Name("bob"): ROWS, Who.ANN: ROWS}
def object_with_ids_of_subclasses(): return With([Name("bob"), Who.ANN])
def exits(): sys.exit()

def rows_none(): return {"ann": None}
def rows_text(): return {"ann": "p"}
def rows_bytes(): return {"ann": lambda: b"p"}
def rows_mapping(): return {"ann": {"p": " t"}}
def rows_frame(): return {"ann": pandas.DataFrame({"p": ["x"], "t": ["y"]})}
def rows_set(): return {"ann": set(ROWS)}
def rows_frozenset(): return {"ann": lambda: frozenset(ROWS)}
def rows_iterator(): return {"ann": iter(ROWS)}
def rows_generator(): return {"ann": (row for row in ROWS)}
def rows_used_up(): return {"ann": lambda: used_up}
def rows_exit(): return {"ann": lambda: sys.exit(0)}
def rows_made_anew(): return {"ann": lambda: (row for row in ROWS)}
"""

BROKEN = {
    "broken_clients": b"import nothing_like_this",
    "no_python": b"def (",
    "null_byte": b"x = 1\0",
    "not_decoded": b'x = "\xff"',
    "imports_no_python": b"import no_python",
    "leaves_at_once": b"import sys; sys.exit(0)",
    "no_package": b"import no_package.part",
}


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_clients.py").write_text(MODULE, encoding="utf-8")
    for name, code in BROKEN.items():
        (tmp_path / f"{name}.py").write_bytes(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("my_clients", *BROKEN):
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
        ("missing_module:f", r"ModuleNotFoundError: No module named 'missing_module' \(looked for in the current"),
        ("missing_module.part:f", r"ModuleNotFoundError: No module named 'missing_module' \(looked for in the current"),
        ("no_python:f", r"SyntaxError: invalid syntax \(no_python.py, line 1\)$"),
        ("imports_no_python:f", r"SyntaxError: invalid syntax \(no_python.py, line 1\)$"),
        ("null_byte:f", "SyntaxError: source code string cannot contain null bytes$"),
        ("not_decoded:f", r"SyntaxError: .*invalid start byte \(not_decoded.py, line 1\)$"),
        ("no_package:f", r"No module named 'no_package.part'; .* \(no_package.py, line 1\)$"),
        ("leaves_at_once:f", r"dataset leaves_at_once:f: SystemExit: 0 \(leaves_at_once.py, line 1\)$"),
        ("my_clients:exits", r"dataset my_clients:exits: SystemExit \(my_clients.py, line \d+\)$"),
        ("my_clients:ids_exit", r"client_ids: SystemExit: 3 \(my_clients.py, line \d+\)$"),
        ("my_clients:ids_none", "client_ids are of type NoneType; give a list"),
        ("my_clients:ids_text", "client_ids are of type str; give a list"),
        ("my_clients:ids_number", "client_ids are of type int; give a list"),
        ("my_clients:ids_method", "client_ids are of type method; give a list"),
        ("my_clients:ids_set", "client_ids are a set, which has another order in each process; give a list"),
        ("my_clients:ids_raise", r"RuntimeError: boom \(my_clients.py, line \d+\)"),
        ("my_clients:ids_halfway", r"client_ids: ValueError: halfway \(my_clients.py, line \d+\)"),
        ("my_clients:ids_lone_surrogate", r"client id 'b\\ud800' is no valid Unicode at character 2; decode the"),
        ("my_clients:one_name_twice", "client 'ann' is there 2 times"),
        ("broken_clients:f", "No module named 'nothing_like_this' .*broken_clients.py, line 1"),
        ("my_clients:client", "unknown function 'client'; did you mean 'clients'"),
        ("my_clients:raising", "dataset my_clients:raising: KeyError: 'no such file' .*my_clients.py, line \\d+"),
        ("my_clients:empty", "has no clients"),
        ("my_clients:wrong", "is of type int; expected a mapping"),
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
        ("rows_none", "client 'ann': its rows are of type NoneType; give a list"),
        ("rows_text", "client 'ann': its rows are of type str; give a list"),
        ("rows_bytes", "client 'ann': its rows are of type bytes; give a list"),
        ("rows_mapping", "client 'ann': its rows are a dict, of which only the keys would be read; give a list"),
        ("rows_frame", "client 'ann': its rows are a DataFrame, of which only the keys would be read; give a list"),
        ("rows_set", "client 'ann': its rows are a set, which has another order in each process; give a list"),
        ("rows_frozenset", "client 'ann': its rows are a frozenset, which has another order in each process"),
        ("rows_iterator", "its rows are a list_iterator, which can be read only once; give a list, or a function that"),
        ("rows_generator", "its rows are a generator, which can be read only once; give a list, or a function that"),
        ("rows_exit", r"client 'ann': SystemExit: 0 \(my_clients.py, line"),
    ],
)
def test_rows_that_cannot_be_made(function: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_plugin(f"my_clients:{function}").train_examples("ann")


def test_rows_that_are_used_up() -> None:
    """What a function makes may be a generator, but not the same one again."""
    anew, used_up = load_plugin("my_clients:rows_made_anew"), load_plugin("my_clients:rows_used_up")
    assert anew.train_examples("ann") == anew.train_examples("ann") == used_up.train_examples("ann")
    with pytest.raises(BadInput, match=r"'ann' has no rows; .*; a list_iterator can be read only once, so make it"):
        used_up.train_examples("ann")


@pytest.mark.parametrize("function", ["ids_of_subclasses", "object_with_ids_of_subclasses"])
def test_ids_are_plain_texts(function: str) -> None:
    data = load_plugin(f"my_clients:{function}")
    assert [(type(each), f"{each} {each!r}") for each in data.client_ids] == [(str, "bob 'bob'"), (str, "ann 'ann'")]
    for client_id in ("bob", "ann"):
        assert data.train_examples(client_id) == [("p", " t"), ("q", " u")]
    with pytest.raises(BadInput, match="unknown client 'an'; did you mean 'ann'"):
        data.train_examples("an")
