"""A user's own code, found by name (`package.module:function`) and called with its errors told as theirs."""

import importlib
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedsift.errors import BadInput, FedsiftError, unknown_name

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_user_code(specification: str) -> bool:
    """Whether a text has the form `package.module:function`."""
    return bool(_NAME.fullmatch(specification))


def call_user_code(kind: str, specification: str) -> Any:
    """What the function that `package.module:function` names returns. Modules of the current folder are found, too.

    Args:
        kind: the option it was given for; errors begin with it.
        specification: a class will do as the function.

    Raises:
        BadInput: there is no such module or function, or it raised.
    """
    module_name, _, function_name = specification.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    with told_as_bad_input(f"{kind} {specification}"):
        module = importlib.import_module(module_name)
    function = getattr(module, function_name, None)
    if not callable(function):
        functions = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise BadInput(f"{kind} {specification}: {unknown_name('function', function_name, functions)}")
    with told_as_bad_input(f"{kind} {specification}"):
        return function()


@contextmanager
def told_as_bad_input(what: str) -> Iterator[None]:
    """Whatever a user's code raises becomes one line that says what, and where in their code."""
    try:
        yield
    except FedsiftError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        if place.filename.startswith("<frozen"):  # Python's own import
            where = "looked for in the current folder and in what is installed"
        raise BadInput(f"{what}: {type(error).__name__}: {' '.join(str(error).split())} ({where})") from error
