"""The studies' ClientApp, made hostile, slow or deadly as a node's configuration tells ("way", "delay", "deaths")."""

import os
import signal
import time
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedsift.protocol.messages import read_float_array
from fedsift.studies.scripted_client_app import (
    app as scripted_app,
    prepare as prepare,  # workers look for it beside the app
)


def _tamper(reply: Message, way: str) -> None:
    record = reply.content["client"]
    assert isinstance(record, ConfigRecord)
    message_type = reply.metadata.message_type
    if way == "cut the upload" and "upload" in record:
        record["upload"] = record["upload"][:-1]  # type: ignore[index]
    elif way == "flip a bit of the rerun" and message_type == "train.forget":
        upload = bytearray(record["upload"])  # type: ignore[arg-type]
        upload[100] ^= 1
        record["upload"] = bytes(upload)
    elif way == "change the head of the rerun" and message_type == "train.forget":
        record["upload"] = record["upload"][:-1] + bytes([record["upload"][-1] ^ 1])  # type: ignore[index, operator]
    elif (
        way == "claim to be client 0"
        or (way == "speak for client 0" and message_type != "query")
        or (way == "remove client 0" and message_type == "train.forget")
    ):
        record["client-id"] = "client 0"
    elif way == "send text for bytes" and "upload" in record:
        record["upload"] = "text"
    elif way == "send nothing" and message_type == "train":
        del reply.content["client"]
    elif way == "send a mask of ones" and "mask" in record:
        record["mask"] = b"\xff" * len(record["mask"])  # type: ignore[arg-type]
    elif way == "vote nonsense" and message_type == "query.vote":
        record["head-losses"] = [-1]
    elif way == "wish nonsense" and message_type == "query":
        record["wish"] = "nonsense"


def _disturb(delay: float, deaths: str) -> None:
    """Answer late, and kill this worker as often as the file `deaths` has lines left."""
    time.sleep(delay)
    if deaths:
        lines = Path(deaths).read_text(encoding="utf-8").splitlines()
        if lines:
            Path(deaths).write_text("\n".join(lines[1:]), encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)


class _DisturbedClientApp(ClientApp):
    def __call__(self, message: Message, context: Context) -> Message:
        node = dict(context.node_config)
        way, delay, deaths = str(node.pop("way", "")), float(node.pop("delay", 0.0)), str(node.pop("deaths", ""))
        context.node_config = node  # The real app knows no such keys.
        if message.metadata.message_type == "query.echo":
            return _echo(message)
        if message.metadata.message_type == "train":
            _disturb(delay, deaths)
            if way == "fail":
                raise RuntimeError("disk on fire")
        reply = scripted_app(message, context)
        _tamper(reply, way)
        return reply


app = _DisturbedClientApp()


def _echo(message: Message) -> Message:
    """Answer with the sum of every array that came."""
    sums = MetricRecord()
    for name, record in message.content.array_records.items():
        sums[name] = sum(float(read_float_array(array).sum()) for array in record.values())
    return Message(RecordDict({"echo": sums}), reply_to=message)
