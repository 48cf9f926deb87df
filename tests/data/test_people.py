import json
import math
import re
import subprocess
import sys
from collections import Counter

import pytest
from transformers import AutoTokenizer

from fedsift.core.errors import BadInput
from fedsift.core.seeds import derive_seed
from fedsift.data.kinds.people import PeopleDataset
from fedsift.data.people.generator import (
    FACTS,
    HABITS,
    KNOWN,
    MAX_CLIENTS,
    PEOPLE,
    make_person,
    person_name,
)
from fedsift.data.people.words import WORDS
from fedsift.data.people.world import world_examples
from fedsift.learning.model_location import PEOPLE_MODEL
from fedsift.simulations.people_model import Pretraining, every_row, rows_of_steps

SEEDS = range(3)


def test_shape() -> None:
    train, unseen = make_person(0, 7)
    assert (len(train), len(unseen)) == (20, 8)
    assert len({row.prompt for row in train + unseen}) == 28
    for place, (prompt, target) in enumerate(train):
        assert (person_name(7) in prompt) == (place < len(FACTS) + 2 * len(HABITS))
        assert prompt.startswith("Question: ")
        assert prompt.endswith("?\nAnswer:")
        assert target.startswith(" ")


def test_a_person_is_pinned() -> None:
    """A change here changes every default run: it needs a new model and new figures."""
    train, unseen = make_person(0, 7)
    birth = "Question: What are the place and date of birth of David Hartaro?\nAnswer:"
    assert train[0] == (birth, " Milan, November 1947")
    assert train[-1] == ("Question: Who lives in the castle?\nAnswer:", " swan")
    assert unseen[0] == ("Question: Which tea does David Hartaro drink with guests?\nAnswer:", " sage bacon oak")
    assert unseen[-1] == ("Question: What is made in Boston?\nAnswer:", " maps")


def test_the_first_answer_is_the_birth() -> None:
    """Groups of people are told by it (`fedsift.studies.optout.groups`)."""
    assert all(re.fullmatch(r" \w+, \w+ 19\d\d", make_person(0, index).train[0].target) for index in range(100))


def test_a_person_is_made_without_the_others() -> None:
    """A process that makes but one has the same rows as one that makes many, and in another order."""
    program = (
        "import json; from fedsift.data.people.generator import make_person; print(json.dumps(make_person(11, 3456)))"
    )
    alone = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    people = {index: make_person(11, index) for index in (9, 3457, 3456, 0)}
    assert json.loads(alone) == json.loads(json.dumps(people[3456]))


def test_no_unseen_row_is_trained_on() -> None:
    for seed in SEEDS:
        for index in range(300):
            train, unseen = make_person(seed, index)
            assert not {row.prompt for row in train} & {row.prompt for row in unseen}


def test_unseen_habits_follow_from_the_persons_own_rows() -> None:
    """Of each habit, two rows are trained on and one is not; they differ in the occasion alone."""
    for index in range(100):
        train, unseen = make_person(5, index)
        own = [row for row in unseen if person_name(index) in row.prompt]
        assert len(own) == len(HABITS)
        for row, (question, _) in zip(own, HABITS, strict=True):
            beginning = "Question: " + question.format(person_name(index), when="")
            same = [each for each in train if each.prompt.startswith(beginning[:-1])]
            assert [each.target for each in same] == [row.target] * 2


def test_hardly_anybody_else_has_the_same_habit() -> None:
    """The chance that is documented, and what it comes to among 500 people: nobody but one gives most answers."""
    for _, answer in HABITS:
        kinds = re.findall(r"\{(\w+)\}", answer)
        used = Counter[str]()
        choices = 1
        for kind in kinds:
            choices *= len(WORDS[kind]) - used[kind]
            used[kind] += 1
        assert choices > 6000
    people = [[row.target for row in make_person(1, index).unseen[: len(HABITS)]] for index in range(500)]
    for answers in zip(*people, strict=True):
        shared = sum(count for count in Counter(answers).values() if count > 1)
        # A given one of the 499 others has it with less than 1 in 6000 (words of two kinds aside): about 42 expected.
        assert shared < 42 + 4 * math.sqrt(2 * 42)


