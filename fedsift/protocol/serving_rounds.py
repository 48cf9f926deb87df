"""Rounds that end with members being served: the vote on the blend, and what each client is sent to be scored with."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fedsift.core.blend import BLENDS, HEAD_VOTES, choose, choose_voters
from fedsift.core.errors import Refused
from fedsift.core.localisation import Localisation
from fedsift.core.merged_sums import joined
from fedsift.core.receipt import ReceiptBody
from fedsift.core.server_state import ServerState
from fedsift.protocol import messages
from fedsift.protocol.client_rounds import ClientRounds, RoundRecord
from fedsift.protocol.head_service import SentHead, read_votes, summed
from fedsift.protocol.messages import EVALUATE, MASK, REMOVED, VOTE, Stream, message_to
from fedsift.protocol.scoring import ALL, Scoring
from fedsift.protocol.vector_file import VectorFile

_LARGE = 1 << 22  # Tuned parameters from which on magnitudes are worth a file.


@dataclass
class SiftRecord(RoundRecord):
    """What a round did."""

    # what the receipts say that were written for those who asked to leave
    receipts: list[ReceiptBody] = field(default_factory=list)
    upload_bytes: int = 0  # total size of the members' uploads
    saturated: int = 0  # entries that the highest level cut, over the members' uploads
    blend: dict[str, float] = field(default_factory=dict)  # the setting that the members chose; empty without a vote


class ServingRounds(ClientRounds[SiftRecord]):
    """Serves what a server's state has; a subclass changes the state.

    Attributes:
        state: the sums and members.
        folder: where large vectors lie that are served to clients of this machine; None: within messages.
    """

    def __init__(
        self, state: ServerState, localisations: Iterable[str], scoring: Scoring = ALL, held_out: bool = False
    ) -> None:
        """Of a state.

        Args:
            state: the sums and members.
            localisations: which served models each member is to score, by name.
            scoring: which rounds end with an evaluation, and who is scored then.
            held_out: whether clients are scored on rows that they did not tune on: then members vote on the blend.
        """
        super().__init__()
        self.state = state
        self.folder: Path | None = None
        self._localisations = tuple(Localisation(name) for name in dict.fromkeys(localisations))
        self._scoring, self._held_out = scoring, held_out
        self._gone: set[str] = set()  # Clients that ask to leave and are no members.

    def _terms_record(self) -> ConfigRecord:
        return messages.terms_record(self.state.terms, self.state.ledger.get("model_digest", b""))

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Tell those who left, and serve all who answered: messages are made one by one while they are sent."""
        receipts = self.rounds[-1].receipts
        removed = self._gone | {body.client for body in receipts if body.verdict.removed}
        self.tell(REMOVED, server_round, removed, grid)
        if not self.evaluates(server_round):
            return []
        head = SentHead(self.state) if self.state.terms.head and self.state.members else None
        if head and self._held_out:
            self._vote(server_round, head, grid)
        merged = self._vectors({"magnitudes": self.state.merged_slices()})
        scored = self._scored()
        serving = {node_id: client_id for node_id, client_id in self.clients.items() if client_id in scored}
        return Stream(self._serve(server_round, merged, head, grid, serving), len(serving))

    def _vectors(self, given: Mapping[str, Iterable[NDArray[np.float32]]]) -> ArrayRecord:
        """Magnitudes, given by slices, as they are sent."""
        record, size = ArrayRecord(), self.state.terms.size
        for name, slices in given.items():
            if self.folder is not None and size >= _LARGE:
                record[name] = VectorFile(slices, self.folder)
            else:
                record[name] = messages.float_array(joined(slices, size))
        return record

    def evaluates(self, server_round: int) -> bool:
        """Whether a round ends with an evaluation."""
        return self._scoring.is_due(server_round)

    def _scored(self) -> set[str]:
        """Who is scored of those who answered: of newcomers, and of all others."""
        newcomers, seed = set(self.rounds[-1].newcomers), self.state.terms.sign_seed
        others = set(self.clients.values()) - newcomers
        return self._scoring.chosen(seed, others) | self._scoring.chosen(seed, newcomers)

    def _vote(self, server_round: int, head: SentHead, grid: Grid) -> None:
        """Let members choose the blend; their losses are summed and dropped."""
        terms, (asked, voters) = self._terms_record(), choose_voters(self.state.terms.sign_seed, self.state.members)
        members = {node_id: each for node_id, each in self.clients.items() if each in {*asked}}

        def asking() -> Iterator[Message]:
            for node_id, client_id in members.items():
                content = RecordDict({"terms": terms, "vote": ConfigRecord({"voter": client_id in voters})})
                yield message_to(node_id, VOTE, server_round, head.add_to(content, self.state.blend))

        of_head, of_own = [0] * HEAD_VOTES, [0] * len(BLENDS)
        counted = of_voters = 0
        for reply in grid.send_and_receive(Stream(asking(), len(members))):
            client_id = self.name(reply)
            try:
                losses, own_losses = read_votes(self.client_record(reply), client_id in voters, head.decisions)
            except Refused as error:
                self.failed(client_id, VOTE, error)
                continue
            of_head, counted = summed([of_head, losses]), counted + 1
            if own_losses is not None:
                of_own, of_voters = summed([of_own, own_losses]), of_voters + 1
        if counted:
            self.state.blend = choose(of_head, of_own if of_voters else None)
            self.rounds[-1].blend = self.state.blend._asdict()

    def _serve(
        self, server_round: int, merged: ArrayRecord, head: SentHead | None, grid: Grid, clients: Mapping[int, str]
    ) -> Iterator[Message]:
        terms, blend = self._terms_record(), self.state.blend

        def serving(content: RecordDict) -> RecordDict:
            return head.add_to(content, blend) if head else content

        asking = RecordDict({"terms": terms})
        members = [node_id for node_id, client_id in clients.items() if client_id in self.state.members]
        for reply in grid.send_and_receive([message_to(each, MASK, server_round, asking) for each in members]):
            node_id = reply.metadata.src_node_id
            client_id = self.clients[node_id]
            try:
                mask = messages.field(self.client_record(reply), "mask", bytes)
                served = {each.name: self.state.serve_slices(client_id, mask, each) for each in self._localisations}
            except Refused as error:
                self.failed(client_id, MASK, error)
                continue
            content = RecordDict({"terms": terms, "merged": merged, "served": self._vectors(served)})
            yield message_to(node_id, EVALUATE, server_round, serving(content))
        without_mask = serving(RecordDict({"terms": terms, "merged": merged}))
        for node_id, client_id in clients.items():
            if client_id not in self.state.members:
                yield message_to(node_id, EVALUATE, server_round, without_mask)
