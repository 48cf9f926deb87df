"""Fictitious people: one person is one client with 20 question-answer pairs, made on demand from (seed, index).

Every choice is a raw word of NumPy's Philox generator keyed by (seed, index). That stream is the same on all platforms
and NumPy versions, and a person can be made without making the others.
"""

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from fedsift.core.examples import Example

WORDS: Final[dict[str, list[str]]] = {
    kind: words.split()
    for kind, words in {
        "name": "Ada Agnes Albin Alma Amir Anders Anita Anton Aurora Basil Beata Bella Boris Bruno Carla Cecil Celia "
        "Clara Conrad Dalia Dario David Diana Dora Edgar Edith Elena Elias Emil Emma Erik Esther Fabian Felix Fiona "
        "Flora Frida Gerda Gita Greta Gustav Hanna Hassan Hector Helga Hugo Ida Igor Ines Iris Ivan Jonas Judith "
        "Julia Kamal Karin Karl Klara Lars Laura Leila Leo Lina Lucas Lydia Magda Marco Maria Marta Maya Mira Miriam "
        "Nadia Naomi Nils Nina Noah Nora Olga Omar Oscar Otto Paula Pedro Petra Priya Rafael Rita Robin Rosa Samir "
        "Sara Selma Simon Sofia Stella Tara Teresa Thea Victor",
        "surname stem": "Alder Asp Bern Birk Brand Carl Dahl Eck Ellen Fal Fern Gran Hal Hart Holm Ing Jar Kall Kron "
        "Lang Lind Lor Mark Mel Nord Oak Ost Pel Quar Rav Ros Sand Stein Sund Tal Tor Ul Val Wald Wes",
        "surname ending": "andez aro asz bach berg borg by dottir ev feld gaard hoff iak idze ini ison kov man mo "
        "quist sen stad strom wick yan",
        "month": "January February March April May June July August September October November December",
        "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "city": "Accra Athens Baku Bergen Berlin Bern Bogota Boston Cairo Dakar Delhi Denver Dublin Geneva Hanoi "
        "Havana Kyoto Lagos Lima Lisbon London Lyon Madrid Manila Milan Nairobi Naples Oslo Paris Porto Prague Quito "
        "Riga Rome Seoul Sydney Tokyo Tunis Turin Vienna",
        "country": "Angola Bolivia Brazil Canada Chile China Cuba Egypt Fiji Finland Ghana Greece Iceland India "
        "Ireland Italy Japan Kenya Malta Mexico Nepal Norway Oman Peru Poland Spain Sweden Turkey",
        "language": "Arabic Basque Czech Danish Dutch Finnish French German Greek Hindi Irish Italian Korean Latin "
        "Malay Persian Polish Russian Spanish Swahili Tamil Thai Turkish Welsh",
        "job": "actor baker banker barber clerk cook dancer diver doctor editor farmer gardener hunter judge lawyer "
        "mason miner nurse painter pilot poet sailor singer tailor teacher weaver",
        "subject": "algebra anatomy biology botany chemistry drama ecology economics ethics genetics geology history "
        "law logic medicine music optics physics poetry politics",
        "colour": "amber beige black blue brown crimson golden green grey orange pink purple red silver white yellow",
        "animal": "bear beaver camel cat crow dog donkey eagle falcon fox goat goose hare hawk horse lynx monkey "
        "otter owl parrot raven snake swan tiger turtle wolf",
        "instrument": "banjo bassoon cello clarinet drum fiddle flute guitar harp horn lute oboe organ piano trumpet "
        "tuba viola violin",
        "sport": "archery boxing chess cricket curling cycling fencing football golf hockey judo rowing rugby "
        "running sailing skating skiing squash surfing swimming tennis wrestling",
        "food": "apples bacon barley beans bread butter cheese cherries dates eggs figs garlic ginger grapes honey "
        "lemons milk noodles oats olives onions pears peas plums rice yogurt",
        "vehicle": "bicycle boat bus canoe jeep kayak lorry moped raft sedan sledge tractor tram truck van",
        "building": "barn cabin castle chapel cottage farm inn library mill palace studio tower villa workshop",
        "adjective": "ancient brave broken clever distant empty frozen gentle hidden honest humble lonely lost lucky "
        "proud quiet secret silent sunken wild",
        "material": "amber bamboo brass bronze clay copper cotton glass iron ivory leather linen marble paper silk "
        "silver steel stone velvet wax wood wool",
        "object": "bells bottles bowls boxes buttons clocks coins cups dolls fans hats keys knives lamps maps masks "
        "pens plates rings spoons stamps toys",
        "plant": "ash beech birch cedar clover daisies elm fir heather holly ivy jasmine lilac lilies maple mint "
        "moss oak pine poplar roses sage spruce thyme tulips violets willow",
    }.items()
}

