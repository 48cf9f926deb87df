"""Tables at any width of the terminal: whatever is in them, nothing is cut."""

import io

from hypothesis import given, strategies as st
from rich.console import Console
from rich.table import Table

from fedsift.cli.table_layout import lay_out

words = st.text("0123456789.", min_size=1, max_size=14)
cells = st.lists(words, max_size=5).map(" ".join)
tables = st.integers(1, 7).flatmap(
    lambda columns: st.lists(st.lists(cells, min_size=columns, max_size=columns), min_size=1, max_size=4)
)


def printed(rows: list[list[str]], columns: int) -> tuple[str, int]:
    """A table whose first row is its head, and its width."""
    table = Table()
    for place, title in enumerate(rows[0]):
        table.add_column(title, justify="right" if place else "left")
    for row in rows[1:]:
        table.add_row(*row)
    console = Console(width=columns, file=io.StringIO())
    width = lay_out(table, console)
    console.width = max(columns, width)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue(), width


@given(tables, st.integers(20, 120))
def test_no_word_is_cut(rows: list[list[str]], columns: int) -> None:
    text, width = printed(rows, columns)
    assert {word for row in rows for cell in row for word in cell.split()} <= set(text.split())
    assert max(map(len, text.splitlines())) <= width
    longest = sum(max([1, *(len(word) for row in rows for word in row[at].split())]) for at in range(len(rows[0])))
    assert width <= max(columns, longest + 2 * len(rows[0]))


def test_titles_of_numbers_are_folded_before_texts() -> None:
    text, width = printed([["method", "members after"], ["one two three", ".614"]], 22)
    assert width == 22
    assert [line.split() for line in text.splitlines()] == [
        ["members"],
        ["method", "after"],
        ["─" * 22],
        ["one", "two", "three", ".614"],
    ]


def test_texts_are_folded_before_numbers() -> None:
    rows = [["method", "the mean score"], ["one two three four five six seven", ".614 [.583, .645]"]]
    text, width = printed(rows, 36)
    assert width == 36
    assert [line.split() for line in text.splitlines()] == [
        ["method", "the", "mean", "score"],
        ["─" * 36],
        ["one", "two", "three", ".614", "[.583,", ".645]"],
        ["four", "five", "six"],
        ["seven"],
    ]
    narrow, width = printed(rows, 16)
    assert width == 16
    assert [word for line in narrow.splitlines() for word in line.split() if word in (".614", ".645]")] == [
        ".614",
        ".645]",
    ]


def test_a_table_that_fits_is_left_alone() -> None:
    text, width = printed([["a", "b"], ["1", "2"]], 80)
    assert (width, text.splitlines()[2].split()) == (4, ["1", "2"])
