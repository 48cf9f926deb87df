"""What a study's simulated client does round by round, and what it does wrong: two keys of its node's configuration.

Production (`fedsift.configuration.node_config`) knows no such keys; `scripted_client_app` takes them out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fedsift.core.errors import BadInput
from fedsift.protocol.messages import Wish

_SCHEDULE, _MISBEHAVIOUR = "schedule", "misbehaviour"


class Misbehaviour(StrEnum):
    """What a client that leaves does wrong: it does not answer, or its rerun is not what was merged."""

    OFFLINE = "offline"
    DATA_LOST = "data-lost"
    DATA_CHANGED = "data-changed"
    OTHER_HARDWARE = "other-hardware"
    TAMPERED_UPLOAD = "tampered-upload"


@dataclass(frozen=True)
class ClientScript:
    """What a client does.

    Attributes:
        schedule: round -> join, leave or offline; in other rounds it stays as it is. None: it decides by itself.
        misbehaviour: of its reruns; None: they are honest.
    """

    schedule: Mapping[int, str] | None = None
    misbehaviour: Misbehaviour | None = None

    @classmethod
    def split(cls, node_config: Mapping[str, Any]) -> tuple["ClientScript", dict[str, Any]]:
        """The script in a node's configuration, and what else stands there."""
        node = dict(node_config)
        schedule, misbehaviour = node.pop(_SCHEDULE, None), node.pop(_MISBEHAVIOUR, None)
        rounds = None
        if schedule is not None:
            entries = [entry.split() for entry in schedule.split(",") if entry]
            rounds = {int(server_round): what for server_round, what in entries}
        return cls(rounds, Misbehaviour(misbehaviour) if misbehaviour else None), node

    def to_user_config(self) -> dict[str, str]:
        """The keys of the node's configuration, such as schedule = "1 join,3 offline,4 leave"."""
        keys = {}
        if self.schedule is not None:
            keys[_SCHEDULE] = ",".join(f"{server_round} {what}" for server_round, what in self.schedule.items())
        if self.misbehaviour is not None:
            keys[_MISBEHAVIOUR] = self.misbehaviour.value
        return keys

    def wish(self, client_id: str, server_round: int, member: bool) -> Wish:
        """What the client answers to a query, if it has a schedule.

        Raises:
            BadInput: it is offline in this round: the server gets no answer.
        """
        planned = (self.schedule or {}).get(server_round)
        if planned == Misbehaviour.OFFLINE:
            raise BadInput(f"client {client_id!r} is offline")
        if planned == (Wish.LEAVE if member else Wish.JOIN):
            return Wish(planned)
        return Wish.STAY if member else Wish.AWAY
