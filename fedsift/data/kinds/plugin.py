r"""Client data from a user's own code: `package.module:function`.

The function takes nothing and returns a `FederatedDataset`, or a mapping from client id to that client's rows, or to a
function that makes them when they are asked for. For tasks on text, a row is a (prompt, target) pair:

    def clients():
        return {"ann": [("Q: sky?\nA:", " blue")], "bob": lambda: read_rows("bob.csv")}
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.user_code import call_user_code, is_user_code, told_as_bad_input
from fedsift.data.function_dataset import FunctionDataset
from fedsift.data.kind import DataKind

if TYPE_CHECKING:
    from fedsift.data.settings import DataSettings


def load_plugin(specification: str) -> FunctionDataset:
    """The data set that `package.module:function` makes.

    Raises:
        BadInput: there is no such function, it raised, or what it returned is no data set.
    """
    made = call_user_code("dataset", specification)
    name = f"dataset {specification}"
    if isinstance(made, Mapping):

        def train(client_id: str) -> Iterable[Row]:
            rows = made[client_id]
            if isinstance(rows, Iterator):
                raise BadInput(
                    f"{name}: client {client_id!r}: its rows are a {type(rows).__name__}, which can be read only once; "
                    "give a list, or a function that makes them"
                )
            made_now: Iterable[Row] = rows() if callable(rows) else rows
            return made_now

        return FunctionDataset(made, train, name=name)
    with told_as_bad_input(name):
        if hasattr(made, "client_ids") and callable(getattr(made, "train_examples", None)):
            return FunctionDataset(made.client_ids, made.train_examples, getattr(made, "test_examples", None), name)
    raise BadInput(
        f"{name} returned {type(made).__name__}; expected a mapping from client id to rows, or an object with "
        "client_ids and train_examples(client_id), such as a TableDataset over a frame"
    )


class Plugin(DataKind):
    """A function of the user's own says it all."""

    form = "module:function"

    def has_form(self, dataset: str) -> bool:
        """As `package.module:function` is written."""
        return is_user_code(dataset)

    def load(self, settings: "DataSettings") -> FunctionDataset:
        """What the function makes."""
        return load_plugin(settings.dataset)


KIND = Plugin()
