from pathlib import Path

import pytest

from fedsift.configuration.choices_in_data import warning_of_choices
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.data.loading import load_dataset

ROWS = "who,text,label\nann,a,yes\nann,b,no\nbob,c, yes\nbob,d,perhaps\ncy,e,no\ncy,f,yes\n"


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS, encoding="utf-8")
    return str(path)


def warned(table: str, task: str, *choices: str) -> str:
    config = RunConfig(
        dataset=table, client_column="who", prompt="{text}", target="label", task=task, choices=tuple(choices)
    )
    dataset = load_dataset(config)
    return warning_of_choices(config, dataset, dataset.client_ids)


@pytest.mark.parametrize("task", ["language-modelling", "classification"])
def test_who_will_fail_is_said(table: str, task: str) -> None:
    assert warned(table, task, "yes", "no", "perhaps") == ""
    one = warned(table, task, "yes", "no")
    assert one.startswith("1 client of 3 will fail; client 'bob', row 4 of the table: target: unknown choice 'perhaps'")
    two = warned(table, task, "yes", "perhaps")
    assert two.startswith("2 clients of 3 will fail; client 'ann', row 2 of the table: target: unknown choice 'no'")
    with pytest.raises(BadInput, match=r"all clients would fail; client 'ann', row . of the table: target: unknown"):
        warned(table, task, "yess", "perhaps")


def test_texts_without_choices_are_all_fine(table: str) -> None:
    assert warned(table, "language-modelling") == ""


def test_rows_that_a_function_makes_are_left_to_workers(own_code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_code / "failing.py").write_text("def rows():\n    return {'ann': lambda: 1 / 0}\n", encoding="utf-8")
    monkeypatch.chdir(own_code)
    config = RunConfig(dataset="failing:rows", choices=("yes", "no"))
    assert warning_of_choices(config, load_dataset(config), ["ann"]) == ""
