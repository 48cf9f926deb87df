"""What a ClientApp's worker says that it has loaded, so that all workers can be seen to have the same."""

from typing import NamedTuple


class Loaded(NamedTuple):
    """What an app's `prepare` has loaded."""

    model_digest: bytes = b""  # of M0, as it was right after loading; empty where there is none
    data_digest: str = ""  # SHA-256 of the data's files in hexadecimal, on a cluster; empty for data without a file
