"""How every table is laid out: within the terminal's columns where it can be, and no word or number is ever cut."""

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_UNBOUNDED = 100_000  # columns


def lay_out(table: Table, console: Console) -> int:
    """Give a table its style and its columns their widths.

    The widest column is folded first, between words: titles of numbers, which are what is set to the right, then texts,
    then numbers, each as far as it can be. No column gets narrower than its longest word: a table that has no room for
    these becomes wider than the terminal.

    Args:
        table: is changed.
        console: of the terminal's width.

    Returns:
        The table's width.
    """
    table.box, table.show_edge, table.pad_edge = box.SIMPLE_HEAD, False, False
    table.title_justify = table.caption_justify = "left"
    table.padding = 0, 1, 0, 0  # Two columns between cells: this one and the box's.
    titles = [str(column.header) for column in table.columns]
    cells = [[str(each) for each in column.cells] for column in table.columns]
    longest_words = [_longest(" ".join([title, *of]).split()) for title, of in zip(titles, cells, strict=True)]
    lines = [_longest("\n".join(of).split("\n")) for of in cells]
    widths = [max(cell_len(title), line, 1) for title, line in zip(titles, lines, strict=True)]
    texts_whole, numbers_whole = (
        [
            max(word, line) if column.justify == "right" else text
            for column, word, line, text in zip(table.columns, longest_words, lines, texts, strict=True)
        ]
        for texts in (widths, longest_words)
    )
    room = console.width - (_width(table, widths, console) - sum(widths))
    for least in (texts_whole, numbers_whole, longest_words):
        while sum(widths) > max(room, sum(least)):
            widest = max((at for at, width in enumerate(widths) if width > least[at]), key=widths.__getitem__)
            widths[widest] -= 1
    return _width(table, widths, console)


def _longest(texts: list[str]) -> int:
    return max(map(cell_len, texts), default=1)


def _width(table: Table, widths: list[int], console: Console) -> int:
    """The table's width, once its columns have these."""
    for column, width in zip(table.columns, widths, strict=True):
        column.width, column.no_wrap = width, False
    return Measurement.get(console, console.options.update(width=_UNBOUNDED), table).maximum
