"""Wrong answers to put beside a row's own, where the data have none: what others answered to questions like it.

Of the rows of clients that never joined, which no state has seen, those come first whose prompts share the most words
with the row's (by Jaccard's index), so that a birthday stands beside birthdays; among equals the root seed decides. A
client's own rows are left out, as are answers that are the row's own.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fedsift.core.examples import Row, answer_of, as_conversation, rows_digest
from fedsift.core.seeds import derive_seed

MOST = 5  # wrong answers of a row, as in TOFU


class _Known(NamedTuple):
    """A question and what was answered."""

    client_id: str
    words: frozenset[str]
    answer: str


def wrong_answers(
    rows: Mapping[str, Sequence[Row]], others: Mapping[str, Sequence[Row]], root_seed: int
) -> dict[str, list[list[str]]]:
    """Client -> for each of its rows as many different wrong answers, the most alike questions' first.

    Args:
        rows: by client.
        others: those of clients that never joined, to take answers from.
        root_seed: of the order among equals.

    Returns:
        5 answers a row; fewer, or none, where some row has so few.
    """
    known = [_known(each, row) for each, held in sorted(others.items()) for row in held]
    found = {each: [_ranked(_known(each, row), known, row, root_seed) for row in held] for each, held in rows.items()}
    number = min([MOST, *(len(answers) for of_client in found.values() for answers in of_client)])
    return {each: [answers[:number] for answers in of_client] for each, of_client in found.items()}


def _known(client_id: str, row: Row) -> _Known:
    words = (word for turn in as_conversation(row)[:-1] for word in turn["content"].split())
    return _Known(client_id, frozenset(words), answer_of(row))


def _ranked(own: _Known, known: Sequence[_Known], row: Row, root_seed: int) -> list[str]:
    alike: dict[str, float] = {}
    for each in known:
        if each.client_id != own.client_id and each.answer != own.answer:
            share = len(own.words & each.words) / max(1, len(own.words | each.words))
            alike[each.answer] = max(alike.get(each.answer, 0.0), share)
    digest = rows_digest([row]).hex()
    drawn = {answer: derive_seed(root_seed, "wrong answers", f"{digest} {answer}") for answer in alike}
    return sorted(alike, key=lambda answer: (-alike[answer], drawn[answer]))
