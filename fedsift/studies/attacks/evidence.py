"""What all attacks and metrics go by: what each model knows of the rows of each part, asked once for all of them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from fedsift.core.examples import Row, rows_digest
from fedsift.core.seeds import derive_seed, random_order
from fedsift.core.task_vectors import Vector
from fedsift.studies.attacks.paraphrases import paraphrases
from fedsift.studies.attacks.subjects import Parties, Reference, Subject
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
        self._paraphrases: dict[str, list[str]] = {}
        if self.of_language:
            questioned = {each: rows[each] for part in _QUESTIONED for each in self._clients.get(part, ())}
            outsiders = {each: rows[each] for each in (*parties.strangers, *parties.population)}
            self._wrong = wrong_answers(questioned, outsiders, self.seed)
            self._paraphrases = paraphrases(cache.config, parties.leavers, rows)
        self._known: dict[str, Recall] = {}
        self._of_references: list[tuple[Sequence[Reference], list[Recall]]] = []

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
        questions = [self._questions(part, group) for part, group in groups]
        keys = {
            (state, place): [_key(vector, questions[place]) for vector in served(group[0])]
            for state, served in subject.states.items()
            for place, (_, group) in enumerate(groups)
        }
        missing = {
            key: (*at, number)
            for at, of_models in keys.items()
            for number, key in enumerate(of_models)
            if key not in self._known
        }
        requests = (
            (key, subject.states[state](groups[place][1][0])[number], questions[place])
            for key, (state, place, number) in missing.items()
        )
        self._known |= self._cache.recalled(requests, len(missing))

        def of_part(state: str, part: str) -> Recall:
            places = [place for place, each in enumerate(groups) if each[0] == part]
            return Recall.joined([Recall.mean([self._known[key] for key in keys[state, place]]) for place in places])

        return {state: {part: of_part(state, part) for part in self._clients} for state in subject.states}

    def of_references(self, subject: Subject) -> list[Recall]:
        """Of each reference model: the losses of `asked_rows`. Subjects can have the same ones."""
        for references, known in self._of_references:
            if references is subject.references:
                return known
        asked = self.parties.asked
        groups = [asked] if subject.one_model else [[each] for each in asked]

        def requests() -> Iterator[tuple[str, Vector, Asked]]:
            for number, reference in enumerate(subject.references):
                served = reference.open()
                for place, group in enumerate(groups):
                    for among, vector in enumerate(served(group[0])):
                        yield f"{number} {place} {among}", vector, Asked(self.rows_of(group))

        said: dict[str, dict[int, Recall]] = {}
        for name, recall in self._cache.recalled(requests(), len(subject.references) * len(groups)):
            asked_of, _, among = name.rpartition(" ")
            said.setdefault(asked_of, {})[int(among)] = recall
        means = {name: Recall.mean([each for _, each in sorted(of_models.items())]) for name, of_models in said.items()}
        found = [
            Recall.joined([means[f"{number} {place}"] for place in range(len(groups))])
            for number in range(len(subject.references))
        ]
        self._of_references.append((subject.references, found))
        return found

    @cached_property
    def of_base(self) -> Recall:
        """The losses of `asked_rows` under M0."""
        ((_, found),) = self._cache.recalled([("", None, Asked(self.asked_rows))])
        return found

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
        if part != LEAVERS:
            return Asked(rows, tokens=True, wrong=wrong, says=True)
        reworded = [answer for each in clients for answer in self._paraphrases.get(each, ())]
        return Asked(rows, tokens=True, wrong=wrong, says=True, samples=SAMPLES, paraphrases=reworded)


def _key(vector: Vector, asked: Asked) -> str:
    """What decides an answer."""
    return f"{hashlib.sha256(vector.data).hexdigest()} {rows_digest(asked.rows).hex()} {asked[1:]}"
