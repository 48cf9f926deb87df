"""RegMean: linear layers merged by regression, from sums of Grams (Jin et al. 2023, arXiv 2212.09849).

A client tunes, then sends the Gram matrix G of the inputs of each `nn.Linear`, on its own rows under its tuned model,
and its task vector with D replaced by D G there (`fedsift.core.regression`). Both are summed in integers, units of
2^-40, so a leaver trains again and is subtracted, to the bit. Entries off a Gram's diagonal are multiplied by .9, as
the reference does (`bloomberg/dataless-model-merging`). Other layers (GPT-2's Conv1D among them), biases and norms are
averaged.

The price is the upload: d (d + 1) / 2 numbers for each linear layer beside the n of a task vector; for a transformer
whose inner layers are four times as wide about as many again, 7 bytes a parameter together. And Grams tell of the rows:
their rank is at most the number of positions.
"""

import hashlib
from collections.abc import Iterator, Set

from fedsift.core.errors import Refused
from fedsift.core.fixed_point import FixedPointSum
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.regression import Regression, merged_regression
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, Recipient
from fedsift.protocol.method import ONE, models
from fedsift.strategies.families.merged_fine_tunings import MergedFineTunings, Merger


class RegressionSums(Merger):
    """Sums of the members' products and Grams: 8 bytes an entry."""

    def __init__(self, layout: ParameterLayout) -> None:
        """No members."""
        self._layout = layout
        self._products, self._grams = FixedPointSum(layout.size), dict[str, FixedPointSum]()
        super().__init__(self._products.units)

    def add(self, sent: Regression) -> None:  # type: ignore[override]
        """Merge what a member sent."""
        self._products.add(sent.products)
        for name, gram in sent.grams.items():
            self._grams.setdefault(name, FixedPointSum(len(gram))).add(gram)
        self.members += 1

    def subtract(self, sent: Regression) -> None:  # type: ignore[override]
        """Remove a member, to the bits of the sums that never had it.

        Raises:
            Refused: it cannot be a member's.
        """
        if not sent.grams.keys() <= self._grams.keys():
            raise Refused("the sums have no Grams of some of these layers")
        self._products.subtract(sent.products)
        for name, gram in sent.grams.items():
            self._grams[name].subtract(gram)
        self.members -= 1

    def merged(self) -> Vector:
        """The solution, shape (n,): what everybody is served."""
        grams = {name: each.mean(self.members) for name, each in self._grams.items()}
        return merged_regression(self._products.mean(self.members), grams, self._layout)

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) over the number of members and all sums that are not zero."""
        state = hashlib.sha256(super().digest())
        for name, each in sorted(self._grams.items()):
            if each.units.any():
                state.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(each.units.tobytes()).digest())
        return state.digest()


class RegMean(MergedFineTunings[RegressionSums]):
    """Everybody is served the one solution."""

    name, title, paper, place = "regmean", "RegMean", "Jin et al. 2023, arXiv 2212.09849", 13
    exact, cost, storage = True, ONE, models(2, "about 2 M")
    uploads = ("task vector", "Grams of linear layers")
    subtracts = True

    def new_merger(self, _size: int) -> RegressionSums:
        """Sums of products and Grams."""
        return RegressionSums(self.layout)

    def answers(self, clients: Clients, ids: Set[str]) -> Iterator[tuple[str, Regression, int]]:
        """Products and Grams of each client."""
        return ((client_id, sent, sent.steps) for client_id, sent in clients.regressions(ids))

    def shared(self) -> dict[str, Vector]:
        """The solution."""
        return {"merged": self.merger.merged()}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The solution."""
        return [recipient.shared["merged"]]
