r"""Client data from a user's own code: `package.module:function`.

The function takes nothing and returns either a `FederatedDataset`, or a mapping from client id to that client's rows,
or to a function that makes them when they are asked for. A row is a (prompt, target) pair of texts:

    def clients():
        return {"ann": [("Q: sky?\nA:", " blue")], "bob": lambda: read_rows("bob.csv")}
"""

import importlib
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fedsift.errors import BadInput, FedsiftError, unknown_name
from fedsift.examples import Example

Rows = Iterable[tuple[str, str]]


class FunctionDataset:
    """A data set over a mapping from client id to rows, or to a function that makes them."""

    def __init__(self, clients: Mapping[str, Rows | Callable[[], Rows]], name: str = "the data set") -> None:
        """Take over a mapping.

        Args:
            clients: in the order that matters; nothing is made yet.
            name: what errors call it.

        Raises:
            BadInput: there are no clients, or an id is no text.
        """
        for client_id in clients:
            if not isinstance(client_id, str) or not client_id:
                raise BadInput(f"{name}: client id {client_id!r} is no text")
        if not clients:
            raise BadInput(f"{name} has no clients")
        self.client_ids = list(clients)
        self._clients, self._name = clients, name

    def examples(self, client_id: str) -> Sequence[Example]:
        """A client's rows, made now.

        Raises:
            BadInput: making them failed, there are none, or one is no pair of texts; the message names client and row.
        """
        rows = self._clients[client_id]
        with told_as_bad_input(f"{self._name}: client {client_id!r}"):
            made = list(rows() if callable(rows) else rows)
        if not made:
            raise BadInput(f"{self._name}: client {client_id!r} has no rows; a client needs at least one")
        return [self._example(client_id, number, row) for number, row in enumerate(made, start=1)]

    def _example(self, client_id: str, number: int, row: Any) -> Example:
        texts = tuple(row) if isinstance(row, Sequence) and not isinstance(row, str) else ()
        if len(texts) != 2 or not all(isinstance(text, str) and text for text in texts):
            raise BadInput(
                f"{self._name}: client {client_id!r}, row {number} is {str(row)[:60]!r}; expected a pair "
                "(prompt, target) of texts that are not empty"
            )
        return Example(*texts)


def load_plugin(specification: str) -> FunctionDataset:
    """The data set that `package.module:function` makes. Modules are looked for in the current folder, too.

    Raises:
        BadInput: there is no such module or function, it raised, or what it returned is no data set.
    """
    module_name, _, function_name = specification.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    with told_as_bad_input(f"dataset {specification}"):
        module = importlib.import_module(module_name)
    function = getattr(module, function_name, None)
    if not callable(function):
        functions = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise BadInput(f"dataset {specification}: {unknown_name('function', function_name, functions)}")
    with told_as_bad_input(f"dataset {specification}"):
        made = function()
    if isinstance(made, Mapping):
        return FunctionDataset(made, f"dataset {specification}")
    if hasattr(made, "client_ids") and callable(getattr(made, "examples", None)):
        client_ids = list(made.client_ids)
        if repeated := [client_id for client_id, times in Counter(client_ids).items() if times > 1]:
            raise BadInput(f"dataset {specification}: client {repeated[0]!r} is there more than once")
        clients = {client_id: partial(made.examples, client_id) for client_id in client_ids}
        return FunctionDataset(clients, f"dataset {specification}")
    raise BadInput(
        f"dataset {specification} returned {type(made).__name__}; expected a mapping from client id to rows, "
        "or an object with client_ids and examples(client_id)"
    )


@contextmanager
def told_as_bad_input(what: str) -> Iterator[None]:
    """Whatever a user's code raises becomes one line that says what, and where in their code."""
    try:
        yield
    except FedsiftError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise BadInput(
            f"{what}: {type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
        ) from error
