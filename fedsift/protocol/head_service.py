"""What the server sends of the shared head to whoever is served from it, and what members vote on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from numpy.typing import NDArray

from fedsift.core.blend import BLENDS, HEAD_VOTES, MOST_LOSS, Blend
from fedsift.core.errors import Refused, counted
from fedsift.core.head_statistics import HeadTerms
from fedsift.core.server_state import ServerState
from fedsift.core.shared_head import HeadSums, choose_ridge
from fedsift.protocol import messages

_HEAD, _SERVICE = "head", "head-service"


@dataclass(frozen=True)
class HeadService:
    """The shared head as it is served."""

    sums: HeadSums  # over all members
    ridge: float  # lambda, chosen from the sums
    blend: Blend  # one of the public settings


class SentHead:
    """The records of a round's shared head: the sums are one object for all messages, so that they are stored once.

    Attributes:
        decisions: of all members.
    """

    def __init__(self, state: ServerState) -> None:
        """Of the state's sums of now."""
        sums = state.head_sums()
        gram, targets, count = state.sums.head.values()
        self._sums = ArrayRecord({"gram": _integers(gram), "targets": _integers(targets)})
        self.decisions, self._ridge = int(count[0]), choose_ridge(sums)

    def add_to(self, content: RecordDict, blend: Blend) -> RecordDict:
        """Put it into a message."""
        content[_HEAD] = self._sums
        content[_SERVICE] = ConfigRecord({"decisions": self.decisions, "ridge": self._ridge, **blend._asdict()})
        return content


def read_head(content: RecordDict, terms: HeadTerms | None) -> HeadService | None:
    """The inverse of `SentHead.add_to`; None where a message has none.

    Raises:
        Refused: it is of other terms, or malformed.
    """
    service = messages.find_record(content, _SERVICE, ConfigRecord)
    if service is None or terms is None:
        return None
    arrays = messages.find_record(content, _HEAD, ArrayRecord) or ArrayRecord()
    if not {"gram", "targets"} <= arrays.keys():
        raise Refused("the shared head's sums are missing")
    gram, targets = (_read_integers(arrays[name]) for name in ("gram", "targets"))
    sizes = terms.vectors()
    if (len(gram), len(targets)) != (sizes["head gram"], sizes["head targets"]):
        raise Refused("the shared head's sums are of another size than the terms say")
    decisions, ridge = messages.field(service, "decisions", int), messages.field(service, "ridge", float)
    blend = Blend(*(messages.field(service, name, float) for name in Blend._fields))
    if decisions < 0 or not 0 < ridge < math.inf:
        raise Refused(f"a shared head of {decisions} decisions, with a ridge of {ridge}, is none")
    if blend not in BLENDS:
        raise Refused(f"{blend} is none of the public settings")
    return HeadService(HeadSums.of_vectors(gram, targets, decisions, terms.features), ridge, blend)


def read_votes(client: ConfigRecord, is_voter: bool, decisions: int) -> tuple[list[int], list[int] | None]:
    """A member's votes: losses without its own model, and with it where it is a voter that had rows enough.

    Args:
        client: its part of the reply.
        is_voter: whether it was asked for the latter.
        decisions: of all members; nobody can lose more than on all of them.

    Raises:
        Refused: they are no such losses.
    """
    head, own = messages.field(client, "head-losses", list), messages.field(client, "own-losses", list)
    for votes, expected in ((head, (HEAD_VOTES,)), (own, (0, len(BLENDS)) if is_voter else (0,))):
        most = MOST_LOSS * decisions
        if len(votes) not in expected or not all(type(vote) is int and 0 <= vote <= most for vote in votes):
            raise Refused(f"votes {votes[:20]} are no {expected[-1]} losses")
    return head, own or None


def summed(votes: Sequence[Sequence[int]]) -> list[int]:
    """Votes added up."""
    return [sum(each) for each in zip(*votes, strict=True)]


def _integers(values: NDArray[np.int64]) -> Array:
    data = np.ascontiguousarray(values, "<i8")
    return Array(dtype="int64", shape=data.shape, stype="raw", data=data.tobytes())


def _read_integers(array: Array) -> NDArray[np.int64]:
    if array.stype != "raw" or array.dtype != "int64" or len(array.data) % 8:
        raise Refused(f"array of {counted(len(array.data), 'byte')}, dtype {array.dtype!r}, is no raw int64")
    return np.frombuffer(array.data, "<i8").astype(np.int64, copy=False)
