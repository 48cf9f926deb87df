"""Client data made by a function."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from fedsift.data.examples import Row
from fedsift.errors import BadInput
from fedsift.user_code import told_as_bad_input


class FunctionDataset:
    """A data set over a function from client id to that client's rows."""

    def __init__(
        self,
        client_ids: Iterable[str],
        train: Callable[[str], Iterable[Row]],
        test: Callable[[str], Iterable[Row]] | None = None,
        name: str = "the data set",
    ) -> None:
        """Take over the functions; nothing is made yet.

        Args:
            client_ids: in the order that matters.
            train: makes the rows that a client tunes on, the same ones in the same order at each call.
            test: makes the rows that its scores are measured on; `train` for None.
            name: what errors call the data set.

        Raises:
            BadInput: there are no clients, or an id is no text or is there twice.
        """
        self.client_ids = list(client_ids)
        if not self.client_ids:
            raise BadInput(f"{name} has no clients")
        for client_id in self.client_ids:
            if not isinstance(client_id, str) or not client_id:
                raise BadInput(f"{name}: client id {client_id!r} is no text")
        client_id, times = Counter(self.client_ids).most_common(1)[0]
        if times > 1:
            raise BadInput(f"{name}: client {client_id!r} is there {times} times; merge its rows under one id")
        self._train, self._test, self._name = train, test or train, name

    def train_examples(self, client_id: str) -> Sequence[Row]:
        """A client's rows, made now.

        Raises:
            BadInput: making them failed, or there are none; the message names the client.
        """
        return self._made(self._train, client_id)

    def test_examples(self, client_id: str) -> Sequence[Row]:
        """The rows that a client is scored on, made now; raises as `train_examples` does."""
        return self._made(self._test, client_id)

    def _made(self, function: Callable[[str], Iterable[Row]], client_id: str) -> list[Row]:
        with told_as_bad_input(f"{self._name}: client {client_id!r}"):
            rows = list(function(client_id))
        if not rows:
            raise BadInput(f"{self._name}: client {client_id!r} has no rows; a client needs at least one")
        return rows
