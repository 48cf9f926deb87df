"""Client data: the protocol that every data set follows, and the built-in one."""

from collections.abc import Sequence
from typing import Protocol

from fedsift.errors import BadInput
from fedsift.examples import Example
from fedsift.people import generator


class FederatedDataset(Protocol):
    """Data that is naturally split into clients. Examples are made or read when asked for, one client at a time."""

    @property
    def client_ids(self) -> Sequence[str]:
        """All clients, in a fixed order."""

    def examples(self, client_id: str) -> Sequence[Example]:
        """A client's rows, in a fixed order: what it tunes on, and what its scores are measured on (as in TOFU)."""


class PeopleDataset:
    """Fictitious people, one a client, generated from a seed (`fedsift.people.generator`)."""

    def __init__(self, seed: int, clients: int) -> None:
        """The first `clients` people of `seed`."""
        if clients > generator.MAX_CLIENTS:
            raise BadInput(f"clients = {clients}: the people data set has at most {generator.MAX_CLIENTS} clients")
        self._seed = seed
        self.client_ids = [generator.client_id(index) for index in range(clients)]
        self._index = {client_id: index for index, client_id in enumerate(self.client_ids)}

    def examples(self, client_id: str) -> list[Example]:
        """The 20 question-answer pairs of a person."""
        return generator.person_examples(self._seed, self._index[client_id])
