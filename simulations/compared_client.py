"""A client's side of the methods that SIFT-Masks is compared with."""

import json
from statistics import mean

import numpy as np
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from numpy.typing import NDArray

from fedsift.client_file import load_task_vector, save_task_vector
from simulations.client import MEMBERSHIP, Client, membership, round_of
from strategies import messages
from strategies.pooled_training import stage_steps
from strategies.registry import STRATEGIES


def add_handlers(app: ClientApp) -> None:
    """Let an app answer the messages of these methods."""
    app.query("joined")(joined)
    app.train("fine_tune")(fine_tune)
    app.train("pooled")(train_pooled)
    app.evaluate("served")(evaluate_served)


def joined(message: Message, context: Context) -> Message:
    """Hear that its data have been trained on in a pool."""
    client = Client(context)
    context.state[MEMBERSHIP] = membership(member=True, server_round=round_of(message))
    return messages.client_reply(message, client.id)


def fine_tune(message: Message, context: Context) -> Message:
    """Upload the task vector of a plain fine-tuning; where the client keeps it from another method, that one."""
    client = Client(context)
    task_vector = load_task_vector(client.vector_folder, client.id)
    if task_vector is None:
        tuner = client.fine_tuner
        task_vector = tuner.fine_tune(client.id, tuner.encode(client.id, client.train_examples))
        save_task_vector(client.vector_folder, client.id, task_vector)
    if not client.membership["member"]:
        context.state[MEMBERSHIP] = membership(member=True, server_round=round_of(message))
    return messages.client_reply(message, client.id, {"steps": client.config.steps}, task_vectors=[task_vector])


def train_pooled(message: Message, context: Context) -> Message:
    """Train on the data of several clients, stage by stage, for the methods that pool them in one place."""
    client = Client(context)
    tuner = client.fine_tuner
    config = message.content.config_records["config"]
    pool, first, slices = int(str(config["pool"])), int(str(config["first"])), json.loads(str(config["slices"]))
    start = message.content.array_records.get("start")
    task_vector = None if start is None else messages.read_float_array(start["values"])
    clients, encoded, steps = 0, [], 0
    checkpoints: list[NDArray[np.float32]] = []
    for stage, client_ids in enumerate(slices):
        clients += len(client_ids)
        for client_id in client_ids:
            encoded += tuner.encode(client_id, client.train_examples_of(client_id))
        if stage < first:
            continue
        if encoded:
            number = stage_steps(client.config.steps, clients, stage, len(slices))
            task_vector = tuner.fine_tune(f"pool {pool}, stage {stage}", encoded, number, task_vector)
            steps += number
        checkpoints.append(np.zeros(tuner.layout.size, np.float32) if task_vector is None else task_vector)
    return messages.client_reply(message, client.id, {"pool": pool, "steps": steps}, task_vectors=checkpoints)


def evaluate_served(message: Message, context: Context) -> Message:
    """Score what a client is served, with each candidate's hyper-parameters."""
    client = Client(context)
    tuner = client.fine_tuner
    test = tuner.encode(client.id, client.test_examples)
    config = message.content.config_records["config"]
    shared = {name: messages.read_float_array(array) for name, array in message.content.array_records["shared"].items()}
    own = load_task_vector(client.vector_folder, client.id) if config["member"] else None
    serve, sizes = STRATEGIES[str(config["method"])].serve, tuner.layout.sizes
    scores = {}
    for place, terms in enumerate(json.loads(str(config["candidates"]))):
        scores[f"served {place}"] = mean(tuner.score(each, test) for each in serve(own, shared, sizes, **terms))
    return messages.client_reply(message, client.id, scores=scores)
