"""An option is declared once: as a field of a settings class, with default, help, group, range and effect.

From that come its validation, the command line, config.toml, Flower's run configuration and docs/reference/options.md.
"""

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Self, TypeVar

from fedsift.core.errors import BadInput, invalid_character, unknown_name
from fedsift.core.strict_json import parse_json

MOST = 10**9  # of steps, rows, tokens, clients and the like: far beyond any, and products of them stay finite
_LARGEST_FLOAT = int(sys.float_info.max)
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", tuple: "a list of texts"}

T = TypeVar("T", bound="Options")
Scalar = bool | float | int | str
Value = Scalar | tuple[str, ...]


class Group(StrEnum):
    """Which options belong together, in the order in which they are listed."""

    DATA = "Data"
    MODEL = "Model"
    TUNING = "Tuning"
    GRID = "Grid and serving"
    LEAVERS = "Who leaves"
    ROUNDS = "Rounds"
    RUN = "Run"
    MACHINE = "Machine"
    SERVER = "Deployed server"


class Effect(StrEnum):
    """What another value changes; a run is gone on with under the values that change the bits."""

    BITS = "the bits"
    SERVED = "what is served"
    FREE = "neither"


@dataclass(frozen=True)
class Option:
    """What is known of an option."""

    default: Value  # always valid; its type is the option's
    help: str  # for people; the first sentence also ends the error of a number that is out of range
    group: Group  # where it is listed
    effect: Effect = Effect.BITS  # what another value changes
    _: KW_ONLY
    choices: Collection[str] = ()  # of a text, the valid values beside the default; any for none
    form: str = ""  # what else a text may be, for people, beside `choices`
    fits: Callable[[str], object] | None = None  # whether a text has that form
    ge: float | None = None  # of a number, its bounds
    gt: float | None = None
    le: float | None = None  # `MOST` for a whole number if nothing else is said
    lt: float | None = None
    parse: Callable[[str], object] | None = None  # makes the value of a text on the command line

    def checked(self, key: str, value: Any) -> Any:
        """A value of the option's type: a whole number will do as a number, a list as a tuple.

        Raises:
            BadInput: it is of another type, out of range, none of the choices, or cannot be written as UTF-8.
        """
        checked = self._of_type(value)
        if checked is None:
            raise BadInput(f"{key} = {value!r}: expected {_KINDS[type(self.default)]}")
        if isinstance(checked, str | tuple):
            self._check_text(key, checked)
        elif not isinstance(checked, bool):
            self._check_number(key, checked)
        return checked

    def _of_type(self, value: Any) -> Value | None:
        kind = type(self.default)
        if kind is float and type(value) is int and abs(value) <= _LARGEST_FLOAT:
            return float(value)
        if kind is tuple and isinstance(value, list | tuple):
            return tuple(value) if all(isinstance(each, str) for each in value) else None
        return value if type(value) is kind else None

    def _check_text(self, key: str, value: str | tuple[str, ...]) -> None:
        for text in [value] if isinstance(value, str) else value:
            check_unicode(key, text)
            if self.choices and text not in (self.default, *self.choices) and not (self.fits and self.fits(text)):
                raise BadInput(f"{unknown_name(key, text, self.choices)}{self.form and f' (or give {self.form})'}")

    def _check_number(self, key: str, value: float) -> None:
        if isinstance(value, int) and abs(value) > self.most:
            raise BadInput(f"{key}: far too large a number; give at most {self.most:,}")
        above = (self.ge is None or value >= self.ge) and (self.gt is None or value > self.gt)
        if not (above and value <= self.most and (self.lt is None or value < self.lt) and math.isfinite(value)):
            raise BadInput(f"{key} = {value}: give {self.valid} ({self.help.split('. ')[0].rstrip('.')})")

    @property
    def most(self) -> float:
        """The highest number that is valid, where the bounds include one."""
        if self.le is not None:
            return self.le
        return MOST if type(self.default) is int else math.inf

    @property
    def valid(self) -> str:
        """What is valid, for people; empty where any value of the type is."""
        kind = type(self.default)
        if kind not in (int, float):
            return ", ".join(filter(None, [*self.choices, self.form]))
        low = f"above {_shown(self.gt)}" if self.gt is not None else f"from {_shown(self.ge or 0)}"
        if self.lt is not None:
            return f"{_KINDS[kind]} {low} to below {_shown(self.lt)}"
        if self.le is not None:
            return f"{_KINDS[kind]} {low} to {_shown(self.le)}"
        return f"a {'whole' if kind is int else 'finite'} number {low}{'' if self.ge is None else ' on'}"

    @property
    def shown_default(self) -> str:
        """The default as config.toml has it, without quotes; empty for an empty text or list."""
        return "" if self.default in ("", ()) else json.dumps(self.default).strip('"')


