"""The reference pages that are written from declarations: docs/reference/commands.md here, the others below.

`python -m fedsift.cli.documents` writes all of them anew, in the folder of the repository.
"""

from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path

import click
import typer

from fedsift.cli import app
from fedsift.cli.examples import EXAMPLES
from fedsift.cli.options import help_of
from fedsift.configuration.documents import cell_of, write_documents
from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import RunConfig
from fedsift.core.options import Group, Option, hyphened

_SHARED = {**RunConfig.options(), **RoundSettings.options()}
_INTRODUCTION = """\
# Commands

`--help` behind a command, as in `fedsift run --help`, says the same in the terminal. The options that configure a run
(data, model, tuning, ...) are the same for every command that takes them: they stand once, in [Options](options.md).

Exit codes: 0 for done, 2 for an input that cannot be used (nothing was changed), 3 for a removal, a proof or a check
that failed, 130 for Ctrl-C, 143 for SIGTERM, 1 for anything else.

`fedsift --install-completion` lets TAB complete commands, options and values, in bash, zsh, fish and PowerShell.

This page is written by `python -m fedsift.cli.documents` from the commands' declarations.
"""


def commands_page() -> str:
    """The text of docs/reference/commands.md."""
    whole = typer.main.get_command(app)
    assert isinstance(whole, click.Group)
    context = click.Context(whole, info_name="fedsift")
    parts = [_INTRODUCTION, *_table(whole, context)]
    commands = [(each, click.Context(each, context, name)) for name, each in whole.commands.items()]
    for panel, members in groupby(commands, key=lambda pair: getattr(pair[0], "rich_help_panel", "")):
        parts.append(f"\n## {panel}")
        parts += [part for member in members for part in _command(*member)]
    return "\n".join(parts) + "\n"


def declaration(parameter: click.Parameter) -> Option | None:
    """Where a run's option is declared that a command takes; None for the command's own, which may be called alike."""
    declared = _SHARED.get(parameter.name or "")
    return declared if declared is not None and getattr(parameter, "help", None) == help_of(declared) else None


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"\n### {context.command_path}\n\n{command.help}\n\n```text\n{usage}\n```"
    yield "\n".join(["\n```", *EXAMPLES[str(command.name)], "```"])
    yield from _table(command, context)
    taken = {each.name for each in command.params if declaration(each)}
    if taken:
        yield f"\nOptions of a run: {'; '.join(_links(taken))}."


def _table(command: click.Command, context: click.Context) -> Iterator[str]:
    """The command's own arguments and options."""
    own = [each for each in command.params if not declaration(each)]
    if own:
        yield "\n| | |\n| --- | --- |"
    for each in own:
        name = each.make_metavar(context).strip("[]").removesuffix(" RANGE")
        if isinstance(each, click.Option):
            name = "/".join([*each.opts, *each.secondary_opts]) + ("" if each.is_flag else f" {name}")
        text = getattr(each, "help", None) or ""
        if isinstance(each, click.Option) and each.required:
            text += " Required."
        elif each.default not in (None, False, ""):
            text += f" Default: {each.default}."
        yield f"| `{name}` | {cell_of(text)} |"


def _links(taken: Collection[str | None]) -> Iterator[str]:
    """To the groups of options.md that a command takes: whole, all but a few, or a few."""
    for group in Group:
        names = [name for name, each in _SHARED.items() if each.group is group]
        here, others = [name for name in names if name in taken], [name for name in names if name not in taken]
        link = f"[{group}](options.md#{group.lower().replace(' ', '-')})"
        if len(here) > len(others):
            yield f"{link}{' but ' if others else ''}{_listed(others)}"
        elif here:
            yield f"{_listed(here)} of {link}"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`--{hyphened(name)}`" for name in names)


if __name__ == "__main__":
    write_documents()
    Path("docs/reference/commands.md").write_text(commands_page(), encoding="utf-8")
