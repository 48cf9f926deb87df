"""What the messages between ServerApp and ClientApp hold: the keys and their codecs, in one place for both sides.

Bulk travels as raw bytes, never as pickles. Types of messages:

    query           -> client id, and its wish: join, stay, leave or away
    train           client id, terms, whether to score; of a deployment, the public key of its certificates
                    -> client id, upload, what is told of the training; where a simulation tracks them, its losses
    train.forget    client id, terms, where it trained, whether it stays -> the same, from a member that leaves and
                    trains again; from one that stays, and has rows of its own forgotten, also the training without them
    query.removed   -> client id; tells a client that its removal is done
    query.vote      terms, the shared head's sums, whether the client is a voter -> client id, its votes on the blend
    query.mask      terms -> client id, its mask
    evaluate        terms, the merged model, the shared head's sums, the blend, and for a member its served magnitudes
                    -> client id, scores

and for the methods that SIFT-Masks is compared with:

    train.fine_tune -> client id, its task vector by plain fine-tuning
    train.local     the round's model, steps and what they minimise -> client id, the model that comes of them
    query.joined    -> client id; tells a client that its data have been trained on
    train.pooled    clients by slices, a task vector to start from -> client id, a task vector for each slice
    train.regress   -> client id, its task vector with linear layers times their inputs' Grams, and these
    train.embed     -> client id, its mean hidden state
    query.masks     the method, what it shares with all, candidates -> client id, a mask for each candidate
    evaluate.served the same, and whether the client is a member -> client id, a score for each candidate
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Generic, TypeVar, cast

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from numpy.typing import NDArray

from fedsift.core.contribution import UploadTerms
from fedsift.core.errors import Refused, counted
from fedsift.core.head_statistics import HeadTerms
from fedsift.core.member import Replacement, Training
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.strict_json import parse_json

QUERY, JOINED, REMOVED, MASK, VOTE = "query", "query.joined", "query.removed", "query.mask", "query.vote"
TRAIN, FORGET, FINE_TUNE, POOLED = "train", "train.forget", "train.fine_tune", "train.pooled"
LOCAL, EMBED, REGRESS, MEMBER_MASKS = "train.local", "train.embed", "train.regress", "query.masks"
EVALUATE, EVALUATE_SERVED = "evaluate", "evaluate.served"
# Error codes of a reply. Flower keeps those below 100 for itself.
CLIENT_INPUT_ERROR, CLIENT_CRASHED, NO_ANSWER = 100, 101, 102

STAYS, REPLACEMENT = "stays", "replacement"  # of who has some of its rows forgotten
LOSSES = "losses"  # beside the reply to a training, from simulated clients where they are tracked
PUBLIC_KEY = "public-key"  # in the configuration of a training: that of the server's certificates

_LARGEST_FINGERPRINT = 10_000
_T = TypeVar("_T")
_RecordT = TypeVar("_RecordT", ArrayRecord, MetricRecord, ConfigRecord)


class Wish(StrEnum):
    """What a client answers to a query. Only the client itself can ask to leave."""

    JOIN = "join"
    STAY = "stay"
    LEAVE = "leave"
    AWAY = "away"
    NEWCOMER = "newcomer"  # never joins, and is only scored


def message_to(node_id: int, message_type: str, server_round: int, content: RecordDict) -> Message:
    """A message from the server to a node."""
    return Message(content, dst_node_id=node_id, message_type=message_type, group_id=str(server_round))


class Stream(Generic[_T]):
    """Messages, or what goes into them, made while they are sent, with their number known beforehand."""

    def __init__(self, items: Iterator[_T], length: int) -> None:
        self._items, self._length = items, length

    def __iter__(self) -> Iterator[_T]:
        return self._items

    def __len__(self) -> int:
        return self._length


def terms_record(terms: UploadTerms, model_digest: bytes = b"") -> ConfigRecord:
    """The terms as a record of a few bytes, with the digest of the M0 that all must have; empty if unchecked."""
    return ConfigRecord(
        {
            "layout-digest": terms.layout_digest,
            "parameters": terms.size,
            "sign-seed": terms.sign_seed.to_bytes(8, "little"),
            "levels": terms.grid.levels,
            "max-magnitude": terms.grid.max_magnitude,
            "threshold": terms.grid.threshold,
            "head-features": terms.head.features if terms.head else 0,
            "head-labels": terms.head.labels if terms.head else 0,
            "model-digest": model_digest,
        }
    )


def read_terms(content: RecordDict) -> UploadTerms:
    """The inverse of `terms_record`, from a message's content."""
    record = record_of(content, "terms", ConfigRecord)
    sign_seed = int.from_bytes(field(record, "sign-seed", bytes), "little")
    highest, threshold = (field(record, key, float) for key in ("max-magnitude", "threshold"))
    grid = QuantisationGrid(field(record, "levels", int), highest, threshold)
    features, labels = (field(record, key, int) for key in ("head-features", "head-labels"))
    head = HeadTerms(features, labels) if features else None
    return UploadTerms(field(record, "layout-digest", bytes), field(record, "parameters", int), sign_seed, grid, head)


