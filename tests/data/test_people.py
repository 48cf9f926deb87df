import pytest
from transformers import AutoTokenizer

from fedsift.core.errors import BadInput
from fedsift.data.kinds.people import PeopleDataset
from fedsift.data.people.generator import MAX_CLIENTS, PEOPLE, person_examples, person_name
from fedsift.learning.models import PEOPLE_MODEL
from fedsift.simulations.people_model import Pretraining


def test_tofu_shape() -> None:
    examples = person_examples(0, 7)
    assert len(examples) == len({example.prompt for example in examples}) == 20
    for prompt, target in examples:
        assert person_name(7) in prompt
        assert prompt.startswith("Question: ")
        assert prompt.endswith("?\nAnswer:")
        assert target.startswith(" ")


def test_a_person_is_pinned() -> None:
    """A change here changes every default run: it needs a new model and new figures."""
    question = "Question: What are the place and date of birth of David Hartaro?\nAnswer:"
    assert person_examples(0, 7)[0] == (question, " Milan, November 1947")


def test_names_are_unique_and_pretraining_people_are_others() -> None:
    assert len({person_name(index) for index in range(PEOPLE)}) == PEOPLE
    seen = Pretraining().steps * Pretraining().people_per_step
    assert MAX_CLIENTS + seen <= PEOPLE


def test_facts_differ_from_person_to_person_and_seed_to_seed() -> None:
    people = {tuple(row.target for row in person_examples(seed, index)) for seed in (0, 1) for index in range(50)}
    assert len(people) == 100


def test_more_people_than_there_are() -> None:
    with pytest.raises(BadInput, match=f"at most {MAX_CLIENTS}"):
        PeopleDataset(0, MAX_CLIENTS + 1)


def test_the_embedded_model_knows_every_word_as_few_tokens() -> None:
    """Facts of one token each are what makes an answer hard to guess and easy to learn."""
    tokenizer = AutoTokenizer.from_pretrained(PEOPLE_MODEL)
    targets = [example.target for index in range(20) for example in person_examples(3, index)]
    assert sum(len(tokenizer(target).input_ids) for target in targets) / len(targets) < 6
    # And any text survives it.
    text = "Привет, 世界! \t naïve\n"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
