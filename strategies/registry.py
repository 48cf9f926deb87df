"""All methods, by name: a file in this folder that defines one is found by itself."""

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.registration import modules
from fedsift.core.user_code import find_user_code, is_user_code
from fedsift.protocol.compared_method import ComparedMethod
from fedsift.protocol.method import Method
from fedsift.strategies.families.federated_rounds import FederatedRounds
from fedsift.strategies.families.forgetting_rounds import ForgettingRounds
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

_FACTS = ("title", "paper", "exact", "cost", "storage")  # that a method has to state


def method_named(name: str) -> type[Method]:
    """A method of this folder by its name, one of unlearning on another of training (`fedprox+npo`), or module:Class.

    Raises:
        BadInput: there is none, or it is no method to compare with.
    """
    if "+" in name:
        return _put_together(*name.split("+", 1))
    if not is_user_code(name):
        if name not in METHODS:
            raise unknown_name("method", name, METHODS)
        return METHODS[name]
    found = find_user_code("methods", name, ComparedMethod)
    if not (isinstance(found, type) and issubclass(found, ComparedMethod)):
        raise BadInput(f"methods {name}: it is no subclass of fedsift.protocol.compared_method.ComparedMethod")
    if missing := sorted(found.__abstractmethods__) or [each for each in _FACTS if not hasattr(found, each)]:
        raise BadInput(f"methods {name}: it does not define {', '.join(missing)}")
    return type(found.__name__, (found,), {"name": name})  # by which workers find it, too


def _put_together(training: str, forgetting: str) -> type[Method]:
    """A method that trains in rounds, and one that forgets on top of such, as one method."""
    in_rounds = {name: method for name, method in METHODS.items() if issubclass(method, FederatedRounds)}
    forgets = {name: method for name, method in in_rounds.items() if issubclass(method, ForgettingRounds)}
    trains = {name: method for name, method in in_rounds.items() if name not in forgets}
    if training not in trains:
        raise unknown_name("method that trains in rounds", training, trains)
    if forgetting not in forgets:
        raise unknown_name("method that forgets on top of rounds", forgetting, forgets)
    below, above = trains[training], forgets[forgetting]
    named = {"name": f"{training}+{forgetting}", "title": f"{below.title} + {above.title}"}
    return type(above.__name__, (above, below), named)


def compared_named(name: str) -> type[ComparedMethod]:
    """The same, of a method that SIFT-Masks is compared with."""
    found = method_named(name)
    assert issubclass(found, ComparedMethod)
    return found
