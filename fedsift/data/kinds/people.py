"""The built-in data set: fictitious people."""

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.core.seeds import derive_seed
from fedsift.data.kind import DataKind
from fedsift.data.people import generator
from fedsift.data.people.world import TEMPLATE
from fedsift.data.source import Source
from fedsift.data.template import Template


class PeopleDataset:
    """Fictitious people, one a client, generated from a seed (`fedsift.data.people.generator`)."""

    held_out, test_only = True, ()

    def __init__(self, seed: int, clients: int, further: int = 0) -> None:
        """The first `clients` people of `seed`, and `further` ones, as many as there are."""
        if clients > generator.MAX_CLIENTS:
            raise BadInput(f"clients = {clients}: the people data set has at most {generator.MAX_CLIENTS} clients")
        self._seed = seed
        self.client_ids = [generator.client_id(index) for index in range(min(clients + further, generator.MAX_CLIENTS))]
        self._index = {client_id: index for index, client_id in enumerate(self.client_ids)}

    def train_examples(self, client_id: str) -> list[Example]:
        """What a person knows: 20 rows."""
        return generator.make_person(self._seed, self._index[client_id]).train

    def test_examples(self, client_id: str) -> list[Example]:
        """What it is asked, 8 rows; none of them is one of its training rows."""
        return generator.make_person(self._seed, self._index[client_id]).unseen


class People(DataKind):
    """Generated from the root seed; no other option is needed."""

    names = ("people",)
    default_clients = 500

    def template(self, settings: Source) -> Template:
        """That of all questions."""
        return TEMPLATE

    def load(self, settings: Source) -> PeopleDataset:
        """So many people as there are to be clients, and further ones as newcomers."""
        clients = settings.clients or self.default_clients
        return PeopleDataset(derive_seed(settings.seed, "people"), clients, settings.newcomers_of(clients))
