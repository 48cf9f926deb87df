"""A client's side of the methods that SIFT-Masks is compared with."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message
from flwr.clientapp import ClientApp

from fedsift.core.bit_packing import pack_mask
from fedsift.core.client_file import load_task_vector, save_task_vector
from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.local_training import LocallyTrained, LocalTraining, Objective
from fedsift.core.regression import regression
from fedsift.core.task_vectors import Vector
from fedsift.federation.client import MEMBERSHIP, Client, membership, round_of
from fedsift.learning.fine_tuning import FineTuner
from fedsift.protocol import messages
from fedsift.protocol.compared_method import ComparedMethod, Recipient, Terms
from fedsift.strategies.families.pooled_training import stage_entries, stage_steps
from fedsift.strategies.registry import compared_named

ROUNDS_FOLDER = "rounds"  # in the folder of the task vectors: a file for each training of a round


def add_handlers(app: ClientApp) -> None:
    """Let an app answer the messages of these methods."""
    app.query("joined")(joined)
    app.train("fine_tune")(fine_tune)
    app.train("local")(train_locally)
    app.train("pooled")(train_pooled)
    app.train("regress")(regress)
    app.train("embed")(embed)
    app.query("masks")(member_masks)
    app.evaluate("served")(evaluate_served)


def joined(message: Message, context: Context) -> Message:
    """Hear that it is a member: its task vector has been merged, or its data trained on in a pool."""
    client = Client(context)
    context.state[MEMBERSHIP] = membership(member=True, server_round=round_of(message))
    return messages.client_reply(message, client.id)


def fine_tune(message: Message, context: Context) -> Message:
    """Upload the task vector of a plain fine-tuning."""
    client = Client(context)
    steps, own = _steps(client), _fine_tuned(client)
    return messages.client_reply(message, client.id, {"steps": steps}, task_vectors=[own])


def train_locally(message: Message, context: Context) -> Message:
    """Train from the round's model, and upload what comes of it."""
    client = Client(context)
    config = messages.record_of(message.content, "config", ConfigRecord)
    number, steps = (messages.field(config, key, int) for key in ("round", "steps"))
    start = messages.read_float_array(messages.record_of(message.content, "start", ArrayRecord)["values"])
    sent = messages.find_record(message.content, "correction", ArrayRecord)
    correction = None if sent is None else messages.read_float_array(sent["values"])
    objective = Objective(messages.field(config, "objective", str))
    asked = LocalTraining(steps, objective, messages.field(config, "proximal", float), correction)
    trained = _locally_trained(client, number, start, asked)
    fields = {"rows": trained.rows, "steps": trained.steps, "reach": trained.reach}
    return messages.client_reply(message, client.id, fields, task_vectors=[trained.task_vector])


def _locally_trained(client: Client, number: int, start: Vector, asked: LocalTraining) -> LocallyTrained:
    """A round's training; where another method has had the very same one, its result."""
    tuner, rows = client.fine_tuner, client.train_examples
    if asked.correction is not None:
        return tuner.local(client.id, number, tuner.encode(client.id, rows), start, asked)
    folder = client.vector_folder / ROUNDS_FOLDER
    training = f"{number} {hashlib.sha256(start.data).hexdigest()} {asked.kind} {client.id}"
    task_vector = load_task_vector(folder, training, tuner.layout.size)
    if task_vector is not None:
        return LocallyTrained(task_vector, len(rows), asked.steps, client.config.tuning.lr_sum(asked.steps))
    trained = tuner.local(client.id, number, tuner.encode(client.id, rows), start, asked)
    folder.mkdir(exist_ok=True)
    save_task_vector(folder, training, trained.task_vector)
    return trained


def regress(message: Message, context: Context) -> Message:
    """Upload the Grams of the linear layers on the own rows after a plain fine-tuning, and the products with these."""
    client = Client(context)
    own, tuner, steps = _fine_tuned(client), client.fine_tuner, _steps(client)
    grams = tuner.input_grams(own, tuner.encode(client.id, client.train_examples))
    sent = regression(own, grams, tuner.layout, steps)
    reply = messages.client_reply(message, client.id, {"steps": steps}, task_vectors=[sent.products])
    reply.content["grams"] = ArrayRecord({name: messages.float_array(gram) for name, gram in sent.grams.items()})
    return reply


def _steps(client: Client) -> int:
    return client.config.tuning.steps_for(len(client.train_examples))


def _fine_tuned(client: Client) -> Vector:
    """The task vector of a plain fine-tuning; where the client keeps it from another method, that one."""
    tuner = client.fine_tuner
    task_vector = load_task_vector(client.vector_folder, client.id, tuner.layout.size)
    if task_vector is None:
        task_vector = tuner.fine_tune(client.id, tuner.encode(client.id, client.train_examples))
        save_task_vector(client.vector_folder, client.id, task_vector)
    return task_vector


