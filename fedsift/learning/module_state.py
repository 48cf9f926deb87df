"""What a module keeps besides its parameters, put back before each use of it.

A forward pass may change it: running statistics, counters, tables that grow with the longest row so far. Then a
client's bits would depend on who came before it in its process, and its removal would find others.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn

_SCALARS = (bool, int, float, str, type(None))
_OF_THE_USE = "training"  # The mode that a module is in, which whoever uses it sets.


class _Buffer(NamedTuple):
    owner: dict[str, Tensor | None]
    name: str
    tensor: Tensor
    content: Tensor


class ModuleState:
    """The buffers of a module and the plain values among the attributes of its parts, as they are now."""

    def __init__(self, module: nn.Module) -> None:
        """Remember them; buffers are copied."""
        self._buffers = list(_buffers(module))
        self._known = [(part._buffers, set(part._buffers)) for part in module.modules()]
        self._values = list(_values(module))

    def restore(self) -> None:
        """Put back what has been changed since.

        All contents, changed or not: a kernel may write to a buffer without counting that as a version of it.
        """
        for owner, names in self._known:
            for name in owner.keys() - names:
                del owner[name]
        for owner, name, tensor, content in self._buffers:
            tensor.detach().copy_(content)
            owner[name] = tensor
        for attributes, name, value in self._values:
            attributes[name] = value


def _buffers(module: nn.Module) -> Iterator[_Buffer]:
    for part in module.modules():
        for name, tensor in part._buffers.items():
            if tensor is not None:
                yield _Buffer(part._buffers, name, tensor, tensor.detach().clone())


def _values(module: nn.Module) -> Iterator[tuple[dict[str, Any], str, Any]]:
    for part in module.modules():
        for name, value in part.__dict__.items():
            if type(value) in _SCALARS and name != _OF_THE_USE:
                yield part.__dict__, name, value
