"""How every table is laid out: within the terminal's columns where it can be, and no word or number is ever cut."""

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_UNBOUNDED = 100_000  # columns


def lay_out(table: Table, columns: int) -> int:
    """Give a table its style and its columns their widths.

    The widest column is folded first, between words, and none below its longest word: a table that has no room for
    these becomes wider than the terminal.

    Args:
        table: is changed.
        columns: of the terminal.

    Returns:
        The table's width.
    """
    table.box, table.show_edge, table.pad_edge = box.SIMPLE_HEAD, False, False
    table.title_justify = table.caption_justify = "left"
    table.padding = 0, 1, 0, 0  # Two columns between cells: this one and the box's.
    cells = [[str(each) for each in [column.header, *column.cells]] for column in table.columns]
    widths = [max(1, *(cell_len(line) for cell in texts for line in cell.split("\n"))) for texts in cells]
    least = [max((cell_len(word) for cell in texts for word in cell.split()), default=1) for texts in cells]
    room = max(columns - (_width(table, widths) - sum(widths)), sum(least))
    while sum(widths) > room:
        widest = max((at for at, width in enumerate(widths) if width > least[at]), key=widths.__getitem__)
        widths[widest] -= 1
    return _width(table, widths)


def _width(table: Table, widths: list[int]) -> int:
    """The table's width, once its columns have these."""
    for column, width in zip(table.columns, widths, strict=True):
        column.width, column.no_wrap = width, False
    console = Console(width=_UNBOUNDED)
    return Measurement.get(console, console.options, table).maximum
