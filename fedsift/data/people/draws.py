"""What is drawn for the generated people: raw words of NumPy's Philox, the same on all platforms and NumPy versions."""

from typing import TypeVar

import numpy as np

from fedsift.data.people.words import WORDS

T = TypeVar("T")


class Draws:
    """A stream of draws, which belongs to (seed, index) alone."""

    def __init__(self, seed: int, index: int, size: int) -> None:
        """At most `size` draws under `seed` (0 to 2^64 - 1), for `index` (likewise)."""
        key = np.array([seed, index], dtype=np.uint64)
        self._words: list[int] = np.random.Philox(key=key).random_raw(size).tolist()[::-1]

    def below(self, bound: int) -> int:
        """A whole number from 0 on."""
        return self._words.pop() % bound

    def some(self, choices: list[T], count: int) -> list[T]:
        """`count` different ones of them, in a random order."""
        left = list(choices)
        return [left.pop(self.below(len(left))) for _ in range(count)]

    def word(self, kind: str, used: set[str]) -> str:
        """A word of a kind that is not `used`; it is from now on."""
        [word] = self.some([word for word in WORDS[kind] if word not in used], 1)
        used.add(word)
        return word