def train_pooled(message: Message, context: Context) -> Message:
    """Train on the data of several clients, stage by stage, for the methods that pool them in one place."""
    client = Client(context)
    tuner = client.fine_tuner
    config = messages.record_of(message.content, "config", ConfigRecord)
    pool, first, slices = int(str(config["pool"])), int(str(config["first"])), json.loads(str(config["slices"]))
    start = messages.find_record(message.content, "start", ArrayRecord)
    task_vector = None if start is None else messages.read_float_array(start["values"])
    lr, in_layers = client.config.lr * float(str(config["lr-factor"])), bool(config["in-layers"])
    client_ids: list[str] = []
    encoded: list[Any] = []
    steps = 0
    checkpoints: list[Vector] = []
    for stage, joining in enumerate(slices):
        client_ids += joining
        for client_id in joining:
            encoded += tuner.encode(client_id, client.train_examples_of(client_id))
        if stage < first:
            continue
        if encoded:
            number = stage_steps(client.config.steps, len(client_ids), stage, len(slices))
            entries = stage_entries(tuner.layout.size, stage, len(slices)) if in_layers else None
            task_vector = _pooled(client, client_ids, encoded, number, task_vector, lr, entries)
            steps += number
        checkpoints.append(np.zeros(tuner.layout.size, np.float32) if task_vector is None else task_vector)
    return messages.client_reply(message, client.id, {"pool": pool, "steps": steps}, task_vectors=checkpoints)


def _pooled(
    client: Client,
    client_ids: Sequence[str],
    encoded: Sequence[Any],
    steps: int,
    start: Vector | None,
    lr: float,
    entries: slice | None,
) -> Vector:
    """Train on several clients' rows; where another method has had the very same training, its result."""
    name = hashlib.sha256(json.dumps(client_ids).encode()).hexdigest()
    digest = hashlib.sha256(b"" if start is None else start.data).hexdigest()
    part = f" {entries.start}:{entries.stop}" if entries else ""
    training = f"pooled {name} {steps} {lr} {digest}{part}"
    tuner = client.fine_tuner
    task_vector = load_task_vector(client.vector_folder, training, tuner.layout.size)
    if task_vector is None:
        task_vector = tuner.fine_tune(name, encoded, steps, start, lr, entries)
        save_task_vector(client.vector_folder, training, task_vector)
    return task_vector


def embed(message: Message, context: Context) -> Message:
    """Tell the mean hidden state of the rows to tune on, under M0."""
    client = Client(context)
    tuner = client.fine_tuner
    hidden = tuner.embed(tuner.encode(client.id, client.train_examples))
    return messages.client_reply(message, client.id, task_vectors=[hidden])


def member_masks(message: Message, context: Context) -> Message:
    """Send the masks that a method makes of the own task vector, one for each candidate."""
    client = Client(context)
    own = load_task_vector(client.vector_folder, client.id, client.fine_tuner.layout.size)
    if own is None:
        raise BadInput(f"client {client.id!r} keeps no task vector to make a mask of")
    method, candidates, shared = _asked(message)
    masks: dict[str, str | bytes | int] = {
        f"mask {place}": pack_mask(method.mask(own, shared, **terms)) for place, terms in enumerate(candidates)
    }
    return messages.client_reply(message, client.id, masks)


def evaluate_served(message: Message, context: Context) -> Message:
    """Score what a client is served, with each candidate's hyper-parameters; nothing without rows to be scored on."""
    client = Client(context)
    tuner = client.fine_tuner
    method, candidates, shared = _asked(message)
    member = messages.record_of(message.content, "config", ConfigRecord)["member"]
    own = load_task_vector(client.vector_folder, client.id, tuner.layout.size) if member else None

    @cache
    def score(name: str) -> float:
        return tuner.score(shared[name], tuner.encode(client.id, client.train_examples))

    recipient = Recipient(own, shared, tuner.layout.sizes, score)
    scores = scores_of_served(tuner, client.id, client.test_examples, method, recipient, candidates)
    named = {f"served {place}": score for place, score in enumerate(scores)}
    return messages.client_reply(message, client.id, scores=named)


def scores_of_served(
    tuner: FineTuner,
    client_id: str,
    rows: Sequence[Row],
    method: type[ComparedMethod],
    recipient: Recipient,
    candidates: Sequence[Terms],
) -> list[float]:
    """The score of what a client is served with each candidate's hyper-parameters; none without rows."""
    if not rows:
        return []
    test = tuner.encode(client_id, rows)
    return [tuner.score_of_several(method.serve(recipient, **terms), test, method.ensemble) for terms in candidates]


def _asked(message: Message) -> tuple[type[ComparedMethod], list[dict[str, float]], dict[str, Vector]]:
    """The method, the candidates, and what is shared with all."""
    config = messages.record_of(message.content, "config", ConfigRecord)
    shared = {
        name: messages.read_float_array(array)
        for name, array in messages.record_of(message.content, "shared", ArrayRecord).items()
    }
    return compared_named(str(config["method"])), json.loads(str(config["candidates"])), shared
