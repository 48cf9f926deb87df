"""What a ClientApp's worker says that it has loaded, so that all workers can be seen to have the same.

The server knows the model by it, and does without torch itself.
"""

from typing import NamedTuple

from fedsift.core.head_statistics import HeadTerms
from fedsift.core.parameter_layout import ParameterLayout


class Loaded(NamedTuple):
    """What an app's `prepare` has loaded."""

    model_digest: bytes = b""  # of M0, as it was right after loading; empty where there is none
    data_digest: str = ""  # SHA-256 of the data's files in hexadecimal, on a cluster; empty for data without a file
    metric: str = ""  # what the task's scores are called
    layout: ParameterLayout | None = None  # of the tuned parameters; None where there is no model
    head: HeadTerms | None = None  # the shape of the shared head; None where there is none
