"""SIFT-Masks (arXiv 2504.04626, algorithm 1) as a Flower strategy, exact to the bit.

Each round:

1. query      every client: join, stay, leave or away? Who is a member says the state: one that wants to join stays, and
              one that wants to leave but is none has left. One that has left and is a member, since an older ledger
              was put back, leaves again.
2. train      those who join upload their contribution; it is added to the running sums and dropped.
   forget     those who leave rerun their training; where the upload has the digest that was merged, it is subtracted.
3. vote       where rows are held out, members tell what each setting of the blend costs on rows of theirs, and the one
              that costs them all least is served (`fedsift.core.blend`).
4. evaluate   every member sends its mask, is served its localised model and scores it; a client without a mask gets the
              merged model. Everybody gets the shared head's sums.

Replies are decoded one at a time. Of an upload nothing is kept but the sums and two digests; of a mask, nothing.
"""

import json
import shlex
from collections import deque
from collections.abc import Iterable, Iterator
from logging import getLogger
from typing import Protocol

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from fedsift.core.errors import Refused, counted
from fedsift.core.receipt import RunFacts
from fedsift.core.server_state import ServerState
from fedsift.protocol import messages
from fedsift.protocol.messages import FORGET, TRAIN, Stream, Wish, message_to
from fedsift.protocol.method import HEAD_STATISTICS, MODEL, MODEL_AND_MASKS, ONE, Method
from fedsift.protocol.partial_merge import clients_behind, read_partial_sums
from fedsift.protocol.scoring import ALL, Scoring
from fedsift.protocol.serving_rounds import ServingRounds, SiftRecord

_LARGE = 1 << 22  # Tuned parameters from which on magnitudes are worth a file.
_LOG = getLogger("flwr")  # Flower's own logger: what a strategy says belongs beside what Flower says.


class SiftMasksMethod(Method):
    """Members are served under their own masks."""

    name, title, paper, place = "sift-masks", "SIFT-Masks", "Kuo et al. 2025, arXiv 2504.04626", 0
    exact, cost, storage = True, ONE, MODEL_AND_MASKS
    uploads = ("sparse task vector", HEAD_STATISTICS)


class SiftMergeMethod(SiftMasksMethod):
    """The same sums, served to everybody without masks."""

    name, title, place = "sift-merge", "SIFT + Merge", 1
    storage = MODEL


class NodeKeys(Protocol):
    """What authenticates the nodes of a deployment."""

    def key(self, node_id: int) -> str:
        """SHA-256 of the node's public key, in hexadecimal."""

    def name(self, node_id: int) -> str:
        """The name that it was registered under; empty for none."""


