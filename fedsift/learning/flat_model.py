"""A model whose tuned parameters are views into one flat buffer."""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedsift.core.errors import BadInput
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.learning.module_state import ModuleState

# Arrays that came in a message are read-only, and are not written to here.
warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)

# Entries handled at a time where int8 signs meet floats: PyTorch converts such operands as a whole before it begins,
# and what one operation leaves in the cache the next finds there. A GPU takes many at once, or the start of each
# operation would cost more than the operation.
_SLICE, _SLICE_OF_GPU = 1 << 18, 1 << 24
_LANES = 16  # Floats of the widest vector registers: runs that begin and end on it have the bits of one long vector.
# Entries up to which neighbouring parameters are kept as one: an operation on each would cost more. On a GPU all are.
_SMALL = 1 << 16


class Signs(Protocol):
    """The sign vector v, or what makes its slices."""

    def __getitem__(self, entries: slice) -> Tensor:
        """These entries as int8, each -1 or +1, on the model's device."""


@dataclass(frozen=True)
class Run:
    """Neighbouring parameters: a large one alone, or all between two large ones."""

    parameters: tuple[nn.Parameter, ...]  # at least one
    entries: slice  # where they lie in the flat vector
    is_large: bool  # whether it is a large one


class FlatModel:
    """The tuned parameters of a model as one vector, in the module's dtype and device.

    Attributes:
        module: the model; dropout off, everything outside the layout frozen.
        layout: which parameters, in which order.
        base: M0 as flat tensors in the layout's order; never written to. Small parameters are joined, large ones stay
            where they are: moved into a flat buffer, they would leave memory behind that is too scattered to be given
            back.
        weights: the current weights, shape (n,); the module's parameters are views of it.
        runs: the module's tuned parameters, in the layout's order.
        slice_size: entries to handle at a time.
    """

    def __init__(self, module: nn.Module, layout: ParameterLayout) -> None:
        """Take over `module`: its tuned parameters move into the flat buffers.

        Raises:
            BadInput: the tuned parameters are not all float32 or all bfloat16.
        """
        self.module = module.eval()
        self.layout = layout
        parameters = dict(module.named_parameters())
        first = parameters[layout.names[0]]
        for name in layout.names:
            dtype = parameters[name].dtype
            if dtype not in (torch.float32, torch.bfloat16) or dtype != first.dtype:
                expected = "all tuned parameters must be float32, or all bfloat16"
                raise BadInput(f"tuned parameter {name} is {dtype}: {expected}")
        self.weights = torch.empty(layout.size, dtype=first.dtype, device=first.device)
        for parameter in parameters.values():
            parameter.requires_grad_(False)
        on_gpu = first.device.type == "cuda"
        self.slice_size, small = (_SLICE_OF_GPU, layout.size) if on_gpu else (_SLICE, _SMALL)
        self.base = _join_small([parameters[name].data.reshape(-1) for name in layout.names], small)
        for name, offset, size in zip(layout.names, layout.offsets, layout.sizes, strict=True):
            parameter = parameters[name]
            parameter.data = self.weights[offset : offset + size].view(parameter.shape)
            parameter.requires_grad_(True)
        self.runs = _runs([parameters[name] for name in layout.names], small)
        self._state = ModuleState(module)
        self.load_base()

    def load_base(self) -> None:
        """Set the weights to M0; here as in all loading, what the module keeps besides them is as it was at first."""
        self._state.restore()
        torch.cat(self.base, out=self.weights)

    def base_digest(self) -> bytes:
        """SHA-256 of M0: the layout's digest, its entries in order, then each frozen tensor by name (32 bytes)."""
        digest = hashlib.sha256(self.layout.digest)
        tuned = set(self.layout.names)
        frozen = [(name, value) for name, value in sorted(self.module.state_dict().items()) if name not in tuned]
        for name, value in [*(("", part) for part in self.base), *frozen]:
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode() if name else b"")
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.digest()

    def load_task_vector(self, task_vector: NDArray[np.float32] | Tensor) -> None:
        """Set the weights to M0 + tau, tau in float32 of shape (n,)."""
        self._state.restore()
        task_vector = torch.as_tensor(task_vector)
        for entries, base in self.slices():
            torch.add(base, task_vector[entries].to(base.device), out=self.weights[entries])

    def task_vector(self) -> Tensor:
        """The weights less M0, in float32 on the CPU, shape (n,)."""
        return (self.weights - torch.cat(self.base)).float().cpu()

    def slices(self) -> Iterator[tuple[slice, Tensor]]:
        """All n entries in slices, each with its part of M0, for operations that go over several tensors at once."""
        start = 0
        for part in self.base:
            for base in torch.split(part, self.slice_size):
                yield slice(start, start + len(base)), base
                start += len(base)

    def load_magnitudes(self, signs: Signs, magnitudes: NDArray[np.float32] | Tensor) -> None:
        """Set the weights to M0 + v * u in float32: int8 signs v on the module's device, float32 u, of shape (n,)."""
        self._state.restore()
        magnitudes = torch.as_tensor(magnitudes)
        for entries, base in self.slices():
            moved = magnitudes[entries].to(base.device)
            torch.addcmul(base, signs[entries], moved, out=self.weights[entries])


def _runs(parameters: Sequence[nn.Parameter], at_most: int) -> list[Run]:
    runs: list[Run] = []
    small: list[nn.Parameter] = []
    start = end = 0

    def close() -> None:
        nonlocal small, start
        if small:
            runs.append(Run(tuple(small), slice(start, end), is_large=False))
        small, start = [], end

    for parameter in parameters:
        size = parameter.numel()
        if size > at_most and end % _LANES == size % _LANES == 0:
            close()
            runs.append(Run((parameter,), slice(end, end + size), is_large=True))
            start = end + size
        else:
            small.append(parameter)
        end += size
    close()
    return runs


def _join_small(parts: Sequence[Tensor], at_most: int) -> list[Tensor]:
    """The same entries in fewer tensors: neighbours are joined while they have so many entries at most together."""
    joined: list[list[Tensor]] = []
    size = 0
    for part in parts:
        if not joined or size + len(part) > at_most:
            joined.append([])
            size = 0
        joined[-1].append(part)
        size += len(part)
    return [torch.cat(group) if len(group) > 1 else group[0] for group in joined]
