"""What is wrong with a command line, without running it: held against the declarations of commands and options."""

from collections.abc import Collection

import click
import typer

from fedsift.cli import app
from fedsift.cli.documents import declaration
from fedsift.cli.options import help_of
from fedsift.configuration.run_config import PRESETS
from fedsift.core.errors import BadInput, unknown_name
from fedsift.strategies.registry import method_named
from fedsift.studies.optout.scenario import ready_scenarios
from fedsift.studies.plan.assumptions import Assumptions
from fedsift.studies.reproduction.registry import EXPERIMENTS

_GROUP = typer.main.get_command(app)
assert isinstance(_GROUP, click.Group)
COMMANDS = _GROUP.commands
for _each in (_GROUP, *COMMANDS.values()):
    for _parameter in _each.params:
        _parameter.callback = None  # Whether a file is there is not asked, and no completion is installed.
OPTIONS = {
    name
    for command in (_GROUP, *COMMANDS.values())
    for each in command.params
    for name in (*each.opts, *each.secondary_opts)
} | {"--help"}


def fault_of(words: list[str], known: Collection[str] = (), whole: bool = True) -> str:
    """What is wrong with `fedsift WORDS`; empty for nothing.

    Args:
        words: as a shell would pass them on.
        known: further names of methods, experiments and the like.
        whole: whether all has to be there that is required: arguments, options, their values.
    """
    try:
        _check(words, known)
    except click.exceptions.Exit:  # --help
        return ""
    except (click.MissingParameter, click.BadOptionUsage) as error:
        return error.format_message() if whole else ""
    except click.ClickException as error:
        return error.format_message()
    except BadInput as error:
        return str(error)
    return ""


def _check(words: list[str], known: Collection[str]) -> None:
    name, *rest = words
    if name.startswith("-"):
        _GROUP.make_context("fedsift", list(words))
        return
    if name not in COMMANDS:
        raise unknown_name("command", name, COMMANDS)
    command = COMMANDS[name]
    context = command.make_context(name, rest, parent=click.Context(_GROUP, info_name="fedsift"))
    given = {key: value for key, value in context.params.items() if value is not None}
    for each in command.params:
        option = declaration(each) or Assumptions.options().get(each.name or "")
        if option is not None and getattr(each, "help", None) == help_of(option) and each.name in given:
            value = given[each.name]
            option.checked(each.name, option.parse(value) if option.parse else value)
    for kind, chosen, valid in (
        ("preset", [given.get("preset")], PRESETS),
        ("scenario", [given.get("scenario")], ready_scenarios()),
        ("experiment", given.get("names", []), [*EXPERIMENTS, "all"]),
    ):
        for each in chosen:
            if each not in (None, *valid, *known) and not each.endswith(".toml"):
                raise unknown_name(kind, each, valid)
    for each in given.get("methods", "").split(","):
        if each and ":" not in each and each not in known:
            method_named(each)
