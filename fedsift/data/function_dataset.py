"""Client data made by a function."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from fedsift.core.errors import BadInput, invalid_character, unknown_name
from fedsift.core.examples import Row
from fedsift.core.numbered_rows import HELD_OUT, NumberedRows
from fedsift.core.user_code import errors_as_bad_input

_GIVE = "give a list"


class FunctionDataset:
    """Clients whose rows a function makes."""

    test_only = ()

    def __init__(
        self,
        client_ids: Iterable[str],
        train: Callable[[str], Iterable[Row]],
        test: Callable[[str], Iterable[Row]] | None = None,
        name: str = "the data set",
    ) -> None:
        """Keep the functions; no row is made yet.

        Args:
            client_ids: of all clients, in a fixed order.
            train: makes the rows that a client tunes on: the same rows in the same order at each call.
            test: makes the rows that a client is scored on, none of which it tunes on; there may be none. For None a
                share of the rows is kept out (`test_share`).
            name: what errors call the data set.

        Raises:
            BadInput: there are no clients, their order is not fixed, an id is no text, or is there twice.
        """
        self.held_out = test is not None
        self._train, self._test, self._name = train, test, name
        with errors_as_bad_input(f"{name}: client_ids"):
            given = _in_order(client_ids, f"{name}: client_ids")
        self.client_ids = [self._plain(client_id) for client_id in given]
        if not self.client_ids:
            raise BadInput(f"{name} has no clients")
        client_id, times = Counter(self.client_ids).most_common(1)[0]
        if times > 1:
            raise BadInput(f"{name}: client {client_id!r} is there {times} times; merge its rows under one id")
        self._given = dict(zip(self.client_ids, given, strict=True))

    def _plain(self, client_id: object) -> str:
        """An id without what a subclass of `str` adds, so that what is printed, stored and looked up is one thing."""
        if not isinstance(client_id, str) or not client_id:
            raise BadInput(f"{self._name}: client id {client_id!r} is no text")
        plain = str.__str__(client_id)
        if place := invalid_character(plain):
            what = f"{self._name}: client id {plain!r}"
            raise BadInput(f"{what} is no valid Unicode at character {place}; decode the source as UTF-8")
        return plain

    def train_examples(self, client_id: str) -> Sequence[Row]:
        """A client's rows, made now.

        Raises:
            BadInput: making them failed, or there are none; the message names the client.
        """
        what, rows, kind = self._made(self._train, client_id)
        if not rows:
            once = f"; a {kind.__name__} can be read only once, so make it anew" * issubclass(kind, Iterator)
            raise BadInput(f"{what} has no rows; a client needs at least one{once}")
        return rows

    def test_examples(self, client_id: str) -> Sequence[Row]:
        """The rows that a client is scored on, made now. It raises as `train_examples` does."""
        if self._test is None:
            return self.train_examples(client_id)
        rows = self._made(self._test, client_id)[1]
        return NumberedRows(rows, range(len(rows)), HELD_OUT)

    def _made(self, function: Callable[[str], Iterable[Row]], client_id: str) -> tuple[str, list[Row], type]:
        """What errors call the client, its rows, and the type that the function returned."""
        what = f"{self._name}: client {client_id!r}"
        if client_id not in self._given:
            raise BadInput(f"{self._name}: {unknown_name('client', client_id, self.client_ids)}")
        with errors_as_bad_input(what):
            made = function(self._given[client_id])
            if hasattr(made, "keys"):
                kind = type(made).__name__
                raise BadInput(f"{what}: its rows are a {kind}, of which only the keys would be read; {_GIVE}")
            return what, _in_order(made, f"{what}: its rows"), type(made)


def dataset_of(made: Any, name: str) -> FunctionDataset:
    """The data set that a user's mapping, or object with `client_ids` and `train_examples`, stands for.

    A mapping leads from client id to rows, or to a function that makes them; of an object, `test_examples` is optional,
    and says nothing where the object's `held_out` is false.

    Raises:
        BadInput: it is something else.
    """
    if isinstance(made, Mapping):

        def train(client_id: str) -> Iterable[Row]:
            rows = made[client_id]
            if isinstance(rows, Iterator):
                raise BadInput(
                    f"{name}: client {client_id!r}: its rows are a {type(rows).__name__}, which can be read only once; "
                    "give a list, or a function that makes them"
                )
            made_now: Iterable[Row] = rows() if callable(rows) else rows
            return made_now

        return FunctionDataset(made, train, name=name)
    with errors_as_bad_input(name):
        if hasattr(made, "client_ids") and callable(getattr(made, "train_examples", None)):
            test = getattr(made, "test_examples", None) if getattr(made, "held_out", True) else None
            return FunctionDataset(made.client_ids, made.train_examples, test, name)
    raise BadInput(
        f"{name} is of type {type(made).__name__}; expected a mapping from client id to rows, or an object with "
        "client_ids and train_examples(client_id), such as a TableDataset over a frame"
    )


def _in_order(values: Any, what: str) -> list[Any]:
    """What a user's code gives as many values, in an order that is the same in every process."""
    if isinstance(values, set | frozenset):
        raise BadInput(f"{what} are a {type(values).__name__}, which has another order in each process; {_GIVE}")
    if isinstance(values, str | bytes | bytearray) or not isinstance(values, Iterable):
        raise BadInput(f"{what} are of type {type(values).__name__}; {_GIVE}")
    return list(values)
