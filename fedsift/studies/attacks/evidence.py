"""What all attacks and metrics go by: what each model knows of the rows of each part, asked once for all of them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fedsift.core.examples import Row, rows_digest
from fedsift.core.seeds import derive_seed, random_order
from fedsift.core.task_vectors import Vector
from fedsift.studies.attacks.subjects import Parties, Served, Subject
from fedsift.studies.attacks.wrong_answers import wrong_answers
from fedsift.studies.recall import Asked, Recall
from fedsift.studies.training_cache import TrainingCache

SAMPLES = 8  # texts drawn after each prompt of a leaver
BITS = 4  # of the rounded weights
# The parts that rows play. Newcomers are the first strangers, `STRANGERS` the others, so that `EXAMPLES` and population
# together are those of `Parties.asked`, in their order.
LEAVERS, STAYERS, NEWCOMERS, STRANGERS, POPULATION = "leavers", "stayers", "newcomers", "strangers", "population"
ROUNDED = "leavers, weights rounded"
EXAMPLES = (LEAVERS, NEWCOMERS, STRANGERS)
_QUESTIONED = (LEAVERS, STAYERS, NEWCOMERS)  # beyond the scores of their own answers


class Evidence:
    """Asks models. Those with the same weights are one model, whoever serves them: each is asked once.

    Stayers and newcomers are as many as there are leavers, the stayers drawn from the root seed.

    Attributes:
        parties: of the attack.
        rows: of all parties.
        seed: the root seed.
        of_language: whether answers are free texts.
    """

    def __init__(self, cache: TrainingCache, parties: Parties, rows: Mapping[str, Sequence[Row]]) -> None:
        """Ask nothing yet.

        Args:
            cache: its workers ask.
            parties: of the attack.
            rows: of members, strangers and population.
        """
        self.parties, self.rows, self._cache = parties, rows, cache
        self.of_language = cache.config.model_settings.has_free_answers
        self.seed, number = cache.config.seed, len(parties.leavers)
        order = random_order(derive_seed(self.seed, "attack stayers"), len(parties.stayers))
        parts = {
            LEAVERS: parties.leavers,
            STAYERS: [parties.stayers[place] for place in sorted(order[:number])],
            NEWCOMERS: parties.strangers[:number],
            STRANGERS: parties.strangers[number:],
            POPULATION: parties.population,
            ROUNDED: parties.leavers,
        }
        self._clients = {part: list(clients) for part, clients in parts.items() if clients}
        self._wrong: dict[str, list[list[str]]] = {}
        if self.of_language:
            questioned = {each: rows[each] for part in _QUESTIONED for each in self._clients.get(part, ())}
            outsiders = {each: rows[each] for each in (*parties.strangers, *parties.population)}
            self._wrong = wrong_answers(questioned, outsiders, self.seed)
        self._known: dict[str, Recall] = {}

    @property
    def asked_rows(self) -> list[Row]:
        """Those of leavers, strangers and population, in that order."""
        return self.rows_of(self.parties.asked)

    def rows_of(self, clients: Sequence[str]) -> list[Row]:
        """All rows of some clients, one after the other."""
        return [row for each in clients for row in self.rows[each]]

    def of_states(self, subject: Subject) -> dict[str, dict[str, Recall]]:
        """State -> part -> all that is to be known; parts that nobody plays are left out."""
        groups = [(part, group) for part in self._clients for group in self._groups(subject, part)]
        found = self._found(
            (
                (f"{state} {place}", served(group[0]), self._questions(part, group))
                for state, served in subject.states.items()
                for place, (part, group) in enumerate(groups)
            ),
            len(subject.states) * len(groups),
        )

        def of_part(state: str, part: str) -> Recall:
            return Recall.joined([found[f"{state} {place}"] for place, each in enumerate(groups) if each[0] == part])

        return {state: {part: of_part(state, part) for part in self._clients} for state in subject.states}

    def of_references(self, subject: Subject) -> list[Recall]:
        """Of each reference model: the losses of `asked_rows`."""
        asked = self.parties.asked
        groups = [asked] if subject.one_model else [[each] for each in asked]

        def requests() -> Iterator[tuple[str, Vector, Asked]]:
            for number, reference in enumerate(subject.references):
                served: Served = reference.open()
                for place, group in enumerate(groups):
                    yield f"{number} {place}", served(group[0]), Asked(self.rows_of(group))

        found = self._found(requests(), len(subject.references) * len(groups))
        everything = range(len(groups))
        return [Recall.joined([found[f"{n} {place}"] for place in everything]) for n in range(len(subject.references))]

    def of_base(self) -> Recall:
        """The losses of `asked_rows` under M0."""
        return self._found([("", None, Asked(self.asked_rows))], 1)[""]

    def _groups(self, subject: Subject, part: str) -> list[list[str]]:
        """Clients of a part that are served the same model."""
        clients = self._clients[part]
        return [clients] if subject.one_model else [[each] for each in clients]

    def _questions(self, part: str, clients: Sequence[str]) -> Asked:
        rows = self.rows_of(clients)
        if part == ROUNDED:
            return Asked(rows, bits=BITS)
        if part not in _QUESTIONED or not self.of_language:
            return Asked(rows, tokens=self.of_language)
        wrong = [answers for each in clients for answers in self._wrong[each]]
        return Asked(rows, tokens=True, wrong=wrong, says=True, samples=SAMPLES if part == LEAVERS else 0)

    def _found(self, requests: Iterable[tuple[str, Vector | None, Asked]], total: int) -> dict[str, Recall]:
        keys: dict[str, str] = {}

        def missing() -> Iterator[tuple[str, Vector | None, Asked]]:
            running = set()
            for name, vector, asked in requests:
                key = keys[name] = _key(vector, asked)
                if key not in self._known and key not in running:
                    running.add(key)
                    yield key, vector, asked

        self._known |= self._cache.recalled(missing(), total)
        return {name: self._known[key] for name, key in keys.items()}


def _key(vector: Vector | None, asked: Asked) -> str:
    """What decides an answer."""
    weights = "" if vector is None else hashlib.sha256(vector.data).hexdigest()
    return f"{weights} {rows_digest(asked.rows).hex()} {asked[1:]}"
