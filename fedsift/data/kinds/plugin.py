r"""Client data from a user's own code: `package.module:function`.

The function takes nothing and returns a `FederatedDataset`, or a mapping from client id to that client's rows, or to a
function that makes them when they are asked for. For tasks on text, a row is a (prompt, target) pair:

    def clients():
        return {"ann": [("Q: sky?\nA:", " blue")], "bob": lambda: read_rows("bob.csv")}
"""

from fedsift.core.user_code import call_user_code, is_user_code
from fedsift.data.function_dataset import FunctionDataset, dataset_of
from fedsift.data.kind import DataKind
from fedsift.data.source import Source


def load_plugin(specification: str) -> FunctionDataset:
    """The data set that `package.module:function` makes.

    Raises:
        BadInput: there is no such function, it raised, or what it returned is no data set.
    """
    return dataset_of(call_user_code("dataset", specification), f"dataset {specification}")


class Plugin(DataKind):
    """A function of the user's own says it all."""

    form = "module:function"

    def has_form(self, dataset: str) -> bool:
        """As `package.module:function` is written."""
        return is_user_code(dataset)

    def load(self, settings: Source) -> FunctionDataset:
        """What the function makes."""
        return load_plugin(settings.dataset)
