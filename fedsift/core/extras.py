"""Libraries that only some commands need: looked for before anything that takes time."""

from importlib.util import find_spec

from fedsift.core.errors import BadInput


def check_extra(what: str, module: str, extra: str) -> None:
    """See that a library is installed.

    Args:
        what: needs it, for people.
        module: of the library.
        extra: of fedsift that brings it.

    Raises:
        BadInput: it is not there.
    """
    if find_spec(module) is None:
        raise BadInput(f"{what} needs {module.replace('_', '-')}: pip install 'fedsift[{extra}]'")