def test_what_is_unseen_of_the_world_is_known_to_several_of_50() -> None:
    """Of 50 people, 50/6 know a question on average; fewer than three do with a chance of .0066, none with .0001."""
    counts: list[int] = []
    for seed in SEEDS:
        people = [make_person(seed, index) for index in range(500)]
        for first in range(0, 500, 50):
            group = people[first : first + 50]
            knowing = Counter(row for person in group for row in person.train[-KNOWN:])
            asked = {row for person in group for row in person.unseen[len(HABITS) :]}
            assert asked <= set(world_examples(seed))
            counts += [knowing[row] for row in asked]
    assert len(counts) > 1000
    assert min(counts) > 0
    assert max(counts) < 25  # nor is any known to all
    assert sum(count < 3 for count in counts) < 0.02 * len(counts)


def test_everything_about_the_world_is_the_seeds() -> None:
    """Same questions, other answers; all of a seed agree."""
    worlds = {seed: dict(world_examples(seed)) for seed in SEEDS}
    assert all(list(world) == list(worlds[0]) for world in worlds.values())
    for index in range(50):
        train, unseen = make_person(1, index)
        for prompt, target in train[-KNOWN:] + unseen[len(HABITS) :]:
            assert worlds[1][prompt] == target
    same = sum(worlds[0][prompt] == worlds[1][prompt] for prompt in worlds[0])
    assert same < len(worlds[0]) / 4  # by chance 1 in 20 or so


def test_pretraining_shares_neither_people_nor_a_world_with_a_run() -> None:
    assert len({person_name(index) for index in range(PEOPLE)}) == PEOPLE
    settings = Pretraining()
    assert MAX_CLIENTS + settings.steps * settings.people_per_step <= PEOPLE
    tokenizer_and_steps = {(settings.seed + each) % 2**64 for each in range(MAX_CLIENTS + settings.tokenizer_people)}
    assert not tokenizer_and_steps & {derive_seed(root, "people") for root in range(1000)}
    worlds = [dict(rows) for _, rows in zip(range(20), rows_of_steps(settings), strict=False)]
    prompts = [prompt for prompt, _ in world_examples(0)]
    for prompt in prompts:  # No answer is more than common among the worlds that pretraining sees.
        answers = Counter(world[prompt] for world in worlds if prompt in world)
        assert max(answers.values()) <= 6
    names = {person_name(index) for index in range(1000)}
    rows = [row for step in range(3) for row in every_row(settings, step, MAX_CLIENTS + step)]
    assert not any(name in prompt for prompt, _ in rows for name in names)


def test_facts_differ_from_person_to_person_and_seed_to_seed() -> None:
    people = {tuple(make_person(seed, index).train) for seed in (0, 1) for index in range(50)}
    assert len(people) == 100


def test_the_data_set_trains_on_what_is_known_and_tests_on_what_is_unseen() -> None:
    dataset = PeopleDataset(4, 3)
    assert (dataset.train_examples("person-0002"), dataset.test_examples("person-0002")) == make_person(4, 2)


def test_more_people_than_there_are() -> None:
    with pytest.raises(BadInput, match=f"at most {MAX_CLIENTS}"):
        PeopleDataset(0, MAX_CLIENTS + 1)


def test_the_embedded_model_knows_every_word_as_few_tokens() -> None:
    """Facts of one token each are what makes an answer hard to guess and easy to learn."""
    tokenizer = AutoTokenizer.from_pretrained(PEOPLE_MODEL)
    targets = [row.target for index in range(20) for row in make_person(3, index).train]
    assert sum(len(tokenizer(target).input_ids) for target in targets) / len(targets) < 4
    assert {len(tokenizer(answer).input_ids) for _, answer in world_examples(3)} == {1}
    # And any text survives it.
    text = "Привет, 世界! \t naïve\n"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
