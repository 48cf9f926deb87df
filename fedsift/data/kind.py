"""What a kind of data set is: which values of `dataset` it takes, with which other options, and how it is loaded."""

from abc import ABC, abstractmethod
from typing import Any

from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.source import Source
from fedsift.data.template import Template


class DataKind(ABC):
    """A kind of data set. A file in `fedsift.data.kinds` that defines one adds it.

    Reading libraries are imported in `load`, since commands that read no data import this, too.

    Attributes:
        names: what `dataset` is, word for word.
        form: what else it may look like, for people; `has_form` decides.
        uses: those of `SOURCE_OPTIONS` that go with it.
        in_table: whether all rows are at hand once it is loaded, so that looking at them takes no time.
        default_clients: how many clients join where nothing says it; 0 for all.
    """

    names: tuple[str, ...] = ()
    form: str = ""
    uses: tuple[str, ...] = ()
    in_table: bool = False
    default_clients: int = 0

    def has_form(self, dataset: str) -> bool:
        """Whether a text that is no name of any kind is of this one."""
        return False

    def check(self, settings: Source) -> None:
        """See that the options say all that is needed.

        Raises:
            BadInput: they do not.
        """
        return

    def defaults(self, dataset: str) -> dict[str, Any]:
        """Values of other options, by key, that hold for this data set where nothing else is given."""
        return {}

    def template(self, settings: Source) -> Template | None:
        """What makes prompts of rows; None where rows come with their prompts."""
        return Template(settings.prompt, settings.target) if settings.prompt else None

    @abstractmethod
    def load(self, settings: Source) -> FederatedDataset:
        """The data set; with `clients` above 0, only so many clients are needed, and the newcomers after them.

        Raises:
            BadInput: it cannot be had.
        """
