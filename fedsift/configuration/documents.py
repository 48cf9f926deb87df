"""What is written of the options elsewhere: docs/reference/options.md, and Flower's section of pyproject.toml.

`python -m fedsift.cli.documents` writes both anew.
"""

import json
import re
from itertools import groupby
from pathlib import Path

import tomli_w

from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import PRESETS, RunConfig
from fedsift.configuration.server_settings import ServerSettings, app_config
from fedsift.core.options import Option, hyphened

_SECTION = "[tool.flwr.app.config]\n"
_HEAD = ("| option | | default | valid | changes |", "| --- | --- | --- | --- | --- |")
_INTRODUCTION = """\
# Options

Each option has one name: `--batch-size 64` on the command line, `batch-size = 64` in a `config.toml`, and
`batch-size=64` in `flwr run . --run-config`. `fedsift run config.toml` reads a file; presets and options override it.
Unknown names are errors that name the nearest valid one; what transformers, PEFT, Flower and others call by another
name (`learning_rate`) is answered with the name here (`lr`).

In a file, `leave` and `choices` are lists of texts, as in `leave = ["a,b", "7"]`; for Flower they are such lists in
JSON. On the command line `--leave` may be given several times, and `--leave-file` names a file with one id a line. Ids
are read to the character: commas and blanks belong to them. If the command line says who leaves, what the file says of
it no longer counts. The preset `--preset paper` is the method as published: PAPER.

The last column says what changes with another value: the bits of the state, only what members are served, or neither.
`fedsift run --resume` needs those that change the bits as they were when the run began.

This page is written by `python -m fedsift.cli.documents` from the options' declarations.
"""


def options_page() -> str:
    """The text of docs/reference/options.md."""
    declared = [*RunConfig.options().items(), *RoundSettings.options().items(), *ServerSettings.options().items()]
    paper = ", ".join(f"`{hyphened(name)} = {json.dumps(value)}`" for name, value in PRESETS["paper"].items())
    parts = [_INTRODUCTION.replace("PAPER", paper)]
    for group, members in groupby(declared, key=lambda named: named[1].group):
        rows = [_row(name, each) for name, each in members]
        parts.append("\n".join([f"\n## {group}\n", *_HEAD, *rows, ""]))
    return "".join(parts)


def flower_section() -> str:
    """The section of pyproject.toml without which `flwr run --run-config` takes no option."""
    return _SECTION + tomli_w.dumps(app_config(RunConfig.from_mapping({}), ServerSettings()))


def with_flower_section(pyproject: str) -> str:
    """A pyproject.toml with that section in place of its own."""
    before, _, rest = pyproject.partition(_SECTION)
    _, gap, after = rest.partition("\n\n")
    return before + flower_section().rstrip("\n") + gap + after


def _row(name: str, option: Option) -> str:
    default = f"`{option.shown_default}`" if option.shown_default else ""
    valid = ", ".join(f"`{each}`" for each in option.valid.split(", ")) if option.choices else option.valid
    return f"| `{hyphened(name)}` | {cell_of(option.help)} | {default} | {valid} | {option.effect} |"


def cell_of(text: str) -> str:
    """A text as a cell of a table on a page of docs/reference: taken literally, but for pages, which become links."""
    literal = re.sub(r"[|*<]", r"\\\g<0>", text)
    return re.sub(r"docs/([\w-]+/([\w-]+)\.md)", r"[\2](../\1)", literal)


def write_documents() -> None:
    """Write both anew, in the folder of the repository, which is the current one."""
    pyproject = Path("pyproject.toml")
    pyproject.write_text(with_flower_section(pyproject.read_text(encoding="utf-8")), encoding="utf-8")
    Path("docs/reference/options.md").write_text(options_page(), encoding="utf-8")
