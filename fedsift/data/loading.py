"""From settings to clients' data."""

import hashlib
from pathlib import Path

from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.held_out import with_held_out_rows
from fedsift.data.kinds import kind_of
from fedsift.data.settings import DataSettings
from fedsift.data.without_forgotten import WithoutForgotten


def load_dataset(settings: DataSettings) -> FederatedDataset:
    """The data set that the settings name, with rows to score on, and without those that are forgotten."""
    dataset = with_held_out_rows(kind_of(settings.dataset).load(settings), settings)
    return WithoutForgotten(dataset, Path(settings.forgotten_rows)) if settings.forgotten_rows else dataset


def data_files_digest(settings: DataSettings) -> str:
    """SHA-256 of the files that the data are read from, in hexadecimal; empty for data of another kind."""
    files = [name for name in (settings.dataset, settings.data_file) if name and Path(name).is_file()]
    digests = []
    for name in files:
        with Path(name).open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return " ".join(digests)