def read_model_digest(content: RecordDict) -> bytes:
    """The digest of M0 that came with the terms; empty where nobody checks it."""
    return field(record_of(content, "terms", ConfigRecord), "model-digest", bytes)


def find_record(content: RecordDict, name: str, kind: type[_RecordT]) -> _RecordT | None:
    """A record of a message, if there is one of that name and kind.

    Flower's own `content.array_records` and the like make a reference cycle at each call, with the whole content in it:
    all that a message held would stay in memory until the garbage collector comes by.
    """
    found = content.get(name)
    return found if isinstance(found, kind) else None


def record_of(content: RecordDict, name: str, kind: type[_RecordT]) -> _RecordT:
    """A record of a message, refused where there is none of that name and kind."""
    found = find_record(content, name, kind)
    if found is None:
        raise Refused(f"a message lacks its record {name!r}")
    return found


def field(record: ConfigRecord, key: str, kind: type[_T]) -> _T:
    """A value of a record, refused where it is missing or of another type than `kind`."""
    value = record.get(key)
    if not isinstance(value, kind):
        raise Refused(f"message field {key!r} is {type(value).__name__}; expected {kind.__name__}")
    return value


def client_reply(
    message: Message,
    client_id: str,
    fields: Mapping[str, str | bytes | int | float | list[int]] | None = None,
    scores: dict[str, float] | None = None,
    task_vectors: Sequence[NDArray[np.float32]] = (),
) -> Message:
    """A client's answer to `message`."""
    content = RecordDict({"client": ConfigRecord({"client-id": client_id, **(fields or {})})})
    if scores is not None:
        content["scores"] = MetricRecord(cast(dict[str, int | float | list[int] | list[float]], scores))
    if task_vectors:
        content["task-vectors"] = ArrayRecord({str(i): float_array(each) for i, each in enumerate(task_vectors)})
    return Message(content, reply_to=message)


def replacement_of(reply: Message) -> Replacement:
    """What a member that stays sent beside its rerun."""
    record = reply.content.get(REPLACEMENT)
    if not isinstance(record, ConfigRecord):
        raise Refused("a reply lacks the training without the rows that are to be forgotten")
    return Replacement(field(record, "upload", bytes), reply_training(record), field(record, "rows", int))


def client_record(reply: Message) -> ConfigRecord:
    """The client's part of a reply."""
    record = reply.content.get("client")
    if not isinstance(record, ConfigRecord):
        raise Refused("a reply lacks its client record")
    return record


def reply_training(record: ConfigRecord) -> Training:
    """What the client's part of a reply tells of its training."""
    return Training(
        data_digest=field(record, "data-digest", bytes),
        fingerprint=_fingerprint(field(record, "environment", str)),
        steps=field(record, "steps", int),
        saturated=field(record, "saturated", int),
    )


def _fingerprint(text: str) -> str:
    """A fingerprint in canonical form; refused where it is no flat JSON object of a few strings."""
    try:
        read = parse_json(text, _LARGEST_FINGERPRINT)
    except ValueError:
        read = None
    if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
        raise Refused(f"environment is no JSON object of strings in at most {_LARGEST_FINGERPRINT} characters")
    return json.dumps(read, sort_keys=True)


def reply_scores(reply: Message) -> dict[str, float]:
    """The scores that came with a reply; empty without any."""
    record = reply.content.get("scores")
    if not isinstance(record, MetricRecord):
        return {}
    return {name: float(value) for name, value in record.items() if isinstance(value, int | float)}


def reply_task_vectors(reply: Message, size: int | None = None) -> list[NDArray[np.float32]]:
    """The task vectors of shape (size,) that came with a reply, at least one; of any shape for None."""
    record = reply.content.get("task-vectors")
    if not isinstance(record, ArrayRecord) or not record:
        raise Refused("a reply lacks its task vectors")
    task_vectors = [read_float_array(record[key]) for key in sorted(record, key=int)]
    for task_vector in task_vectors:
        if size is not None and task_vector.shape != (size,):
            raise Refused(f"task vector of shape {task_vector.shape}; this federation has ({size},)")
    return task_vectors


def float_array(values: NDArray[np.float32]) -> Array:
    """A float32 vector as raw little-endian bytes."""
    data = np.ascontiguousarray(values, "<f4")
    return Array(dtype="float32", shape=data.shape, stype="raw", data=data.tobytes())


def read_float_array(array: Array) -> NDArray[np.float32]:
    """The inverse of `float_array`."""
    if array.stype != "raw" or array.dtype != "float32" or len(array.data) != 4 * int(np.prod(array.shape)):
        found = f"array of {counted(len(array.data), 'byte')}, dtype {array.dtype!r}, stype {array.stype!r}"
        raise Refused(f"{found} is no raw float32")
    return np.frombuffer(array.data, "<f4").astype(np.float32, copy=False).reshape(array.shape)
