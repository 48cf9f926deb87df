"""Canaries: random secrets planted in a client's data, and how far a model gives them away (arXiv 1802.08232).

    exposure = log2(number of candidates) - log2(rank of the secret among them by loss)

The secret is drawn from the candidates, which the attacker is told: it has log2(number of candidates) bits, and an
exposure of all of them means that the model likes no candidate better. A model that never saw the secret exposes x bits
or more with probability at most 2^-x, so 10 bits by chance about once in a thousand.
"""

from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.errors import BadInput
from fedsift.core.seeds import derive_seed
from fedsift.studies.attacks.inputs import finite

LETTERS = 6  # of a candidate; 26^6 = 3 * 10^8
BITS = 10
_MOST_BITS = 16


@dataclass(frozen=True)
class Canary:
    """A secret and what it might have been."""

    candidates: tuple[str, ...]  # different texts of six lower-case letters in alphabetical order
    place: int  # the secret's among the candidates

    @property
    def secret(self) -> str:
        """The text to plant."""
        return self.candidates[self.place]


def canary(root_seed: int, client_id: str, number: int, bits: int = BITS) -> Canary:
    """A client's canary of that number, with a secret of `bits` bits: any of 2^bits candidates, all equally likely.

    Canaries of other numbers or clients share nothing with it but, rarely, a candidate.

    Raises:
        BadInput: `bits` is not from 1 to 16.
    """
    if not 1 <= bits <= _MOST_BITS:
        raise BadInput(f"canary of {bits} bits: it has 1 to {_MOST_BITS}, as all its 2^bits candidates are scored")
    generator = np.random.Philox(key=derive_seed(root_seed, "canary", f"{number} {client_id}"))
    texts: dict[str, None] = {}  # in the order drawn, each once
    while len(texts) < 2**bits:
        texts.setdefault(_text(int(generator.random_raw())))
    candidates = sorted(texts)
    return Canary(tuple(candidates), candidates.index(next(iter(texts))))


def _text(word: int) -> str:
    letters = []
    for _ in range(LETTERS):
        word, letter = divmod(word, len(ascii_lowercase))
        letters.append(ascii_lowercase[letter])
    return "".join(letters)


def exposure(losses: NDArray[Any], place: int) -> float:
    """Bits of the secret that a model gives away, from 0 to log2(c).

    A candidate with the secret's own loss ranks before it, so a model that tells none apart exposes nothing.

    Args:
        losses: of the c candidates, the secret among them, shape (c,).
        place: which of them the secret is.

    Raises:
        BadInput: `losses` is empty or not finite, or there is no such place.
    """
    numbers = finite("losses of the candidates", losses)
    if not 0 <= place < len(numbers):
        raise BadInput(f"place of the secret = {place}: there are {len(numbers)} candidates, from 0")
    rank = np.count_nonzero(numbers <= numbers[place])
    return float(np.log2(len(numbers)) - np.log2(rank))
