"""The options of a run's configuration on the command line, made from their declarations, and what is made of them."""

import re
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.models import ArgumentInfo

from fedsift.cli.leavers import LEAVE_FILE, leavers_given
from fedsift.cli.terminal import NOTHING_WRITTEN, errors_in_one_line
from fedsift.configuration.named_files import new_configuration
from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import PRESETS, RunConfig, read_toml
from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.options import Group, Option, Options, hyphened
from fedsift.data.file_names import kind_of_file

JSON = typer.Option("--json", help="Print JSON instead of a table.")
CONFIG = typer.Argument(help="A config.toml; options override it.")
PRESET = typer.Option(
    help="paper: as published (levels 65535, paper localisation).", autocompletion=lambda: list(PRESETS)
)
OUT = typer.Option(help="Output folder, new or empty. Default: the first free of runs/001, runs/002 and so on.")
TRACK = typer.Option(
    help="Also log to wandb, mlflow, tensorboard, or a module:Class of your own (docs/how-to/track.md)."
)
TRACK_LOSSES = typer.Option("--track-losses", help="Also log each client's losses, by optimiser step.")
# What says of which clients a model learns, and how.
TRAINING = (Group.DATA, Group.MODEL, Group.TUNING, Group.MACHINE)


def takes(
    *chosen: str,
    without: str = "",
    of: type[Options] = RunConfig,
    flags: Mapping[str, str] = {},
    defaults: Mapping[str, Any] = {},
    into: str = "overrides",
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options of a settings class, after its own arguments and before its own options.

    The command gets them as one mapping, from their names to what was given, None for what was not.

    Args:
        chosen: groups of options, and names of single ones; all for none.
        without: one of these that the command does not take.
        of: declares them; by default a run's configuration.
        flags: further options, without a value, and the help of each.
        defaults: what the command has for options that are not given, where it is not what is declared; "" for what
            the help says elsewhere.
        into: the argument that takes the mapping.
    """
    wanted = {*(chosen or Group)} - {without}
    declared = {name: each for name, each in of.options().items() if {name, each.group} & wanted}
    shared: dict[str, Any] = {}
    for name, each in declared.items():
        if name != without:
            shared[name] = _annotation(each, defaults.get(name, each.default))
        if name == "leave" and Group.LEAVERS in chosen:
            shared["leave_file"] = LEAVE_FILE
    shared |= {
        name: Annotated[bool | None, typer.Option(f"--{name}", help=_pages(text))] for name, text in flags.items()
    }

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [each for each in signature(command, eval_str=True).parameters.values() if each.name != into]
        arguments = [each for each in own if any(isinstance(part, ArgumentInfo) for part in get_args(each.annotation))]
        options = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in own if each not in arguments]
        given_to_all = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind) for name, kind in shared.items()
        ]

        @wraps(command)
        def with_options(**given: Any) -> None:
            mapping = {name: given.pop(name) for name in shared}
            command(**given, **{into: mapping})

        parameters = [*arguments, *given_to_all, *options]
        with_options.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {each.name: each.annotation for each in parameters}
        return with_options

    return decorate


def _annotation(option: Option, default: Any) -> Any:
    """An option that shows the default of the configuration; left out, it does not override a file."""
    kind: Any = str if option.parse else type(option.default)
    choices = sorted({str(each) for each in (option.default, *option.choices) if each}) if option.choices else []
    declared = typer.Option(
        help=help_of(option, default),
        rich_help_panel=option.group,
        autocompletion=(lambda: choices) if choices else None,
    )
    return Annotated[(list[str] if kind is tuple else kind) | None, declared]


def help_of(option: Option, default: Any = None) -> str:
    """All that is said of an option, in a line; with its own default for None."""
    choices = f"One of {option.valid}." if option.choices else ""
    stated = _default(option.default if default is None else default)
    return " ".join(filter(None, (_pages(option.help), choices, stated)))


def _pages(text: str) -> str:
    """A text with pages of the docs by their names alone, which fit into a column."""
    return re.sub(r"docs/[\w-]+/([\w-]+)\.md", r"docs: \1", text)


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return "Default: on." if value else ""
    if isinstance(value, float):
        return f"Default: {value:g}."
    return "" if value in ("", ()) else f"Default: {value}."


def rounds_of(given: dict[str, Any]) -> RoundSettings:
    """The options of methods that train in rounds, of those that were given."""
    values = {hyphened(name): value for name, value in given.items() if value is not None}
    return RoundSettings.from_mapping(values, source="options")


def settings_of(
    overrides: dict[str, Any],
    config: Path | None = None,
    preset: str | None = None,
    defaults: Mapping[str, Any] = {},
) -> RunConfig:
    """Defaults, those of a command before the configuration's, then the file, then the preset, then the options."""
    values = dict(defaults)
    if config is not None:
        values |= _read_config(config)
    if preset is not None:
        if preset not in PRESETS:
            raise unknown_name("preset", preset, PRESETS)
        values |= {hyphened(key): value for key, value in PRESETS[preset].items()}
    return new_configuration({**values, **overriding(overrides)}, source=str(config) if config else "options")


def _read_config(file: Path) -> dict[str, Any]:
    if kind_of_file(file.name):
        found = "is no config.toml but looks like a data set" if file.exists() else "does not exist"
        raise BadInput(f"{file} {found}: give a data set as --dataset {file}")
    return read_toml(file)


def overriding(overrides: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as keys and values of `RunConfig.from_mapping`."""
    return leavers_given({hyphened(name): value for name, value in given_values(overrides).items()})


def given_values(overrides: dict[str, Any]) -> dict[str, Any]:
    """The options of a run that were given, by name."""
    declared = RunConfig.options()
    values = {}
    for name, value in overrides.items():
        if value is not None:
            parse = declared[name].parse if name in declared else None
            values[name] = parse(value) if parse else value
    return values


def existing(text: str, error: str = "{} does not exist") -> Any:
    """An argument that has to be there: it is looked for before anything else is missed.

    Args:
        text: the argument's help.
        error: what is said of it, in braces, where it is not there.
    """

    def look(context: typer.Context, path: Path | None) -> Path | None:
        with errors_in_one_line(NOTHING_WRITTEN):
            if path is not None and not context.resilient_parsing and not path.exists():
                raise BadInput(error.format(path))
        return path

    return typer.Argument(help=text, callback=look)


NO_RUN = "{} is no run folder: it does not exist"
RUN = existing("The run's folder.", NO_RUN)
