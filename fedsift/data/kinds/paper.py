"""The four settings of the SIFT-Masks paper."""

from typing import Any

from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.kind import DataKind
from fedsift.data.paper_settings import PAPER_SETTINGS
from fedsift.data.source import Source

_BRINGS = ("model", "lr", "steps", "batch_size", "clients", "max_length", "choices")


class Paper(DataKind):
    """From the hub, or from the file that `data-file` names."""

    names = tuple(PAPER_SETTINGS)
    uses = ("data_file",)

    def defaults(self, dataset: str) -> dict[str, Any]:
        """The numbers of appendix B."""
        return {name.replace("_", "-"): getattr(PAPER_SETTINGS[dataset], name) for name in _BRINGS}

    def load(self, settings: Source) -> FederatedDataset:
        """The busiest clients (`load_paper_setting`)."""
        from fedsift.data.paper_clients import load_paper_setting

        return load_paper_setting(settings.dataset, settings.data_file, settings.clients)
