"""The kinds of data sets: each file here defines one, and is found by being here."""

from typing import Any

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.options import hyphened
from fedsift.core.registration import modules
from fedsift.data.kind import DataKind
from fedsift.data.source import Source

list(modules(__name__))  # whose classes are known then
KINDS = tuple(kind() for kind in DataKind.__subclasses__())
# Where rows come from; which of them go with a data set, its kind says.
SOURCE_OPTIONS = (
    "data_file",
    "client_column",
    "prompt",
    "target",
    "paraphrase",
    "messages",
    "partition",
    "group_column",
)
_NAMES = [name for kind in KINDS for name in kind.names]
_FORMS = [kind.form for kind in KINDS if kind.form]
ALL_FORMS = f"{', '.join([*reversed(_FORMS), *_NAMES])}."


def kind_of(dataset: str) -> DataKind:
    """The kind of a data set.

    Raises:
        BadInput: there is none of that name or form.
    """
    for kind in KINDS:
        if dataset in kind.names or (dataset not in _NAMES and kind.has_form(dataset)):
            return kind
    raise BadInput(f"{unknown_name('dataset', dataset, _NAMES)} (or give {', or '.join(_FORMS)})")


def check_source(settings: Source) -> None:
    """See that the options that say where rows come from fit the data set.

    Raises:
        BadInput: they do not, or there is no such data set.
    """
    kind = kind_of(settings.dataset)
    for name in SOURCE_OPTIONS:
        if getattr(settings, name) and name not in kind.uses:
            users = " or ".join(each.form or ", ".join(each.names) for each in KINDS if name in each.uses)
            raise BadInput(f"{hyphened(name)} belongs to {users}; dataset {settings.dataset} takes none")
    if settings.group_column and not settings.test_share:
        raise BadInput("group-column says which rows are kept for scoring together; with test-share = 0 none are")
    kind.check(settings)


def defaults_of(dataset: Any) -> dict[str, Any]:
    """The defaults that a data set brings along, by key; none where there is no such data set."""
    try:
        return kind_of(dataset).defaults(dataset) if isinstance(dataset, str) else {}
    except BadInput:
        return {}
