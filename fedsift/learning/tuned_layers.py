"""Which parameters of a model are tuned."""

import fnmatch

from torch import nn

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.learning.model_settings import HIDDEN


def chosen_layers(model: nn.Module, patterns: str) -> ParameterLayout:
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


def _embeddings_and_head(model: nn.Module) -> set[int]:
    modules: list[nn.Module] = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    for accessor in ("get_input_embeddings", "get_output_embeddings"):
        named = getattr(model, accessor, lambda: None)()
        if isinstance(named, nn.Module):
            modules.append(named)
    return {id(parameter) for module in modules for parameter in module.parameters()}
