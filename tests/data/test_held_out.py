"""Rows kept out of training: how many, whose, and that nobody is scored on a row that somebody tuned on."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.numbered_rows import row_name
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.function_dataset import FunctionDataset
from fedsift.data.held_out import HeldOutRows, with_held_out_rows
from fedsift.data.kinds.own import dataset_of_client
from fedsift.data.loading import load_dataset
from fedsift.data.settings import DataSettings
from fedsift.data.table import TableDataset, split_by_column, test_rows as rows_of_test_groups
from fedsift.data.template import Template

SHARES = st.integers(1, 99).map(lambda hundredths: hundredths / 100)
# Whose row it is, and its group; the row itself is its number.
ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("uvwxyz")), min_size=1, max_size=40)


def numbered(rows: int) -> FunctionDataset:
    return FunctionDataset(["a", "b"], lambda client_id: [(f"{client_id}{row}", " t") for row in range(rows)])


@given(rows=st.integers(2, 40), share=SHARES, seed=st.integers(0, 100))
def test_kept_out_rows_are_not_trained_on(rows: int, share: float, seed: int) -> None:
    data = HeldOutRows(numbered(rows), share, seed)
    train, test = data.train_examples("a"), data.test_examples("a")
    assert sorted([*train, *test]) == sorted(numbered(rows).train_examples("a"))
    assert len(test) == max(1, rows * round(share * 100) // 100)
    again = HeldOutRows(numbered(rows), share, seed)
    assert (again.train_examples("a"), again.test_examples("a")) == (train, test)


def test_a_share_is_the_number_that_was_written() -> None:
    """29% of 100 rows are 29, though 100 * 0.29 is 28.999999999999996."""
    assert len(HeldOutRows(numbered(100), 0.29, 0).test_examples("a")) == 29


def test_errors_name_a_row_by_where_it_was_given() -> None:
    """Of a table by its number there, of other data among all of a client's; rows brought to score on say so."""
    table = pa.table({"who": ["b", *"aaaa"], "q": list("01234"), "a": list("01234")})
    plain = [(str(place), " t") for place in range(4)]
    for data, form in (
        (TableDataset(table, split_by_column(table, "who"), Template("{q}", "a")), "row {} of the table"),
        (FunctionDataset(["a"], lambda _: plain), "row {}"),
    ):
        kept = HeldOutRows(data, 0.5, 3)
        for rows in (kept.train_examples("a"), kept.test_examples("a")):
            assert len(rows) == 2
            assert [row_name(rows, place) for place in (0, 1)] == [form.format(int(row[0]) + 1) for row in rows]
            assert row_name(rows[1:], 0) == row_name(rows, 1)
    brought = FunctionDataset(["a"], lambda _: plain, lambda _: plain)
    assert row_name(brought.train_examples("a"), 2) == "row 3"
    assert row_name(brought.test_examples("a"), 2) == "held-out row 3"


def test_clients_keep_out_different_rows() -> None:
    data = HeldOutRows(numbered(40), 0.5, 1)
    places = [{prompt[1:] for prompt, _ in data.test_examples(client_id)} for client_id in ("a", "b")]
    assert places[0] != places[1]


def test_a_single_row_is_trained_on_and_not_tested_on() -> None:
    data = HeldOutRows(numbered(1), 0.5, 1)
    assert (data.train_examples("a"), data.test_examples("a")) == ([("a0", " t")], [])
    with pytest.raises(BadInput, match="test-share = 1"):
        HeldOutRows(numbered(1), 1.0, 1)


def grouped(rows: Iterable[tuple[str, str]], share: float = 0.25, seed: int = 0) -> TableDataset:
    clients, groups = zip(*rows, strict=True)
    numbers = [str(number) for number in range(len(clients))]
    table = pa.table({"who": clients, "thread": groups, "q": numbers, "a": numbers})
    settings = DataSettings(
        dataset="t.csv",
        client_column="who",
        prompt="{q}",
        target="a",
        group_column="thread",
        test_share=share,
        seed=seed,
    )
    test = rows_of_test_groups(table, settings)
    return TableDataset(table, split_by_column(table, "who"), Template("{q}", "a"), test)


def numbers_of(data: FederatedDataset) -> dict[str, tuple[list[int], list[int]]]:
    """Each client's rows to tune on, and to be scored on, by number."""
    return {
        client_id: tuple([int(row[0]) for row in rows(client_id)] for rows in (data.train_examples, data.test_examples))
        for client_id in data.client_ids
    }


@given(rows=ROWS, share=SHARES, seed=st.integers(0, 5))
def test_no_group_is_on_both_sides_whoever_has_it(rows: list[tuple[str, str]], share: float, seed: int) -> None:
    data = grouped(rows, share, seed)
    found = numbers_of(data)
    train, test = ([number for parts in found.values() for number in parts[side]] for side in (0, 1))
    assert sorted([*train, *test]) == list(range(len(rows)))
    assert not {rows[number][1] for number in train} & {rows[number][1] for number in test}
    assert set(data.test_only) == {client_id for client_id, (tuned_on, _) in found.items() if not tuned_on}