class SiftMasks(ServingRounds):
    """Merge sign-fixed contributions, serve masked models, remove members exactly.

    Attributes:
        state: the sums and members.
        stays: whether who asks to leave stays, and only has rows of its own forgotten.
    """

    def __init__(
        self,
        state: ServerState,
        localisations: Iterable[str],
        scoring: Scoring = ALL,
        facts: RunFacts | None = None,
        node_keys: NodeKeys | None = None,
        held_out: bool = False,
    ) -> None:
        """Strategy over a server state.

        Args:
            state: the sums and members; the strategy alone changes it.
            localisations: which served models each member is to score, by name.
            scoring: which rounds end with an evaluation, and who is scored then.
            facts: what receipts are to say of the run.
            node_keys: ties every member to the node that it joined from; None where nodes are simulated.
            held_out: whether clients are scored on rows that they did not tune on: then members vote on the blend.
        """
        super().__init__(state, localisations, scoring, held_out)
        self.stays = False
        self._facts = facts
        self._node_keys = node_keys
        self._joining = 0  # Clients whose training has not been answered yet.

    def summary(self) -> None:
        """Log the configuration."""
        terms = self.state.terms
        _LOG.info("\t├──> %d tuned parameters, levels 0 to %d", terms.size, terms.grid.levels)
        room = counted(self.state.sums.capacity, "member")
        _LOG.info("\t├──> room for %s in %d bytes of sums", room, self.state.sums.nbytes)
        _LOG.info("\t└──> localisations: %s", ", ".join(each.name for each in self._localisations))

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask every node what it wants, then address those who join and those who leave."""
        self.rounds.append(SiftRecord())
        asked: dict[str, list[int]] = {TRAIN: [], FORGET: []}
        self._gone = set()
        for node_id, wish in self.query(server_round, grid).items():
            is_member = self.clients[node_id] in self.state.members
            if wish == Wish.JOIN and not is_member:
                asked[TRAIN].append(node_id)
            elif wish in (Wish.LEAVE, Wish.AWAY) and is_member:
                asked[FORGET].append(node_id)
            elif wish == Wish.LEAVE:
                self._gone.add(self.clients[node_id])
        self._joining = len(asked[TRAIN])
        terms, scored = self._terms_record(), self._scored()

        def training_messages() -> Iterator[Message]:
            for message_type, node_ids in asked.items():
                for node_id in node_ids:
                    client = ConfigRecord({"client-id": self.clients[node_id]})
                    if message_type == FORGET:
                        client["environment"] = self._environment(self.clients[node_id])
                        client[messages.STAYS] = self.stays
                    content = RecordDict({"terms": terms, "config": config, "client": client})
                    if self.clients[node_id] not in scored:
                        content["config"] = ConfigRecord({**config, "score": False})
                    yield message_to(node_id, message_type, server_round, content)

        return Stream(training_messages(), sum(map(len, asked.values())))

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Merge or remove, one reply at a time; the merged model is made where it is served.

        Who joins is merged before anybody is removed, so that receipts do not depend on the order of the replies: they
        tell of the state with all who joined, and of the one without those who left.
        """
        record = self.rounds[-1]
        refused: dict[str, str] = {}
        for reply in self._joins_first(replies):
            client_id = self.name(reply)
            leaving = reply.metadata.message_type == FORGET
            try:
                if self._merge_partial_sums(reply):
                    continue
                client = self.client_record(reply)
                upload, training = messages.field(client, "upload", bytes), messages.reply_training(client)
                if leaving:
                    instead = messages.replacement_of(reply) if self.stays else None
                    self.state.stage_removal(client_id, upload, training, instead)
                else:
                    node_id = reply.metadata.src_node_id
                    node_key = self._node_keys.key(node_id) if self._node_keys else ""
                    self.state.merge(client_id, upload, training, node_key)
                    record.joined.append(client_id)
            except Refused as error:
                self.failed(client_id, "forget" if leaving else "train", error)
                if leaving:
                    refused[client_id] = str(error).strip().splitlines()[-1]  # Of a crash, not the whole traceback.
        self.before_removals()
        receipts = self.state.commit_removals(self._facts)
        receipts += [self.state.refuse(each, refused[each], self._facts) for each in sorted(refused)]
        record.receipts = [receipt.body for receipt in receipts]
        record.state_digest = self.state.fold().hex()
        self.state.publish()
        members = self.state.members.values()
        record.members = len(members)
        record.upload_bytes = sum(member.upload_bytes for member in members)
        record.saturated = sum(member.saturated for member in members)
        metrics = MetricRecord({"members": record.members, "joined": len(record.joined)})
        return None, metrics

    def before_removals(self) -> None:
        """All replies of a round are in, nothing of its removals is written yet; here, nothing is done then."""

    def _joins_first(self, replies: Iterable[Message]) -> Iterator[Message]:
        """Replies as they come, but those of clients that leave not before all who join have answered.

        The messages went out in that order too, so that few replies have to wait.
        """
        waiting: deque[Message] = deque()
        for reply in replies:
            if reply.metadata.message_type == FORGET:
                waiting.append(reply)
            else:
                self._joining -= clients_behind(reply)
                yield reply
            while waiting and self._joining <= 0:
                yield waiting.popleft()
        yield from waiting

    def _merge_partial_sums(self, reply: Message) -> bool:
        """Merge sums that a worker hands over, if the reply has them; each client must be the one behind its node."""
        handed_over = read_partial_sums(reply, self.state.terms)
        if handed_over is None:
            return False
        partial, nodes = handed_over
        for client_id, node_id in nodes.items():
            self.check_name(node_id, client_id)
        self.state.merge_sums(partial)
        self.rounds[-1].joined.extend(partial.members)
        return True

    def check_identity(self, node_id: int, client_id: str) -> None:
        """Refuse a client that is another node's: by its registered name, and once the client is a member by its key.

        A node without a name speaks for nobody: whose names the nodes have that are away, no server is told.

        Raises:
            Refused: it is.
        """
        if self._node_keys is None:
            return
        name, pinned = self._node_keys.name(node_id), self.state.ledger.node_key(client_id)
        if not name:
            raise Refused(
                f"the node that claims to be client {client_id!r} was registered without a name: register its key with "
                f"`flwr supernode register KEY --name {shlex.quote(client_id)}`; tie-nodes = false is for a SuperLink "
                "without authentication"
            )
        if name != client_id:
            raise Refused(f"the node registered as {name!r} claims to be client {client_id!r}")
        if pinned and pinned != self._node_keys.key(node_id):
            raise Refused(
                f"client {client_id!r} joined from a node with another key; if that was replaced, `fedsift rekey` ties "
                "the client to the new one"
            )

    def _environment(self, client_id: str) -> str:
        """The fingerprint of where a member trained: its rerun belongs where the bits are the same."""
        member = self.state.members[client_id]
        return json.dumps(self.state.ledger.fingerprint(member.environment), sort_keys=True)
