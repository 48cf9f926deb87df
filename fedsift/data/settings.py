"""Which data set, and what of it, checked by the data set's kind."""

from dataclasses import dataclass

from fedsift.core.options import Group, option
from fedsift.data.kinds import ALL_FORMS, check_source
from fedsift.data.source import Source


@dataclass(frozen=True, kw_only=True)
class DataSettings(Source):
    """Whose rows, and what is learnt from them; the options fit the data set."""

    dataset: str = option(Source.dataset, f"Which data set: {ALL_FORMS}", Group.DATA)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_source(self)
