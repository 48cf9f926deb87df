"""Whatever `dataset=` is, clients have the same rows as from the file that has them."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import pyarrow as pa
import pytest
import torch

from fedsift import BadInput, Example, FederatedDataset, FunctionDataset, RunConfig
from fedsift.api.settings import settings_in
from fedsift.data.federated_dataset import dataset_digest
from fedsift.data.loading import load_dataset
from tests.api import rows_of_tests

COLUMNS = {"client_column": "who", "prompt": "Q: {question}\nA:", "target": "answer"}
RENDERED = {client_id: [Example(*row) for row in rows] for client_id, rows in rows_of_tests.clients().items()}


class Partitions:
    """As a partitioner of Flower Datasets is, which makes its partitions when it is asked for their number."""

    def __init__(self, rows: datasets.Dataset, ids: dict[int, str] | None = None) -> None:
        self.rows, self.ids = rows, ids
        if ids is not None:
            self.partition_id_to_natural_id: dict[int, str] = {}

    @property
    def num_partitions(self) -> int:
        if self.ids is not None:
            self.partition_id_to_natural_id = self.ids
        return 8

    def load_partition(self, partition_id: int) -> datasets.Dataset:
        return self.rows.filter(lambda row: row["who"] == f"client {partition_id}")


class Federated:
    """As a `FederatedDataset` of Flower Datasets is."""

    def __init__(self, **partitioners: Partitions) -> None:
        self.partitioners = partitioners

    def load_partition(self, partition_id: int, split: str | None = None) -> datasets.Dataset:
        return self.partitioners[split or "train"].load_partition(partition_id)


Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def rows(table_file: Path) -> Rows:
    return [json.loads(line) for line in table_file.read_text(encoding="utf-8").splitlines()]


def loaded(dataset: Any, folder: Path, **options: Any) -> FederatedDataset:
    with settings_in(folder / "run", None, {"dataset": dataset, **options}) as (_, config):
        return load_dataset(config)


def digest(dataset: FederatedDataset) -> bytes:
    return dataset_digest(dataset, dataset.client_ids)


NATURAL_IDS = {number: f"client {number}" for number in range(8)}
SOURCES: dict[str, Callable[[Rows], Any]] = {
    "frame": pandas.DataFrame,
    "hugging face": datasets.Dataset.from_list,
    "arrow": pa.Table.from_pylist,
    "partitioner": lambda rows: Partitions(datasets.Dataset.from_list(rows), NATURAL_IDS),
    "federated": lambda rows: Federated(train=Partitions(datasets.Dataset.from_list(rows), NATURAL_IDS)),
    "mapping": lambda _: RENDERED,
    "lazy mapping": lambda _: {each: lambda each=each: list(map(tuple, RENDERED[each])) for each in RENDERED},
    "object": lambda _: FunctionDataset(RENDERED, RENDERED.__getitem__),
    "function": lambda _: rows_of_tests.clients,
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_rows_are_those_of_the_file(rows: Rows, tiny_config: RunConfig, tmp_path: Path, source: str) -> None:
    options = dict(COLUMNS) if source in ("frame", "hugging face", "arrow") else {}
    if source in ("partitioner", "federated"):
        options = {name: COLUMNS[name] for name in ("prompt", "target")}
    given = loaded(SOURCES[source](rows), tmp_path, **options)
    assert list(given.client_ids) == list(RENDERED)
    assert digest(given) == digest(load_dataset(tiny_config))


def test_partitions_without_names_are_numbered(rows: Rows, tmp_path: Path) -> None:
    partitions = Partitions(datasets.Dataset.from_list(rows).rename_column("answer", "client"))
    given = loaded(partitions, tmp_path, prompt="Q: {question}\nA:", target="client", test_share=0)
    assert list(given.client_ids) == [f"client-{number:04d}" for number in range(8)]
    assert given.train_examples("client-0003") == RENDERED["client 3"]


def test_a_table_is_split_as_on_the_command_line(rows: Rows, tmp_path: Path) -> None:
    options = {"prompt": "{question}", "target": "answer", "partition": "dirichlet", "alpha": 0.3, "clients": 4}
    frame = pandas.DataFrame(rows)
    frame.to_parquet(tmp_path / "rows.parquet")
    from_file = loaded(tmp_path / "rows.parquet", tmp_path, **options)
    assert digest(loaded(frame, tmp_path / "in memory", **options)) == digest(from_file)


def test_options_of_a_configuration_count(rows: Rows, tiny_config: RunConfig, tmp_path: Path) -> None:
    with settings_in(tmp_path / "run", tiny_config, {"dataset": pandas.DataFrame(rows), "lr": 0.5}) as (_, config):
        assert config == dataclasses.replace(tiny_config, dataset=str(tmp_path / "run" / "data.parquet"), lr=0.5)


def test_rows_of_a_task_of_ones_own(tmp_path: Path) -> None:
    signals = {"ann": [(np.arange(6, dtype=np.float32).reshape(2, 3), 1)]}
    ((signal, number),) = loaded(signals, tmp_path).train_examples("ann")
    assert (signal.dtype, signal.tolist(), number) == (np.float32, [[0, 1, 2], [3, 4, 5]], 1)


@pytest.mark.parametrize(
    ("dataset", "options", "told"),
    [
        (5, {}, "dataset is of type int; expected a mapping from client id to rows"),
        ({"ann": [torch.zeros(1)]}, {}, "client 'ann', row 1 holds tensor.*module:function"),
        ({"ann": iter("ab")}, {}, "can be read only once"),
        ({}, {}, "dataset has no clients"),
        (pandas.DataFrame({"q": ["a"]}), {}, "a table needs prompt and target"),
        (pandas.DataFrame({"q": ["a"]}), {"prompt": "{p}", "target": "q"}, "prompt: unknown column 'p'.* in dataset"),
        (pandas.DataFrame({"q": ["a"], "t": ["b"]}), {"prompt": "{q}", "target": "t"}, "client-column"),
        (datasets.DatasetDict(train=datasets.Dataset.from_list([{"q": 1}])), {}, r"such as dataset\['train'\]"),
        (Federated(one=None, two=None), {}, r"several partitioners; .* dataset.partitioners\['one'\]"),
        (Partitions(None), {"prompt": "{q}", "target": "t", "client_column": "c"}, "partitions of dataset are its cl"),
        (lambda: {"ann": ["row"]}, {}, "cannot be imported by workers"),
        ("people", {"batchsize": 3}, "unknown option 'batchsize'; did you mean 'batch_size'"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, dataset: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        loaded(dataset, tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="the folder is not empty"):
        loaded(RENDERED, tmp_path)
    assert [each.name for each in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_flower_datasets_itself(rows: Rows, tiny_config: RunConfig, tmp_path: Path) -> None:
    """Where it is installed, which fedsift does not ask for."""
    partitioners = pytest.importorskip("flwr_datasets.partitioner")
    partitioner = partitioners.NaturalIdPartitioner("who")
    partitioner.dataset = datasets.Dataset.from_list(rows)
    given = loaded(partitioner, tmp_path, prompt="Q: {question}\nA:", target="answer")
    assert digest(given) == digest(load_dataset(tiny_config))
