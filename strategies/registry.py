"""All methods, by name: a file in this folder that defines one is found by itself."""

from fedsift.core.registration import modules
from fedsift.protocol.compared_method import ComparedMethod
from fedsift.protocol.method import Method
from fedsift.strategies.sift_masks import SiftMasksMethod, SiftMergeMethod


def _defined() -> dict[str, type[Method]]:
    """The methods that the modules of this folder define, in the order of tables."""
    methods: dict[str, type[Method]] = {}
    for module in modules("fedsift.strategies"):
        for each in vars(module).values():
            if isinstance(each, type) and issubclass(each, Method) and each.__module__ == module.__name__:
                assert each.name not in methods, f"two methods are called {each.name}"
                methods[each.name] = each
    return {method.name: method for method in sorted(methods.values(), key=lambda each: (each.place, each.name))}


METHODS = _defined()
SIFT_MASKS, SIFT_MERGE = SiftMasksMethod.name, SiftMergeMethod.name

# The methods that SIFT-Masks is compared with.
COMPARED = {name: method for name, method in METHODS.items() if issubclass(method, ComparedMethod)}
