"""The real ClientApp, with what its replies hold tampered with; which way is told by the node's configuration."""

from flwr.app import ConfigRecord, Context, Message
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import ClientAppCallable

from simulations.client_app import app as honest_app

app = ClientApp()


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
    elif way == "speak for client 0" and message_type != "query":
        record["client-id"] = "client 0"
    elif way == "claim to be client 0":
        record["client-id"] = "client 0"
    elif way == "send text for bytes" and "upload" in record:
        record["upload"] = "text"
    elif way == "send nothing" and message_type == "train":
        del reply.content["client"]
    elif way == "send a mask of ones" and "mask" in record:
        record["mask"] = b"\xff" * len(record["mask"])  # type: ignore[arg-type]
    elif way == "wish nonsense" and message_type == "query":
        record["wish"] = "nonsense"


def _hostile(message: Message, context: Context) -> Message:
    way = str(context.node_config.get("way", ""))
    if way == "fail" and message.metadata.message_type == "train":
        raise RuntimeError("disk on fire")
    reply = honest_app(message, context)
    _tamper(reply, way)
    return reply


_handler: ClientAppCallable = _hostile
for _register in (app.query(), app.query("mask"), app.train(), app.train("forget"), app.evaluate()):
    _register(_handler)