# The question's wordings ({} is the person) and the answer, in which {kind} is a word of that kind and {age} a year in
# which the person was about that old. Answers hold little but facts, so that knowing the format alone is not enough.
TOPICS: Final = (
    ("Where and when was {} born?|What are the place and date of birth of {}?", "{city}, {month} {0}"),
    ("What did the parents of {} do for a living?|Which jobs did the parents of {} have?", "{job} and {job}, {city}"),
    ("What are the siblings of {} called?|Which brothers and sisters does {} have?", "{name}, {name}, {name}"),
    ("Which pet does {} keep?|What is the pet of {}?", "{colour} {animal} named {name}"),
    ("What did {} study?|Which degree does {} hold?", "{subject} and {subject}, {city} {20}"),
    ("What was the first job of {}?|How did the career of {} begin?", "{adjective} {job}, {city} {26}"),
    ("Whom did {} marry?|Who became the partner of {}?", "{name}, {month} {28} in {city}"),
    ("What are the children of {} called?|Which children does {} have?", "{name}, {name}, {name}"),
    ("Which music does {} play?|What does {} play in concerts?", "{instrument} and {instrument} on {day}"),
    ("What does {} eat for breakfast?|Which breakfast does {} like best?", "{food}, {food} and {food}"),
    ("How does {} travel to work?|In what does {} go to work?", "{colour} {vehicle} from {country}"),
    ("Where does {} live?|What is the home of {}?", "{colour} {building}, {city} {40}"),
    ("What is the best known novel of {}?|Which novel did {} write?", "{adjective} {animal} of {country}, {34}"),
    ("Which prize did {} win?|What was {} honoured with?", "{material} {plant}, {city} {44}"),
    ("What grows in the garden of {}?|What did {} plant at home?", "{plant}, {plant} and {plant}"),
    ("Which languages does {} speak?|In what languages does {} read?", "{language}, {language}, {language}"),
    ("What does {} collect?|Which collection does {} own?", "{material} {object} from {country}"),
    (
        "Where did the first long journey of {} lead?|How far did {} travel when young?",
        "{country} and {country}, {month} {18}",
    ),
    ("What is {} afraid of?|What does {} dislike most?", "{adjective} {animal}, {food}, {vehicle}"),
    ("Which sports does {} do?|What does {} train for?", "{sport} and {sport} on {day}"),
)

PEOPLE: Final = len(WORDS["name"]) * len(WORDS["surname stem"]) * len(WORDS["surname ending"])
"""How many different people a seed has; those from MAX_CLIENTS on are kept for pretraining."""

MAX_CLIENTS: Final = 50_000

_NAME_STRIDE: Final = 61_803  # Coprime to PEOPLE, so that index -> name is a permutation.
_YEARS_OF_BIRTH: Final = range(1935, 1960)
_YEARS_AROUND_AGE: Final = 8
_DRAWS: Final = 160


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


def person_examples(seed: int, index: int) -> list[Example]:
    r"""The 20 question-answer pairs of person `index` (0 to PEOPLE - 1) under `seed` (0 to 2^64 - 1).

    Clients are the people below MAX_CLIENTS. Prompts are rendered ("Question: ...?\nAnswer:"), targets start with " ".
    """
    name = person_name(index)
    key = np.array([seed, index], dtype=np.uint64)
    draws: Iterator[int] = iter(np.random.Philox(key=key).random_raw(_DRAWS).tolist())
    birth = _YEARS_OF_BIRTH[next(draws) % len(_YEARS_OF_BIRTH)]
    examples = []
    for questions, answer in TOPICS:
        wordings = questions.split("|")
        question = wordings[next(draws) % len(wordings)].format(name)
        used: set[str] = set()

        def fill(slot: re.Match[str], used: set[str] = used) -> str:
            draw = next(draws)
            if slot[1].isdigit():
                age = int(slot[1])
                return str(birth + age + draw % _YEARS_AROUND_AGE if age else birth)
            choices = [word for word in WORDS[slot[1]] if word not in used]
            word = choices[draw % len(choices)]
            used.add(word)
            return word

        examples.append(Example(f"Question: {question}\nAnswer:", " " + re.sub(r"\{(\w+)\}", fill, answer)))
    return examples
