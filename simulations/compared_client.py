"""A client's side of the methods that SIFT-Masks is compared with."""

import json

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedsift.client_file import load_task_vector, save_task_vector
from fedsift.errors import BadInput
from simulations.client import MEMBERSHIP, Client, membership
from strategies import messages
from strategies.registry import STRATEGIES


def add_handlers(app: ClientApp) -> None:
    """Let an app answer `train.fine_tune` and `evaluate.served`."""
    app.train("fine_tune")(fine_tune)
    app.evaluate("served")(evaluate_served)


def fine_tune(message: Message, context: Context) -> Message:
    """Upload the task vector of a plain fine-tuning; where the client keeps it from another method, that one."""
    client = Client(context)
    task_vector = load_task_vector(client.vector_folder, client.id)
    if task_vector is None:
        tuner = client.fine_tuner
        task_vector = tuner.fine_tune(client.id, tuner.encode(client.id, client.train_examples))
        save_task_vector(client.vector_folder, client.id, task_vector)
    if not client.membership["member"]:
        context.state[MEMBERSHIP] = membership(member=True, server_round=int(message.metadata.group_id))
    return messages.client_reply(message, client.id, {"steps": client.config.steps}, task_vector=task_vector)


def evaluate_served(message: Message, context: Context) -> Message:
    """Score what a client is served, with each candidate's hyper-parameters."""
    client = Client(context)
    tuner = client.fine_tuner
    test = tuner.encode(client.id, client.test_examples)
    config = message.content.config_records["config"]
    shared = {name: messages.read_float_array(array) for name, array in message.content.array_records["shared"].items()}
    own = load_task_vector(client.vector_folder, client.id) if config["member"] else None
    if config["member"] and own is None:
        raise BadInput(f"client {client.id!r} has lost its task vector, so it cannot be served")
    serve, sizes = STRATEGIES[str(config["method"])].serve, tuner.layout.sizes
    scores = {
        f"served {place}": tuner.score(serve(own, shared, sizes, **chosen), test)
        for place, chosen in enumerate(json.loads(str(config["candidates"])))
    }
    return messages.client_reply(message, client.id, scores=scores)
