"""Client data: the protocol that every data set follows, and what can be done with any of them."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row, rows_digest
from fedsift.core.seeds import derive_seed, random_order


class FederatedDataset(Protocol):
    """Data split into clients. Rows are made or read when they are asked for, one client at a time."""

    @property
    def client_ids(self) -> Sequence[str]:
        """All clients, in a fixed order."""

    def train_examples(self, client_id: str) -> Sequence[Row]:
        """What a client tunes on, in a fixed order."""

    def test_examples(self, client_id: str) -> Sequence[Row]:
        """What a client's scores are measured on; the same rows where the question is what was memorised (TOFU)."""


def dataset_digest(dataset: FederatedDataset, client_ids: Iterable[str]) -> bytes:
    """SHA-256 over the ids and the contents of some clients, in their order (32 bytes); reads one client at a time."""
    digest = hashlib.sha256()
    for client_id in client_ids:
        uses = dataset.train_examples, dataset.test_examples
        for part in (client_id.encode(), *(rows_digest(rows(client_id)) for rows in uses)):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()


class HeldOutRows:
    """A data set with a share of each client's training rows kept out of its training, for testing."""

    def __init__(self, dataset: FederatedDataset, test_share: float, seed: int) -> None:
        """Keep out the same rows whenever data, share and root seed are the same.

        Args:
            dataset: what it has for testing is not used.
            test_share: above 0 and below 1. Of n rows, floor(n * test_share) are kept out, but at least one, and at
                least one stays; a client with a single row is tested on that.
            seed: the root seed.

        Raises:
            BadInput: a share out of range.
        """
        if not 0 < test_share < 1:
            raise BadInput(f"test-share = {test_share}: it is a share of each client's rows, above 0 and below 1")
        self.client_ids = dataset.client_ids
        self._dataset, self._test_share, self._seed = dataset, test_share, seed

    def train_examples(self, client_id: str) -> Sequence[Row]:
        """The rows that stay, in their order."""
        return self._parts(client_id)[0]

    def test_examples(self, client_id: str) -> Sequence[Row]:
        """The rows kept out, in their order."""
        return self._parts(client_id)[1]

    def _parts(self, client_id: str) -> tuple[Sequence[Row], Sequence[Row]]:
        rows = self._dataset.train_examples(client_id)
        if len(rows) < 2:
            return rows, rows
        kept_out = min(max(1, int(len(rows) * self._test_share)), len(rows) - 1)
        order = random_order(derive_seed(self._seed, "test rows", client_id), len(rows))
        test = set(order[:kept_out].tolist())
        return [row for i, row in enumerate(rows) if i not in test], [row for i, row in enumerate(rows) if i in test]
