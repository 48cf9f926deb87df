"""What a membership attack is: scores from what an attacker sees, by which members are to be told from others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsift.learning.token_scores import TokenScores
from fedsift.studies.attacks.inputs import Numbers


@dataclass(frozen=True)
class Models:
    """What a model under attack, or a reference model, says of examples and of a population that no model has seen."""

    losses: Numbers  # shape (e,), or (r, e) of reference models
    population_losses: Numbers  # shape (z,), or (r, z)

    @property
    def confidences(self) -> Numbers:
        """Of the examples."""
        return confidence(self.losses)

    @property
    def population(self) -> Numbers:
        """Confidences of the population."""
        return confidence(self.population_losses)


@dataclass(frozen=True)
class Target(Models):
    """The model under attack, and what is known of the examples besides.

    Attributes:
        base_losses: of M0, which was tuned on nobody, shape (e,).
        language: of a language model; None for other tasks.
    """

    base_losses: Numbers
    language: "Language | None" = None

    @property
    def tokens(self) -> TokenScores:
        """Of the examples' answers; for attacks that need tokens."""
        assert self.language is not None
        return self.language.tokens

    @property
    def compressed_bytes(self) -> Numbers:
        """What zlib makes of each example's answer, shape (e,); for attacks that need tokens."""
        assert self.language is not None
        return self.language.compressed_bytes


class Language(NamedTuple):
    """Of each example's answer."""

    tokens: TokenScores
    compressed_bytes: Numbers  # in zlib's format, shape (e,)


@dataclass(frozen=True)
class References(Models):
    """Models of the attacker's own, on random halves of the clients."""

    seen: NDArray[np.bool_]  # which model's training had which example, shape (r, e)


@dataclass(frozen=True)
class MembershipAttack:
    """A membership attack; a file of `membership` each, which is found by itself.

    Attributes:
        name: in the result.
        title: for people.
        scores: from the target and the reference models, one an example, shape (e,); higher is more likely a member.
        needs_references: whether there have to be reference models; else they may be missing.
        needs_tokens: whether the target has to be a language model.
    """

    name: str
    title: str
    scores: Callable[[Target, References], Numbers]
    needs_references: bool = True
    needs_tokens: bool = False


def confidence(losses: NDArray[np.float64]) -> Numbers:
    """exp(-loss), above 0 and up to 1 whatever the loss; of language modelling the answer probability."""
    return np.clip(np.exp(-losses), np.finfo(np.float64).tiny, 1.0)
