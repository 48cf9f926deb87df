"""Kinds of data sets: one file each, no two of which take the same data set."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fedsift
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.data.kinds import KINDS, SOURCE_OPTIONS, kind_of
from fedsift.data.settings import DataSettings

A_KIND_OF_ITS_OWN = """
from fedsift.data.function_dataset import FunctionDataset
from fedsift.data.kind import DataKind


class Constant(DataKind):
    names = ("constant",)
    uses = ("target",)

    def defaults(self, dataset):
        return {"steps": 7, "target": "42"}

    def load(self, settings):
        ids = [f"client {number}" for number in range(settings.clients or 3)]
        return FunctionDataset(ids, lambda client_id: [(f"{client_id}?", settings.target)])
"""
USES_IT = """
from fedsift.configuration.documents import options_page
from fedsift.configuration.run_config import RunConfig
from fedsift.data.loading import load_dataset

config = RunConfig.from_mapping({"dataset": "constant", "clients": 2})
data = load_dataset(config)
print(config.steps, data.client_ids, data.train_examples("client 1"), "constant" in options_page())
"""


@pytest.mark.parametrize(
    ("dataset", "kind"),
    [
        ("people", "People"),
        ("own", "Own"),
        ("tofu", "Paper"),
        ("stackoverflow", "Paper"),
        ("rows.csv", "Table"),
        ("data/rows.jsonl.gz", "Table"),
        ("../rows.parquet", "Table"),
        ("owner/name", "Table"),
        ("owner/name:part", "Table"),
        ("module:function", "Plugin"),
        ("package.module:function", "Plugin"),
    ],
)
def test_one_kind_takes_a_data_set(dataset: str, kind: str) -> None:
    assert type(kind_of(dataset)).__name__ == kind
    assert [type(each).__name__ for each in KINDS if dataset in each.names or each.has_form(dataset)] == [kind]


@pytest.mark.parametrize("dataset", ["poeple", "rows.txt", "rows.parquet.gz", "a/b/c", "module:", "", "two words"])
def test_what_no_kind_takes(dataset: str) -> None:
    with pytest.raises(BadInput, match=r"unknown dataset .* .or give module:function, .*, or a csv"):
        DataSettings(dataset=dataset)


def test_kinds_speak_of_options_that_there_are() -> None:
    keys = RunConfig().to_mapping()
    for kind in KINDS:
        assert {*kind.uses} <= {*SOURCE_OPTIONS}
        assert kind.names or kind.form
        for name in kind.names:
            assert {*kind.defaults(name)} <= {*keys}


@pytest.mark.parametrize("option", SOURCE_OPTIONS)
def test_people_need_no_source(option: str) -> None:
    value = "iid" if option == "partition" else "x"
    with pytest.raises(BadInput, match=f"{option.replace('_', '-')} belongs to .*; dataset people takes none"):
        DataSettings.from_mapping({option.replace("_", "-"): value})


def test_a_further_kind_is_one_file(tmp_path: Path) -> None:
    """In a copy of the package: configuration, loading and documentation find it there."""
    copy = tmp_path / "fedsift"
    shutil.copytree(Path(fedsift.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "data" / "kinds" / "constant.py").write_text(A_KIND_OF_ITS_OWN, encoding="utf-8")
    command = [sys.executable, "-c", USES_IT]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.stdout == "7 ['client 0', 'client 1'] [('client 1?', '42')] True\n", done.stderr
