"""The four settings of the SIFT-Masks paper."""

from typing import Any

from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.kind import DataKind
from fedsift.data.paper_settings import PAPER_SETTINGS
from fedsift.data.source import Source
from fedsift.data.template import Template

_BRINGS = ("model", "lr", "steps", "batch_size", "clients", "max_length", "choices")


class Paper(DataKind):
    """From the hub, or from the file that `data-file` names."""

    names = tuple(PAPER_SETTINGS)
    uses = ("data_file",)
    in_table = True

    def defaults(self, dataset: str) -> dict[str, Any]:
        """The numbers of appendix B; what is memorised is scored on the rows themselves, and nobody's are held back."""
        setting = PAPER_SETTINGS[dataset]
        numbers = {name.replace("_", "-"): getattr(setting, name) for name in _BRINGS}
        return numbers | ({"test-share": 0.0, "newcomers": 0.0} if setting.memorised else {})

    def template(self, settings: Source) -> Template:
        """The setting's."""
        return PAPER_SETTINGS[settings.dataset].template

    def load(self, settings: Source) -> FederatedDataset:
        """The busiest clients (`load_paper_setting`), and the next as newcomers."""
        from fedsift.data.paper_clients import load_paper_setting

        clients = settings.clients or PAPER_SETTINGS[settings.dataset].clients
        everybody = clients + settings.newcomers_of(clients)
        return load_paper_setting(settings.dataset, settings.data_file, everybody)
