"""Rows that are kept out of training, to score on.

Which ones depends on the root seed, the share, and the client's own rows alone (or a row's own group: see `table.py`),
never on who else takes part. So nobody's training changes when others leave, and clients that bring files of their own
split as a simulation does.
"""

from collections.abc import Sequence

import numpy as np

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.seeds import derive_seed, random_order
from fedsift.core.shares import part_of
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.source import Source
from fedsift.data.table_rows import chosen_rows


def with_held_out_rows(dataset: FederatedDataset, settings: Source) -> FederatedDataset:
    """A data set with `test_share` of its rows kept out; one that brings rows of its own to score on, as it is.

    With a share of 0 all are scored on what they tune on.

    Raises:
        BadInput: it has, and another share is asked for.
    """
    if not dataset.held_out:
        return HeldOutRows(dataset, settings.test_share, settings.seed) if settings.test_share else dataset
    if not settings.test_share:
        return HeldInRows(dataset)
    if settings.test_share != Source.test_share and not settings.group_column:
        raise BadInput(
            f"test-share = {settings.test_share}: dataset {settings.dataset} brings rows of its own for scoring; leave "
            "test-share out"
        )
    return dataset


class HeldInRows:
    """A data set whose clients are scored on what they tune on, whatever rows it brings for that."""

    held_out = False

    def __init__(self, dataset: FederatedDataset) -> None:
        self.client_ids, self.test_only = dataset.client_ids, dataset.test_only
        self.train_examples = self.test_examples = dataset.train_examples


class HeldOutRows:
    """A data set with a share of each client's rows kept out of its training."""

    held_out, test_only = True, ()

    def __init__(self, dataset: FederatedDataset, test_share: float, seed: int) -> None:
        """Keep out the same rows whenever data, share and root seed are the same.

        Args:
            dataset: what it has for scoring is not used.
            test_share: above 0 and below 1. Of n rows, floor(n * test_share) are kept out, but at least one; a client
                with a single row tunes on that, and has none to be scored on.
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
        return self._part(client_id, is_test=False)

    def test_examples(self, client_id: str) -> Sequence[Row]:
        """The rows kept out, in their order."""
        return self._part(client_id, is_test=True)

    def _part(self, client_id: str, is_test: bool) -> Sequence[Row]:
        rows = self._dataset.train_examples(client_id)
        if len(rows) < 2:
            return [] if is_test else rows
        kept_out = max(1, part_of(len(rows), self._test_share))
        order = random_order(derive_seed(self._seed, "test rows", client_id), len(rows))
        return chosen_rows(rows, np.sort(order[:kept_out] if is_test else order[kept_out:]))
