"""Who leaves, as a command line says it: ids exactly as they are written, or a number of clients."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fedsift.core.errors import BadInput
from fedsift.core.options import Group

LEAVE_FILE = Annotated[
    Path | None,
    typer.Option(help="A file of ids of clients that leave, one a line.", rich_help_panel=Group.LEAVERS),
]
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def leavers_given(values: dict[str, Any]) -> dict[str, Any]:
    """Make `leave`, `leave-file` and `leave-count` of the command line the keys of a configuration.

    Who says anything of it says all of it: what a file says of leavers no longer counts.

    Raises:
        BadInput: both ids and a number are given, or the file cannot be used.
    """
    rest = {key: value for key, value in values.items() if key not in ("leave", "leave-file", "leave-count")}
    named = values.get("leave", [])
    if "leave-file" in values:
        named = [*named, *read_ids(values["leave-file"])]
    if named and "leave-count" in values:
        raise BadInput("leave-count excludes leave and leave-file: give a number of clients, or their ids")
    if named or "leave-count" in values:
        rest |= {"leave": named, "leave-count": values.get("leave-count", 0)}
    return rest


def read_ids(path: Path) -> list[str]:
    """The ids in a file, one a line, exactly as they stand there; a line ends with a newline, or CR and newline.

    Raises:
        BadInput: it cannot be read, holds no ids, or a line is empty or no UTF-8; the message names the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"leave-file {path}: {error.strerror}") from error
    if content.startswith(_BYTE_ORDER_MARK):
        raise BadInput(f"leave-file {path}: line 1 begins with a byte order mark; save it as UTF-8 without one")
    if not content:
        raise BadInput(f"leave-file {path}: it holds no ids; write one a line")
    ids = []
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=1):
        try:
            ids.append(line.removesuffix(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            raise BadInput(f"leave-file {path}: line {number} is no UTF-8 ({error.reason})") from error
        if not ids[-1]:
            raise BadInput(f"leave-file {path}: line {number} is empty; write an id on each line")
    return ids
