"""A user's own code, found by name (`package.module:function`) and called with its errors named as the user's."""

import importlib
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from fedsift.core.errors import BadInput, FedsiftError, unknown_name

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_user_code(specification: str) -> bool:
    """Whether a text has the form `package.module:function`, or `package.module:Class`."""
    return bool(_NAME.fullmatch(specification))


def call_user_code(kind: str, specification: str, base: type | None = None) -> Any:
    """What the function or class that a text names returns; see `find_user_code`.

    Raises:
        BadInput: there is no such module or function, or it raised, or ended the program.
    """
    function = find_user_code(kind, specification, base)
    with errors_as_bad_input(f"{kind} {specification}"):
        return function()


def find_user_code(kind: str, specification: str, base: type | None = None) -> Callable[..., Any]:
    """The function or class that `package.module:function` names. Modules of the current folder are found, too.

    Args:
        kind: the option that it was given for, with which errors begin.
        specification: the text.
        base: where a class is expected, what it is to be a subclass of. A function that makes one will do, too.

    Raises:
        BadInput: there is no such module or function, or the module raised, or ended the program.
    """
    module_name, _, function_name = specification.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    what = f"{kind} {specification}"
    module = _imported(module_name, what)
    function = getattr(module, function_name, None)
    if not callable(function):
        own, expected = _own(module, base), "class" if base else "function"
        if not own:
            lacking = f"subclass of {base.__name__}" if base else expected
            raise BadInput(f"{what}: unknown {expected} {function_name!r}; the module has no {lacking}")
        raise BadInput(f"{what}: {unknown_name(expected, function_name, own)}")
    if base and isinstance(function, type) and not issubclass(function, base):
        raise BadInput(f"{what}: it is no subclass of {base.__module__}.{base.__name__}")
    found: Callable[..., Any] = function
    return found


def _own(module: ModuleType, base: type | None) -> list[str]:
    """The names of what a module could have been meant to hold: what its package defines, not what it imports."""
    package = module.__name__.partition(".")[0]
    return [
        name
        for name, value in vars(module).items()
        if (callable(value) if base is None else isinstance(value, type) and issubclass(value, base))
        and getattr(value, "__module__", "").partition(".")[0] == package
        and not name.startswith("_")
    ]


def _imported(name: str, what: str) -> ModuleType:
    with errors_as_bad_input(what):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if f"{name}.".startswith(f"{error.name}."):  # not one that the user's module imports
                where = "looked for in the current folder and in what is installed"
                raise BadInput(f"{what}: ModuleNotFoundError: {error} ({where})") from error
            raise


@contextmanager
def errors_as_bad_input(what: str) -> Iterator[None]:
    """Whatever a user's code raises, an exit too, becomes one line that says what, and where in their code."""
    try:
        yield
    except FedsiftError:
        raise
    except (Exception, SystemExit) as error:
        message = ": ".join(filter(None, [type(error).__name__, " ".join(str(error).split())]))
        raise BadInput(f"{what}: {message}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """Where in the code an error was raised; nothing where it says so itself, or the code has not begun to run."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    has_not_begun = last.filename.startswith("<frozen") or Path(last.filename).parent == Path(__file__).parent
    if isinstance(error, SyntaxError) or has_not_begun:  # Python's own import, or our call
        return ""
    return f" ({Path(last.filename).name}, line {last.lineno})"
