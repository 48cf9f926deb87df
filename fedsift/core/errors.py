"""The errors meant for people: a message says what was wrong, where, and what would be right."""

from collections.abc import Iterable
from difflib import get_close_matches

from fedsift.core.other_names import our_name

_NAMES_SHOWN = 12
_GIVEN_BY_USERS = ("client", "member", "column", "choice", "function", "parameter")  # kinds of names; not ours


class FedsiftError(Exception):
    """Base of every error a user may cause; the command line prints its message without a traceback."""

    exit_code = 2

    def __str__(self) -> str:
        """The message; names and files in it may be hostile."""
        return visible(super().__str__(), kept="\n")


class BadInput(FedsiftError):
    """An option, a file, a data set or a model that cannot be used as given. Nothing has been changed."""


class Refused(FedsiftError):
    """A state change that would break exactness. The state is untouched."""

    exit_code = 3


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> BadInput:
    """The error for a name that is not one of `valid`; it names the one that is meant, or the nearest.

    Members of text enums stand by their values.
    """
    name, names = str(name), sorted(map(str, valid))
    ours, difference = our_name(name, names)
    if ours and kind not in _GIVEN_BY_USERS:
        return BadInput(f"unknown {kind} {name!r}; {name} is called {ours} here{difference and f', {difference}'}")
    nearest = get_close_matches(name, names, n=1, cutoff=0.5)
    more = f", ... ({len(names)} in all)" if len(names) > _NAMES_SHOWN else ""
    shown = names[:_NAMES_SHOWN]
    valid_names = ", ".join(map(repr if any("," in each for each in shown) else legible, shown))
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"valid: {valid_names}{more}"
    return BadInput(f"unknown {kind} {name!r}; {hint}")


def invalid_character(text: str) -> int:
    """The place of the first character that is no valid Unicode, from 1; 0 where there is none."""
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError as error:
        return error.start + 1
    return 0


def visible(text: str, kept: str = "") -> str:
    r"""A text as a terminal, a log or a page may show it: nothing in it moves, hides, turns round or begins a line.

    Whatever Unicode calls not printable (controls, line ends, bidirectional and zero-width characters, blanks other
    than the plain one) stands as Python writes it, `\x1b` for ESC; but for characters in `kept`.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in kept else repr(each)[1:-1] for each in text)


def counted(number: int, one: str, more: str = "") -> str:
    """A number with its noun, which takes an s where `more` does not say otherwise."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"


def legible(name: str) -> str:
    """A name within a line: as it is, or as Python writes it where blanks or invisible characters would hide it."""
    return name if name.isprintable() and name == name.strip() != "" else repr(name)
