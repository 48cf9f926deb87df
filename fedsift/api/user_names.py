"""By which name other processes import what a user hands over as an object."""

import sys
from typing import Any

from fedsift.core.errors import BadInput


def user_name(kind: str, given: Any) -> str:
    """The `package.module:name` of a function or class, or of an instance's class.

    Args:
        kind: the option it was given for; errors begin with it.
        given: a function or class, or an instance that holds nothing of its own.

    Raises:
        BadInput: it cannot be imported by a name, or an instance would not be the same again.
    """
    named = given if hasattr(given, "__qualname__") else type(given)
    if named is not given and vars(given):
        raise BadInput(
            f"{kind}: this {named.__name__} has values of its own ({', '.join(vars(given))}), which other processes "
            "would not know; give a function without parameters that makes it"
        )
    module, name = named.__module__, named.__qualname__
    if module == "__main__" or getattr(sys.modules.get(module), name, None) is not named:
        raise BadInput(
            f"{kind}: {name} cannot be imported by workers, nor by a later removal; put it into a module (a file, such "
            f"as my_{kind}.py), under a name of its own, and import it from there"
        )
    return f"{module}:{name}"
