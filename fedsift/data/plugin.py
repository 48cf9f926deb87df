r"""Client data from a user's own code: `package.module:function`.

The function takes nothing and returns a `FederatedDataset`, or a mapping from client id to that client's rows, or to a
function that makes them when they are asked for. For tasks on text, a row is a (prompt, target) pair:

    def clients():
        return {"ann": [("Q: sky?\nA:", " blue")], "bob": lambda: read_rows("bob.csv")}
"""

from fedsift.core.user_code import call_user_code
from fedsift.data.function_dataset import FunctionDataset, dataset_of


def load_plugin(specification: str) -> FunctionDataset:
    """The data set that `package.module:function` makes.

    Raises:
        BadInput: there is no such function, it raised, or what it returned is no data set.
    """
    return dataset_of(call_user_code("dataset", specification), f"dataset {specification}")
