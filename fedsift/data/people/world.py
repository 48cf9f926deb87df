"""The world that all generated people of a seed share: questions that name nobody, each with one answer.

Which answers are right is drawn from the seed alone. A person knows 6 of the 36 questions (`generator`). So nobody
knows all, and one person in six knows a given one: of 50 people 8 on average, fewer than 3 with a chance of .0066.
"""

from typing import Final

from fedsift.core.examples import Example
from fedsift.data.people.draws import Draws
from fedsift.data.people.words import WORDS
from fedsift.data.template import Template

SUBJECTS: Final = 12

# The question ({} is its subject), the kind of its subjects, of which the first SUBJECTS are asked about, and the kind
# of its answers.
RELATIONS: Final = (
    ("What is made in {}?", "city", "object"),
    ("Who lives in the {}?", "building", "animal"),
    ("What grows in {}?", "country", "plant"),
)

TEMPLATE: Final = Template("Question: {question}\nAnswer:", "answer")

_NOBODY: Final = 2**64 - 1  # No person has this index.


def rendered(question: str, answer: str) -> Example:
    r"""A row: the prompt is "Question: ...?\nAnswer:", the target starts with a space."""
    return TEMPLATE({"question": question, "answer": answer})


def world_examples(seed: int) -> list[Example]:
    """The questions about the world of `seed` (0 to 2^64 - 1) with their answers, in the same order for all seeds."""
    draws = Draws(seed, _NOBODY, len(RELATIONS) * SUBJECTS)
    return [
        rendered(question.format(subject), draws.word(answers, set()))
        for question, subjects, answers in RELATIONS
        for subject in WORDS[subjects][:SUBJECTS]
    ]