@given(rows=ROWS, leaver=st.sampled_from("abcd"))
def test_who_leaves_changes_nobodys_split(rows: list[tuple[str, str]], leaver: str) -> None:
    """Rows keep their side when others' rows are gone: what is served after a removal never saw them differently."""
    stay = [number for number, row in enumerate(rows) if row[0] != leaver]
    if not stay:
        return
    before, after = numbers_of(grouped(rows)), numbers_of(grouped([rows[number] for number in stay]))
    for client_id, parts in after.items():
        assert tuple([stay[number] for number in side] for side in parts) == before[client_id]


def test_about_a_share_of_the_groups_is_drawn() -> None:
    test = rows_of_test_groups(
        pa.table({"thread": [f"thread {number}" for number in range(4000)]}),
        DataSettings(dataset="t.csv", client_column="w", prompt="{q}", target="a", group_column="thread"),
    )
    assert test is not None
    assert abs(test.mean() - 0.25) < 4 * np.sqrt(float(Fraction(3, 16)) / 4000)


TABLE = "who,thread,q,a\nann,1,p,x\nann,2,q,y\nbob,1,r,x\nbob,3,s,y\ncem,3,t,x\n"


def settings_of(folder: Path, **options: object) -> RunConfig:
    file = folder / "rows.csv"
    file.write_text(TABLE, encoding="utf-8")
    given = {"dataset": str(file), "client-column": "who", "prompt": "{q}:", "target": "a", **options}
    return RunConfig.from_mapping(given)


@pytest.mark.parametrize("group_column", ["", "thread"])
def test_a_deployed_client_splits_its_file_as_a_simulation_does(tmp_path: Path, group_column: str) -> None:
    shared = load_dataset(settings_of(tmp_path, **{"group-column": group_column, "test-share": 0.5}))
    for client_id in shared.client_ids:
        own_file = tmp_path / f"{client_id}.csv"
        lines = TABLE.splitlines()
        own_file.write_text("\n".join([lines[0], *(line for line in lines if line.startswith(client_id))]))
        settings = RunConfig(dataset="own", prompt="{q}:", target="a", group_column=group_column, test_share=0.5)
        own = dataset_of_client(settings, str(own_file), client_id)
        assert own.held_out
        assert own.train_examples(client_id) == shared.train_examples(client_id)
        assert own.test_examples(client_id) == shared.test_examples(client_id)
        assert set(own.test_only) == set(shared.test_only) & {client_id}


def test_groups_need_rows_to_keep_and_a_column(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"group-column says which rows are kept for scoring together; with test-share"):
        settings_of(tmp_path, **{"group-column": "thread", "test-share": 0})
    with pytest.raises(BadInput, match=r"group-column: unknown column 'tread'; did you mean 'thread'"):
        load_dataset(settings_of(tmp_path, **{"group-column": "tread"}))
    with pytest.raises(BadInput, match=r"group-column belongs to .*; dataset people takes none"):
        RunConfig(group_column="thread")
    with pytest.raises(BadInput, match="its rows have no columns; group-column belongs to files"):
        dataset_of_client(
            RunConfig(dataset="own", prompt="{q}", target="a", group_column="thread"), "module:function", "ann"
        )
    (tmp_path / "gap.csv").write_text("who,thread,q,a\nann,,p,x\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"row 1.*thread"):
        load_dataset(settings_of(tmp_path, dataset=str(tmp_path / "gap.csv"), **{"group-column": "thread"}))


def test_rows_of_its_own_are_kept() -> None:
    """A data set that brings rows to be scored on is not split again; another share is a mistake; 0 is held-in."""
    own = FunctionDataset(["a"], lambda _: [("p", " t")] * 4, lambda _: [("new", " t")])
    kept = with_held_out_rows(own, DataSettings())
    assert (len(kept.train_examples("a")), kept.test_examples("a")) == (4, [("new", " t")])
    held_in = with_held_out_rows(own, DataSettings(test_share=0.0))
    assert held_in.train_examples("a") == held_in.test_examples("a") == [("p", " t")] * 4
    with pytest.raises(BadInput, match="brings rows of its own for scoring; leave test-share out"):
        with_held_out_rows(own, DataSettings(test_share=0.4))
    without = FunctionDataset(["a"], lambda _: [("p", " t")], lambda _: [])
    assert without.test_examples("a") == []


def test_what_is_held_out(tmp_path: Path) -> None:
    assert settings_of(tmp_path).is_held_out
    assert not settings_of(tmp_path, **{"test-share": 0}).is_held_out
    assert RunConfig.from_mapping({}).is_held_out  # people
    tofu, sent140 = (RunConfig.from_mapping({"dataset": name}) for name in ("tofu", "sent140"))
    assert (tofu.test_share, tofu.newcomers) == (0, 0)  # The paper asks what was memorised.
    assert (sent140.test_share, sent140.newcomers) == (RunConfig.test_share, RunConfig.newcomers)
    assert RunConfig(dataset="own", prompt="{q}", target="a").is_held_out
