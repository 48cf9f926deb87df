"""Which parameters are tuned, and in which order they lie in one flat vector."""

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from torch import nn

from fedsift.errors import BadInput


@dataclass(frozen=True)
class ParameterLayout:
    """The tuned parameters' names and shapes, in the fixed order in which they are flattened."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each parameter."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each parameter begins in the flat vector."""
        return tuple(accumulate(self.sizes, initial=0))[:-1]

    @property
    def size(self) -> int:
        """n, the number of tuned parameters."""
        return sum(self.sizes)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over names and shapes (32 bytes): equal digests, equal meaning of every index."""
        described = json.dumps([self.names, self.shapes], separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(described.encode()).digest()


def hidden_layers(model: nn.Module) -> ParameterLayout:
    """The layout that tunes all hidden layers and freezes embeddings and head (appendix B).

    Frozen is every weight of an `nn.Embedding` (tokens and positions) and of the module that the model names as its
    output embeddings. Weights are compared by identity: a head tied to the embeddings is one frozen tensor, and a
    weight shared by several hidden layers is tuned once.

    Raises:
        BadInput: nothing is left to tune.
    """
    frozen = {id(p) for module in model.modules() if isinstance(module, nn.Embedding) for p in module.parameters()}
    output_embeddings = getattr(model, "get_output_embeddings", None)
    head = output_embeddings() if callable(output_embeddings) else None
    if isinstance(head, nn.Module):
        frozen |= {id(p) for p in head.parameters()}
    tuned = [(name, p) for name, p in model.named_parameters() if id(p) not in frozen]
    if not tuned:
        raise BadInput(f"{type(model).__name__} has no hidden layer to tune: all its weights are embeddings or head")
    return ParameterLayout(tuple(name for name, _ in tuned), tuple(tuple(p.shape) for _, p in tuned))
