import pytest

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.learning.tasks.text import fit, gap_of, target_tokens, without_middle


class Bytes:
    """A tokenizer of one token a character."""

    eos_token_id = 0

    def __call__(self, text: str, add_special_tokens: bool = True) -> "Bytes":
        self.input_ids = [*map(ord, text)]
        return self


@pytest.mark.parametrize(
    ("prompt", "target", "kept"),
    [
        (3, 4, (3, 4)),
        (3, 7, (3, 5)),  # a long target loses its end
        (9, 2, (6, 2)),  # a long prompt what does not fit beside the target
        (9, 9, (4, 4)),  # of two long ones each keeps half
        (3, 100, (3, 5)),
    ],
)
def test_what_fits_in_eight_tokens(prompt: int, target: int, kept: tuple[int, int]) -> None:
    ids, target_ids = fit([*range(prompt)], [*range(100, 100 + target)], 8)
    assert (len(ids), len(target_ids)) == kept
    assert target_ids == [*range(100, 100 + kept[1])]
    assert (ids[0], ids[-1]) == (0, prompt - 1)


def test_the_middle_goes() -> None:
    assert without_middle([1, 2, 3, 4, 5, 6, 7], 5) == [1, 2, 3, 6, 7]
    assert without_middle([1, 2, 3], 1) == [1]
    assert without_middle([1, 2, 3], 3) == [1, 2, 3]


def test_a_target_may_be_closed_but_not_empty() -> None:
    assert target_tokens(Bytes(), "ab", closed=True) == [97, 98, 0]
    assert target_tokens(Bytes(), "ab", closed=False) == [97, 98]
    with pytest.raises(BadInput, match="has no tokens"):
        target_tokens(Bytes(), "", closed=True)


def test_the_gap_before_a_target() -> None:
    assert gap_of(Example("p", "  two")) == "  "
    assert gap_of(Example("p\n", "none")) == ""
