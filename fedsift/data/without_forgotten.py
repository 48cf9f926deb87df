"""A data set without the rows that its clients asked to have forgotten.

They are taken out once all rows are split: no other row moves from scoring to training, or back.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.forgotten_rows import ForgottenRows, row_digest
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.table_rows import chosen_rows


class WithoutForgotten:
    """What `FederatedDataset` says of the rows that are left."""

    def __init__(self, dataset: FederatedDataset, file: Path) -> None:
        """The file is that of a `ForgottenRows`.

        Raises:
            BadInput: there is none, or it is damaged.
        """
        if not file.exists():
            raise BadInput(f"forgotten-rows: there is no {file}; without it rows that were forgotten would return")
        self.client_ids, self.held_out, self.test_only = dataset.client_ids, dataset.held_out, dataset.test_only
        self._dataset, self._forgotten = dataset, ForgottenRows.read(file)

    def train_examples(self, client_id: str) -> Sequence[Row]:
        """What is left to tune on."""
        return _without(self._dataset.train_examples(client_id), self._forgotten.left_out(client_id))

    def test_examples(self, client_id: str) -> Sequence[Row]:
        """What is left to be scored on."""
        return _without(self._dataset.test_examples(client_id), self._forgotten.left_out(client_id))

    def merged_examples(self, client_id: str) -> Sequence[Row]:
        """What it tuned on before it asked for what it asks for now."""
        return _without(self._dataset.train_examples(client_id), self._forgotten.left_out_before(client_id))


def _without(rows: Sequence[Row], digests: frozenset[str]) -> Sequence[Row]:
    if not digests:
        return rows
    kept = [place for place, row in enumerate(rows) if row_digest(row) not in digests]
    return chosen_rows(rows, np.array(kept, np.intp))
