"""Client data: the protocol that every data set follows, and what can be done with any of them."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from fedsift.core.examples import Row, rows_digest


class FederatedDataset(Protocol):
    """What a data set has to have. Rows are made or read when they are asked for, one client at a time."""

    @property
    def client_ids(self) -> Sequence[str]:
        """All clients, in a fixed order."""

    @property
    def held_out(self) -> bool:
        """Whether clients are scored on other rows than they tune on.

        If not, they are the same rows: where the question is what was memorised (TOFU), or until a share of them is
        kept out.
        """

    @property
    def test_only(self) -> Collection[str]:
        """Clients that have no rows to tune on, since all of theirs are for scoring."""

    def train_examples(self, client_id: str) -> Sequence[Row]:
        """The rows that a client tunes on, in a fixed order."""

    def test_examples(self, client_id: str) -> Sequence[Row]:
        """The rows that a client is scored on; none for a client that is not scored."""


def dataset_digest(dataset: FederatedDataset, client_ids: Iterable[str]) -> bytes:
    """SHA-256 over the ids and the contents of some clients, in their order (32 bytes); reads one client at a time."""
    digest = hashlib.sha256()
    for client_id in client_ids:
        uses = dataset.train_examples, dataset.test_examples
        for part in (client_id.encode(), *(rows_digest(rows(client_id)) for rows in uses)):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()
