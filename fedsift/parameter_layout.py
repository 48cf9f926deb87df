"""Which parameters are tuned, and in which order they lie in one flat vector."""

import fnmatch
import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

from fedsift.errors import BadInput, unknown_name


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


HIDDEN = "hidden"  # stands for all hidden layers among the patterns


def hidden_layers(model: "nn.Module") -> ParameterLayout:
    """The layout that tunes all hidden layers and freezes embeddings and head (appendix B)."""
    return chosen_layers(model, HIDDEN)


def chosen_layers(model: "nn.Module", patterns: str) -> ParameterLayout:
    """The layout of the parameters that one of the patterns names.

    Hidden layers are all but embeddings and head. These are what the model itself names as its input and output
    embeddings, and every weight of an `nn.Embedding`: positions, token types, and T5's tables of relative positions.
    Weights are compared by identity: a head tied to the embeddings is one frozen tensor, a weight shared by several
    layers is tuned once, under the first of its names.

    Args:
        model: its parameters may lie on the meta device.
        patterns: shell patterns of parameter names, separated by commas, such as "*.mlp.*"; "hidden" for the hidden
            layers.

    Raises:
        BadInput: a pattern fits no parameter, or there is no hidden layer.
    """
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    chosen: set[int] = set()
    for pattern in patterns.split(","):
        if pattern.strip() == HIDDEN:
            fitting = names.keys() - _embeddings_and_head(model)
        else:
            fitting = {each for each, known_as in names.items() if fnmatch.filter(known_as, pattern.strip())}
        if not fitting:
            valid = [HIDDEN, *(name for known_as in names.values() for name in known_as)]
            raise BadInput(f"tune: {unknown_name('parameter', pattern.strip(), valid)} in {type(model).__name__}")
        chosen |= fitting
    tuned = [(name, parameter) for name, parameter in model.named_parameters() if id(parameter) in chosen]
    return ParameterLayout(tuple(name for name, _ in tuned), tuple(tuple(p.shape) for _, p in tuned))


def _embeddings_and_head(model: "nn.Module") -> set[int]:
    from torch import nn  # Here, so that settings can be read without torch.

    modules: list[nn.Module] = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    for accessor in ("get_input_embeddings", "get_output_embeddings"):
        named = getattr(model, accessor, lambda: None)()
        if isinstance(named, nn.Module):
            modules.append(named)
    return {id(parameter) for module in modules for parameter in module.parameters()}
