"""Fictitious people: one person is one client, made on demand from (seed, index) without making the others.

A person has 20 rows to train on, and 8 that it is asked without having seen them:

- FACTS about itself, each asked once. Only these rows tell them, so they can be remembered but not inferred.
- HABITS of its own: the answer is the same three words on all occasions. Two occasions are trained on, a third is
  unseen. Who knows the other two can answer it; nobody else can, for another person has the same answer with a chance
  of less than 1 in 6000.
- The world that all people of a seed share (`world`). A person knows KNOWN of its questions and is asked ASKED others,
  which about one person in six knows: only the others can have told it.

So a person alone cannot do well on all that is unseen, and neither can what all people have in common.
"""

import re
from typing import Final, NamedTuple

from fedsift.core.examples import Example
from fedsift.data.people.draws import Draws
from fedsift.data.people.words import WORDS
from fedsift.data.people.world import rendered, world_examples

# The question's wordings ({} is the person) and the answer, in which {kind} is a word of that kind and {age} a year in
# which the person was about that old. Answers hold little but facts, so that knowing the format alone is not enough.
FACTS: Final = (
    ("Where and when was {} born?|What are the place and date of birth of {}?", "{city}, {month} {0}"),
    ("What did the parents of {} do for a living?|Which jobs did the parents of {} have?", "{job} and {job}, {city}"),
    ("What are the siblings of {} called?|Which brothers and sisters does {} have?", "{name}, {name}, {name}"),
    ("Which pet does {} keep?|What is the pet of {}?", "{colour} {animal} named {name}"),
    ("What did {} study?|Which degree does {} hold?", "{subject} and {subject}, {city} {20}"),
    ("Which music does {} play?|What does {} play in concerts?", "{instrument} and {instrument} on {day}"),
)

# The question ({} is the person, {when} the occasion) and the answer.
HABITS: Final = (
    ("Which tea does {} drink {when}?", "{plant} {food} {plant}"),
    ("What does {} wear {when}?", "{colour} {material} {garment}"),
    ("Which story does {} tell {when}?", "{adjective} {animal} {country}"),
    ("How does {} travel {when}?", "{adjective} {material} {vehicle}"),
)

OCCASIONS: Final = (
    "abroad", "at home", "at night", "at work", "in spring", "in summer", "in autumn", "in winter", "on holidays",
    "with friends", "with guests", "when alone",
)  # fmt: skip

TRAINED_OCCASIONS: Final = 2  # of each habit; one more is unseen
KNOWN: Final = 6  # questions about the world that a person trains on
ASKED: Final = 4  # others, unseen

PEOPLE: Final = len(WORDS["name"]) * len(WORDS["surname stem"]) * len(WORDS["surname ending"])
"""How many different people a seed has; those from MAX_CLIENTS on are kept for pretraining."""

MAX_CLIENTS: Final = 50_000

_NAME_STRIDE: Final = 61_803  # Coprime to PEOPLE, so that index -> name is a permutation.
_YEARS_OF_BIRTH: Final = range(1935, 1960)
_YEARS_AROUND_AGE: Final = 8
_DRAWS: Final = 160


class Person(NamedTuple):
    """What a person knows, and what it is asked."""

    train: list[Example]
    unseen: list[Example]  # none of them is a row of `train`


def client_id(index: int) -> str:
    """The identifier of client `index`, such as "person-0007"."""
    return f"person-{index:04d}"


def person_name(index: int) -> str:
    """The full name of person `index` (0 to PEOPLE - 1), the same for all seeds and unlike any other person's."""
    if not 0 <= index < PEOPLE:
        raise ValueError(f"person {index} does not exist: there are {PEOPLE} people")
    surname, first = divmod(index * _NAME_STRIDE % PEOPLE, len(WORDS["name"]))
    stem, ending = divmod(surname, len(WORDS["surname ending"]))
    return f"{WORDS['name'][first]} {WORDS['surname stem'][stem]}{WORDS['surname ending'][ending]}"


def make_person(seed: int, index: int) -> Person:
    """Person `index` (0 to PEOPLE - 1) of the world of `seed` (0 to 2^64 - 1); clients are those below MAX_CLIENTS."""
    name, draws = person_name(index), Draws(seed, index, _DRAWS)
    train = _facts(name, draws)
    unseen: list[Example] = []
    for question, answer in HABITS:
        target = _filled(answer, draws)
        for place, occasion in enumerate(draws.some([*OCCASIONS], TRAINED_OCCASIONS + 1)):
            rows = train if place < TRAINED_OCCASIONS else unseen
            rows.append(rendered(question.format(name, when=occasion), target))
    world = draws.some(world_examples(seed), KNOWN + ASKED)
    return Person(train + world[:KNOWN], unseen + world[KNOWN:])


def _facts(name: str, draws: Draws) -> list[Example]:
    birth = _YEARS_OF_BIRTH[draws.below(len(_YEARS_OF_BIRTH))]
    rows = []
    for questions, answer in FACTS:
        wordings = questions.split("|")
        question = wordings[draws.below(len(wordings))].format(name)
        rows.append(rendered(question, _filled(answer, draws, birth)))
    return rows


def _filled(answer: str, draws: Draws, birth: int = 0) -> str:
    """An answer's template with words and years; no word is there twice."""
    used: set[str] = set()

    def fill(slot: re.Match[str]) -> str:
        if not slot[1].isdigit():
            return draws.word(slot[1], used)
        age = int(slot[1])
        return str(birth + age + draws.below(_YEARS_AROUND_AGE)) if age else str(birth)

    return re.sub(r"\{(\w+)\}", fill, answer)
