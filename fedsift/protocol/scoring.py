"""Who is scored, and in which rounds: scores of many clients, or of many rounds, cost more than they tell."""

from collections.abc import Iterable
from dataclasses import dataclass

from fedsift.core.seeds import derive_seed


@dataclass(frozen=True)
class Scoring:
    """Which rounds end with scores, and of whom."""

    every: int = 1  # in each round whose number is a multiple of it; 0 for in none
    clients: int = 0  # how many of those who take part, and of newcomers as many; 0 for all
    always: frozenset[str] = frozenset()  # who is scored besides

    def is_due(self, server_round: int) -> bool:
        """Whether a round ends with scores."""
        return bool(self.every) and server_round % self.every == 0

    def chosen(self, seed: int, clients: Iterable[str]) -> set[str]:
        """Who of some clients is scored: the first by a hash, so that it does not depend on who came when."""
        if not self.clients:
            return set(clients)
        ranked = sorted(clients, key=lambda client_id: derive_seed(seed, "scored", client_id))
        return {*ranked[: self.clients], *self.always.intersection(ranked)}


ALL, NEVER = Scoring(), Scoring(every=0)
