import pytest
from hypothesis import given, strategies as st

from fedsift.core.rouge import rouge_l

TEXTS = st.lists(st.sampled_from(["a", "b", "C", "d1", "é", "!"]), max_size=8)


@pytest.mark.parametrize(
    ("text", "reference", "score"),
    [
        ("the cat sat", "the cat sat", 1.0),
        ("The CAT, sat!", "the cat sat", 1.0),
        ("police kill the gunman", "police killed the gunman", 0.75),  # The paper's, without its stemmer.
        ("the gunman kill police", "police killed the gunman", 0.5),
        ("a b", "a b c d", 2 * 2 / 6),
        ("sat the cat", "the cat sat", 2 * 2 / 6),
        ("x", "y", 0.0),
        ("", "y", 0.0),
        ("é", "é", 0.0),
    ],
)
def test_by_hand(text: str, reference: str, score: float) -> None:
    assert rouge_l(text, reference) == pytest.approx(score)


def longest_common(first: list[str], second: list[str]) -> int:
    """By trying everything: an oracle."""
    if not first or not second:
        return 0
    if first[-1] == second[-1]:
        return 1 + longest_common(first[:-1], second[:-1])
    return max(longest_common(first[:-1], second), longest_common(first, second[:-1]))


@given(TEXTS, TEXTS)
def test_against_trying_everything(first: list[str], second: list[str]) -> None:
    words = [[each.lower() for each in text if each.isascii() and each.isalnum()] for text in (first, second)]
    common = longest_common(*words)
    expected = 2 * common / sum(map(len, words)) if common else 0
    assert rouge_l(" ".join(first), " ".join(second)) == pytest.approx(expected)
    assert rouge_l(" ".join(second), " ".join(first)) == pytest.approx(expected)
