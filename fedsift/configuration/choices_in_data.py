"""Targets that are none of the choices: said before workers start, and before hours of training."""

from collections.abc import Sequence

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, counted
from fedsift.core.examples import answer_of, choice_of
from fedsift.core.numbered_rows import each_row
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.kinds import kind_of


def warning_of_choices(config: RunConfig, dataset: FederatedDataset, clients: Sequence[str]) -> str:
    """One line about the clients who will fail at a row whose target is no choice; empty where there are none.

    Rows that a function of the user's makes are left to the workers: making them may take long.

    Raises:
        BadInput: all will.
    """
    if not config.choices or not kind_of(config.dataset).in_table:
        return ""
    reasons = [reason for client_id in clients if (reason := _reason(config, dataset, client_id))]
    if not reasons:
        return ""
    if len(reasons) == len(clients):
        raise BadInput(f"all clients would fail; {reasons[0]}")
    return f"{counted(len(reasons), 'client')} of {len(clients):,} will fail; {reasons[0]}"


def _reason(config: RunConfig, dataset: FederatedDataset, client_id: str) -> str:
    try:
        for rows in (dataset.train_examples(client_id), dataset.test_examples(client_id)):
            for _ in each_row(lambda row: choice_of(answer_of(row), config.choices), rows, client_id):
                pass
    except BadInput as error:
        return str(error)
    return ""
