import gc
import weakref

import pytest
from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from fedsift.core.errors import Refused
from fedsift.protocol.messages import find_record, record_of


def test_a_record_is_found_by_name_and_kind() -> None:
    client = ConfigRecord({"client-id": "a"})
    content = RecordDict({"client": client, "merged": ArrayRecord()})
    assert find_record(content, "client", ConfigRecord) is record_of(content, "client", ConfigRecord) is client
    for name, kind in (("client", ArrayRecord), ("merged", ConfigRecord), ("nothing", ConfigRecord)):
        assert find_record(content, name, kind) is None
        with pytest.raises(Refused, match=f"a message lacks its record '{name}'"):
            record_of(content, name, kind)


def test_who_looks_at_a_message_does_not_keep_it() -> None:
    """Flower's own views do, until the garbage collector comes."""
    gc.disable()
    try:
        content = RecordDict({"client": ConfigRecord({"upload": bytes(9)})})
        gone = weakref.ref(content)
        record_of(content, "client", ConfigRecord)
        del content
        assert gone() is None
    finally:
        gc.enable()
