"""What a client tells of its environment is text from a stranger."""

import pytest
from flwr.app import ConfigRecord

from fedsift.core.errors import Refused
from fedsift.protocol.messages import reply_training


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "null", "{", '{"torch": 2}', '{"torch": "2", "torch": "3"}', '{"torch": NaN}', '{"torch": {}}'),
        *("[" * 9_999, '{"a":' * 1_900, '"' + "x" * 10_000 + '"', '{"torch": "\\ud800"}'),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_an_environment_that_is_none(text: str) -> None:
    record = ConfigRecord({"data-digest": b"d", "environment": text, "steps": 1, "saturated": 0})
    with pytest.raises(Refused, match="environment is no JSON object of strings in at most 10000 characters"):
        reply_training(record)
