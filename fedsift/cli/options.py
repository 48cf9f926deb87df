"""The options of a run's configuration on the command line, made from their declarations, and what is made of them."""

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.models import ArgumentInfo

from fedsift.cli.leavers import LEAVE_FILE, leavers_given
from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import PRESETS, RunConfig, read_toml
from fedsift.core.errors import unknown_name
from fedsift.core.options import Group, Option, Options, hyphened

JSON = typer.Option("--json", help="Print JSON instead of a table.")
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
    into: str = "overrides",
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options of a settings class, after its own arguments and before its own options.

    The command gets them as one mapping, from their names to what was given, None for what was not.

    Args:
        chosen: groups of options, and names of single ones; all for none.
        without: one of these that the command does not take.
        of: declares them; by default a run's configuration.
        flags: further options, without a value, and the help of each.
        into: the argument that takes the mapping.
    """
    wanted = {*(chosen or Group)} - {without}
    declared = {name: each for name, each in of.options().items() if {name, each.group} & wanted}
    shared = {name: _annotation(each) for name, each in declared.items() if name != without}
    if Group.LEAVERS in chosen:
        shared["leave_file"] = LEAVE_FILE
    shared |= {name: Annotated[bool | None, typer.Option(f"--{name}", help=text)] for name, text in flags.items()}

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


def _annotation(option: Option) -> Any:
    """An option that shows the default of the configuration; left out, it does not override a file."""
    kind: Any = str if option.parse else type(option.default)
    return Annotated[
        (list[str] if kind is tuple else kind) | None, typer.Option(help=help_of(option), rich_help_panel=option.group)
    ]


def help_of(option: Option) -> str:
    """All that is said of an option, in a line."""
    choices = f"{option.valid}." if option.choices else ""
    default = f"Default: {option.shown_default}." if option.shown_default else ""
    return " ".join(filter(None, (option.help, choices, default)))


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
        values |= read_toml(config)
    if preset is not None:
        if preset not in PRESETS:
            raise unknown_name("preset", preset, PRESETS)
        values |= {hyphened(key): value for key, value in PRESETS[preset].items()}
    return RunConfig.from_mapping({**values, **overriding(overrides)}, source=str(config) if config else "options")


def overriding(overrides: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as keys and values of `RunConfig.from_mapping`."""
    declared = RunConfig.options()
    values = {}
    for name, value in overrides.items():
        if value is not None:
            parse = declared[name].parse if name in declared else None
            values[hyphened(name)] = parse(value) if parse else value
    return leavers_given(values)
