"""The ClientApp of a study's workers: the production app, but for clients that have a script (`ClientScript`).

The only one that misbehaves: no SuperNode can be configured to.
"""

from collections.abc import Sequence

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.federation.client import Client, round_of
from fedsift.federation.worker_app import (
    app as production_app,
    prepare as prepare,  # workers look for it beside the app
)
from fedsift.protocol import messages
from fedsift.protocol.messages import FORGET, QUERY
from fedsift.studies.client_script import ClientScript, Misbehaviour

APP = f"{__name__}:app"


class _ScriptedClientApp(ClientApp):
    def __call__(self, message: Message, context: Context) -> Message:
        """Do what the script says, and all else as in production.

        Raises:
            BadInput: the client is offline, or has lost its data.
        """
        script, node = ClientScript.split(context.node_config)
        context = Context(context.run_id, context.node_id, node, context.state, context.run_config)
        message_type = message.metadata.message_type
        if message_type == QUERY and script.schedule is not None:
            client = Client(context)
            wish = script.wish(client.id, round_of(message), bool(client.membership["member"]))
            return messages.client_reply(message, client.id, {"wish": wish.value})
        if message_type == FORGET and script.misbehaviour in (Misbehaviour.DATA_LOST, Misbehaviour.DATA_CHANGED):
            return _rerun_on_other_data(message, Client(context), script.misbehaviour)
        reply: Message = production_app(message, context)
        if message_type == FORGET and script.misbehaviour == Misbehaviour.TAMPERED_UPLOAD:
            _flip_a_bit(reply)
        return reply


app = _ScriptedClientApp()


def _rerun_on_other_data(message: Message, client: Client, misbehaviour: Misbehaviour) -> Message:
    if misbehaviour == Misbehaviour.DATA_LOST:
        raise BadInput(f"client {client.id!r} has lost its data, so it cannot train again")
    return client.trained(message, client.trainer(message).tune(client.id, _changed(client.train_examples)))


def _changed(rows: Sequence[Row]) -> Sequence[Row]:
    """Other rows: without the last one; a single one stands there twice."""
    return rows[:-1] if len(rows) > 1 else [*rows, *rows]


def _flip_a_bit(reply: Message) -> None:
    """Change the lowest bit of the upload's last byte."""
    record = messages.client_record(reply)
    upload = record["upload"]
    assert isinstance(upload, bytes)
    record["upload"] = upload[:-1] + bytes([upload[-1] ^ 1])
