"""Files that register themselves: what the modules of a package define is found by importing all of them."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Protocol, TypeVar

from fedsift.core.errors import BadInput


class Named(Protocol):
    """What can be registered."""

    @property
    def name(self) -> str:
        """Of its own; no two have the same."""


T = TypeVar("T", bound=Named)


def modules(package: str) -> Iterator[ModuleType]:
    """All modules of a package, imported; packages within it are not looked into."""
    for found in iter_modules(import_module(package).__path__, f"{package}."):
        if not found.ispkg:
            yield import_module(found.name)


def registered(package: str, kind: type[T]) -> dict[str, T]:
    """The instances of a type at the top of a package's modules, by name.

    A new file in the package's folder is found by itself. The package is given by name, so that a lower room may list
    what a higher one defines.

    Raises:
        BadInput: two have the same name.
    """
    found: dict[str, T] = {}
    for module in modules(package):
        for each in vars(module).values():
            if isinstance(each, kind) and found.setdefault(each.name, each) is not each:
                raise BadInput(f"{module.__name__}: another file of {package} has {each.name!r}; give it another name")
    return found