def _shown(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:.2g}"


def option(default: Value, *arguments: Any, **keywords: Any) -> Any:
    """A field of an `Options` class; takes what `Option` takes."""
    return dataclasses.field(default=default, metadata={"option": Option(default, *arguments, **keywords)})


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of settings all of whose fields are options. Their keys are the fields' names, written with hyphens.

    A class checks on its own only what concerns several options, in a `__post_init__` that calls this one first.
    """

    def __new__(cls, **given: Any) -> Self:
        """Answer a wrong name with the one that is meant.

        Raises:
            BadInput: there is no such option.
        """
        for name in given:
            if name not in cls.options():
                raise unknown_name("option", name, cls.options())
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, each in self.options().items():
            object.__setattr__(self, name, each.checked(hyphened(name), getattr(self, name)))

    @classmethod
    @cache
    def options(cls) -> Mapping[str, Option]:
        """All options by the names of their fields, group after group."""
        declared = {each.name: each.metadata["option"] for each in dataclasses.fields(cls)}
        order = list(Group)
        return MappingProxyType(dict(sorted(declared.items(), key=lambda named: order.index(named[1].group))))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], source: str = "configuration") -> Self:
        """Settings from hyphened keys; what is not given has its default.

        Raises:
            BadInput: an unknown key, or a value that is not valid; the message begins with `source`.
        """
        names = {hyphened(name): name for name in cls.options()}
        try:
            for key in values:
                if key not in names:
                    raise unknown_name("key", key, names)
            return cls(**{names[key]: value for key, value in values.items()})
        except BadInput as error:
            raise BadInput(f"{source}: {error}") from error

    @classmethod
    def from_user_config(cls, user_config: Mapping[str, Scalar]) -> Self:
        """The inverse of `to_user_config`.

        Raises:
            BadInput: as of `from_mapping`, or what is to be a list is no JSON.
        """
        lists = {hyphened(name) for name, each in cls.options().items() if isinstance(each.default, tuple)}
        read = {key: _from_json(key, str(each)) if key in lists else each for key, each in user_config.items()}
        return cls.from_mapping(read)

    def to_mapping(self) -> dict[str, Any]:
        """All values by their keys, group after group; `from_mapping` reads them back."""
        return {hyphened(name): getattr(self, name) for name in self.options()}

    def to_user_config(self) -> dict[str, Scalar]:
        """As Flower's run_config: scalars only, so lists become JSON."""
        return {key: json.dumps(each) if isinstance(each, tuple) else each for key, each in self.to_mapping().items()}

    def part(self, kind: type[T]) -> T:
        """Those of the options that a base class has, alone."""
        return kind(**{name: getattr(self, name) for name in kind.options()})


@dataclass(frozen=True, kw_only=True)
class Seeded(Options):
    """Settings of what draws random numbers."""

    seed: int = option(0, "Root of all seeds.", Group.MACHINE, ge=0, le=2**63 - 1)


def hyphened(name: str) -> str:
    """The name of a field as users write it."""
    return name.replace("_", "-")


def check_unicode(key: str, text: str) -> None:
    """See that a value can be written as UTF-8.

    Raises:
        BadInput: it cannot: it came as other bytes on the command line.
    """
    if place := invalid_character(text):
        raise BadInput(f"{key} = {text!a}: no valid Unicode at character {place}; give UTF-8")


def _from_json(key: str, text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise BadInput(f'{key} = {text!r}: expected a list in JSON, such as ["a", "b"]') from error
