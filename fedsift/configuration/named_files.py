"""A new configuration: the files that it names are looked for before all else that may be wrong with it.

A run that is there is opened without: its ledger can be read where its data are gone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.user_code import is_user_code
from fedsift.data.file_names import ROWS_SUFFIX, kind_of_file
from fedsift.learning.model_location import check_model


def new_configuration(values: Mapping[str, Any], source: str) -> RunConfig:
    """As `RunConfig.from_mapping`, where a run is to be made.

    Raises:
        BadInput: also a file or folder that is named is not there, which is said first.
    """
    check_named_files(values)
    return RunConfig.from_mapping(values, source)


def check_named_files(values: Mapping[str, Any]) -> None:
    """See that data and model that are named by file or folder are there.

    Raises:
        BadInput: they are not.
    """
    texts = {key: value for key, value in values.items() if isinstance(value, str) and value}
    dataset = texts.get("dataset", "")
    if (kind_of_file(dataset) or dataset.endswith(ROWS_SUFFIX)) and not Path(dataset).exists():
        raise BadInput(f"dataset file {dataset} does not exist")
    if "model" in texts and not is_user_code(texts.get("task", "")):
        check_model(texts["model"])
