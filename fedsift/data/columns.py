"""Which columns of a table are asked for, and whether they are there."""

from collections import Counter
from collections.abc import Mapping, Sequence

from fedsift.core.errors import BadInput, unknown_name

# The columns that are wanted, each with the option that names it: errors begin with that.
Columns = Mapping[str, str]
MESSAGES = "messages"  # the option that names a column of conversations; all others name columns of texts


def check_names(columns: Columns, names: Sequence[str], source: str) -> None:
    """See that a table has the columns, and each name once.

    Raises:
        BadInput: it has not; the message names the nearest one that is there.
    """
    for column, option in columns.items():
        if column not in names:
            raise BadInput(f"{option}: {unknown_name('column', column, names)} in {source}")
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        raise BadInput(f"{source}: {times} columns are called {name!r}; give each a name of its own")
