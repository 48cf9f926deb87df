"""Rows that came as Python objects, in the file that the Python API keeps them in."""

from pathlib import Path

from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.file_names import ROWS_SUFFIX
from fedsift.data.kind import DataKind
from fedsift.data.source import Source


class Stored(DataKind):
    """The file says it all."""

    form = "a file of rows that fedsift.simulate wrote"
    in_table = True

    def has_form(self, dataset: str) -> bool:
        """By its ending."""
        return dataset.endswith(ROWS_SUFFIX)

    def load(self, settings: Source) -> FederatedDataset:
        """What is in the file."""
        from fedsift.data.stored_rows import StoredRows

        return StoredRows(Path(settings.dataset))
