"""Any method in a federation: one Flower strategy that changes its membership round by round, and has it scored."""

import json
import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeVar

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from fedsift.core.bit_packing import packed_size, unpack_mask
from fedsift.core.errors import Refused, counted
from fedsift.core.local_training import LocallyTrained, LocalTraining
from fedsift.core.regression import Regression
from fedsift.core.round_schedule import Schedule
from fedsift.core.task_vectors import Mask, Vector
from fedsift.core.virtual_clock import Device, Spent
from fedsift.protocol import messages
from fedsift.protocol.client_rounds import ClientRounds, RoundRecord
from fedsift.protocol.compared_method import ComparedMethod, PoolTraining, Stages, Terms, Trained
from fedsift.protocol.messages import Stream, Wish, message_to

_T = TypeVar("_T")
_AnswerT = TypeVar("_AnswerT", Trained, Regression)


@dataclass
class MethodRecord(RoundRecord):
    """What a round did."""

    left: list[str] = field(default_factory=list)  # clients removed in this round
    trainings: int = 0  # clients that trained for the removals of this round
    steps: int = 0  # optimiser steps of these
    validation_scorings: int = 0  # models scored to choose hyper-parameters
    spent: Spent = field(default_factory=Spent)  # on the virtual clock, for all that changed; scoring aside


class MethodRounds(ClientRounds[MethodRecord]):
    """Ask all clients what they want, have the method change accordingly, and have all who answered score it.

    Attributes:
        method: whose state the rounds change.
        before_removals: what an approximate method shared before the first removal; empty for an exact one.
    """

    def __init__(
        self, method: ComparedMethod, evaluated: Container[int] = (), schedule: Schedule | None = None
    ) -> None:
        """Begin with a method's state.

        Args:
            method: whose state it is.
            evaluated: the rounds that end with an evaluation.
            schedule: of a method that trains in rounds, all of them within one of these; and of the clients' devices.
        """
        super().__init__()
        self.method = method
        self.schedule = schedule or Schedule(lambda _: 0)
        self.before_removals: dict[str, Vector] = {}
        self._evaluated = evaluated

    def summary(self) -> None:
        """Nothing to say before the first round."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Change the membership as the clients wish; the method's own questions are asked and answered in here."""
        record, method = MethodRecord(), self.method
        self.rounds.append(record)
        wishes = self.query(server_round, grid)
        joining = {self.clients[node] for node, wish in wishes.items() if wish is Wish.JOIN} - method.members
        leaving = {self.clients[node] for node, wish in wishes.items() if wish is Wish.LEAVE} & method.members
        if leaving and not method.exact and not self.before_removals:
            self.before_removals = method.shared()
        clients = GridClients(self, grid, server_round)
        work = method.change(clients, joining, leaving)
        record.joined, record.left = sorted(joining & method.members), sorted(leaving - method.members)
        record.trainings, record.steps = work.trainings, work.steps
        record.validation_scorings, record.spent = work.validation_scorings, clients.spent
        record.members, record.state_digest = len(method.members), method.digest()
        self.tell(messages.JOINED, server_round, record.joined, grid)
        self.tell(messages.REMOVED, server_round, record.left, grid)
        return []

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Nothing is left to aggregate."""
        return None, MetricRecord({"members": self.rounds[-1].members})

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Choose hyper-parameters in the first evaluation; serve all who answered."""
        method = self.method
        if server_round not in self._evaluated or not method.members:
            return []
        clients = GridClients(self, grid, server_round)
        self.rounds[-1].validation_scorings += method.choose(clients)
        return clients.serving(method)


class GridClients:
    """The clients of a federation, for the length of one round: every question is a message over Flower's grid."""

    def __init__(self, rounds: MethodRounds, grid: Grid, server_round: int) -> None:
        """Ask those who answered the round's query; `rounds` knows them, and notes who fails."""
        self._rounds, self._grid, self._server_round = rounds, grid, server_round
        self.schedule, self.spent = rounds.schedule, Spent()
        self._size = rounds.method.layout.size

    @property
    def failures(self) -> Mapping[str, str]:
        """Client -> why it has failed to answer."""
        return self._rounds.rounds[-1].failures

    def answering(self, ids: Set[str]) -> Set[str]:
        """Those who answered the query."""
        return ids & set(self._rounds.clients.values())

    def fine_tuned(self, ids: Set[str]) -> Iterator[tuple[str, Trained]]:
        """As of `Clients`."""

        def read(reply: Message, client: ConfigRecord) -> Trained:
            (task_vector,) = messages.reply_task_vectors(reply, self._size)
            return Trained(task_vector, messages.field(client, "steps", int))

        return self._timed(self._ask(messages.FINE_TUNE, self._each(ids), read), lambda _: 4 * self._size)

    def local(
        self, number: int, model: Vector, trainings: Mapping[str, LocalTraining]
    ) -> Iterator[tuple[str, LocallyTrained]]:
        """As of `Clients`."""
        start = ArrayRecord({"values": messages.float_array(model)})

        def content(client_id: str) -> RecordDict:
            asked = trainings[client_id]
            config = ConfigRecord({"round": number, "steps": asked.steps, "proximal": asked.proximal})
            config["objective"] = asked.objective.value
            content = RecordDict({"config": config, "start": start})
            if asked.correction is not None:
                content["correction"] = ArrayRecord({"values": messages.float_array(asked.correction)})
            return content

        def read(reply: Message, client: ConfigRecord) -> LocallyTrained:
            (task_vector,) = messages.reply_task_vectors(reply, self._size)
            rows, steps = (messages.field(client, key, int) for key in ("rows", "steps"))
            reach = messages.field(client, "reach", float)
            if rows < 1 or steps < 1 or not 0 < reach < math.inf:
                raise Refused(
                    f"a training of {counted(steps, 'step')} on {counted(rows, 'row')}, of learning rates "
                    f"{reach} in all"
                )
            return LocallyTrained(task_vector, rows, steps, reach)

        nodes = self._nodes(trainings.keys())
        contents = ((node, content(self._rounds.clients[node])) for node in nodes)
        return self._ask(messages.LOCAL, Stream(contents, len(nodes)), read)

    def regressions(self, ids: Set[str]) -> Iterator[tuple[str, Regression]]:
        """As of `Clients`; Grams of another width than their layer's are refused."""
        layout = self._rounds.method.layout
        shapes = dict(zip(layout.names, layout.shapes, strict=True))

        def read(reply: Message, client: ConfigRecord) -> Regression:
            (products,) = messages.reply_task_vectors(reply, self._size)
            record = reply.content.get("grams")
            sent = record.items() if isinstance(record, ArrayRecord) else ()
            grams = {name: messages.read_float_array(each) for name, each in sent}
            for name, gram in grams.items():
                shape = shapes.get(name, ())
                if len(shape) != 2 or gram.shape != (shape[1] * (shape[1] + 1) // 2,):
                    raise Refused(f"a Gram of shape {gram.shape} for {name!r}, a parameter of shape {shape}")
            return Regression(products, grams, messages.field(client, "steps", int))

        return self._timed(
            self._ask(messages.REGRESS, self._each(ids), read),
            lambda sent: 4 * (self._size + sum(map(len, sent.grams.values()))),
        )

    def embedded(self, ids: Set[str]) -> Iterator[tuple[str, Vector]]:
        """As of `Clients`."""
        return self._ask(messages.EMBED, self._each(ids), lambda reply, _: messages.reply_task_vectors(reply)[0])

    def pooled(self, trainings: Sequence[PoolTraining]) -> Iterator[tuple[int, Stages]]:
        """As of `Clients`; pooled data lie in one place, so any node will do."""
        nodes = sorted(self._rounds.clients)

        def training(number: int, asked: PoolTraining) -> RecordDict:
            slices, factor = json.dumps(asked.slices), asked.lr_factor
            config = ConfigRecord({"pool": number, "first": asked.first, "slices": slices, "lr-factor": factor})
            config["in-layers"] = asked.in_layers
            content = RecordDict({"config": config})
            if asked.start is not None:
                content["start"] = ArrayRecord({"values": messages.float_array(asked.start)})
            return content

        def read(reply: Message, client: ConfigRecord) -> tuple[int, Stages]:
            number = messages.field(client, "pool", int)
            if not 0 <= number < len(trainings):
                raise Refused(f"pool {number} of {len(trainings)}")
            checkpoints = messages.reply_task_vectors(reply, self._size)
            return number, Stages(checkpoints, messages.field(client, "steps", int))

        contents = [(nodes[number % len(nodes)], training(number, each)) for number, each in enumerate(trainings)]
        device, began, joules = Device(), self.spent.seconds, dict[int, float]()
        for _, stages in self._ask(messages.POOLED, Stream(iter(contents), len(contents)), read):
            seconds = stages[1].steps * device.step_seconds
            joules[stages[0]] = device.watts * seconds
            self.spent.seconds = max(self.spent.seconds, began + seconds)
            yield stages
        self.spent.joules += sum(joules[number] for number in sorted(joules))

    def masks(
        self, method: ComparedMethod, ids: Set[str], candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> Iterator[tuple[str, list[Mask]]]:
        """As of `Clients`."""

        def read(_: Message, client: ConfigRecord) -> list[Mask]:
            packed = [messages.field(client, f"mask {place}", bytes) for place in range(len(candidates))]
            for each in packed:
                if len(each) != packed_size(self._size, 1):
                    raise Refused(f"a mask of {counted(len(each), 'byte')}; expected {packed_size(self._size, 1)}")
            return [unpack_mask(each, self._size) for each in packed]

        return self._ask(messages.MEMBER_MASKS, self._with_candidates(method, ids, candidates, shared), read)

    def scores(
        self, method: ComparedMethod, ids: Set[str], candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> dict[str, list[float]]:
        """As of `Clients`; a reply with some scores but not all is refused. Who has no rows for it gives none."""

        def read(reply: Message, _: ConfigRecord) -> list[float]:
            scores = messages.reply_scores(reply)
            if not scores:
                return []
            found = [scores.get(f"served {place}", math.nan) for place in range(len(candidates))]
            if not all(map(math.isfinite, found)):
                raise Refused("a reply lacks a finite score for each candidate's hyper-parameters")
            return found

        asked = self._with_candidates(method, ids, candidates, shared)
        return {client_id: found for client_id, found in self._ask(messages.EVALUATE_SERVED, asked, read) if found}

    def serving(self, method: ComparedMethod) -> Iterable[Message]:
        """Messages that have all clients score what they are served with the hyper-parameters chosen."""
        everybody = set(self._rounds.clients.values())
        return self._messages(
            messages.EVALUATE_SERVED, self._with_candidates(method, everybody, [method.chosen], method.shared())
        )

    def _each(self, ids: Set[str]) -> Stream[tuple[int, RecordDict]]:
        """An empty message to each of some clients."""
        content = RecordDict()
        nodes = self._nodes(ids)
        return Stream(((node, content) for node in nodes), len(nodes))

    def _with_candidates(
        self, method: ComparedMethod, ids: Set[str], candidates: Sequence[Terms], shared: Mapping[str, Vector]
    ) -> Stream[tuple[int, RecordDict]]:
        """To each of some clients what is shared, and the candidates with its own terms."""
        arrays = ArrayRecord({name: messages.float_array(vector) for name, vector in shared.items()})
        nodes = self._nodes(ids)

        def content(client_id: str) -> RecordDict:
            terms = json.dumps([{**each, **method.own_terms(client_id)} for each in candidates])
            member = client_id in method.members
            config = ConfigRecord({"method": method.name, "member": member, "candidates": terms})
            return RecordDict({"shared": arrays, "config": config})

        return Stream(((node, content(self._rounds.clients[node])) for node in nodes), len(nodes))

    def _nodes(self, ids: Set[str]) -> list[int]:
        return [node for node, client_id in self._rounds.clients.items() if client_id in ids]

    def _messages(self, message_type: str, contents: Stream[tuple[int, RecordDict]]) -> Stream[Message]:
        made = (message_to(node, message_type, self._server_round, content) for node, content in contents)
        return Stream(made, len(contents))

    def _timed(
        self, answers: Iterator[tuple[str, _AnswerT]], up: Callable[[_AnswerT], int]
    ) -> Iterator[tuple[str, _AnswerT]]:
        """The answers of clients that train side by side, their time on the clock noted once all are there."""
        steps, sent = dict[str, int](), dict[str, int]()
        for client_id, answer in answers:
            steps[client_id], sent[client_id] = answer.steps, up(answer)
            yield client_id, answer
        self.spent.add(self.schedule.trained(steps, sent))

    def _ask(
        self, message_type: str, contents: Stream[tuple[int, RecordDict]], read: Callable[[Message, ConfigRecord], _T]
    ) -> Iterator[tuple[str, _T]]:
        """What is read in each reply, as they come; a reply that cannot be read is noted as its client's failure."""
        rounds = self._rounds
        if not len(contents):
            return
        for reply in self._grid.send_and_receive(self._messages(message_type, contents)):
            try:
                answer = read(reply, rounds.client_record(reply))
            except Refused as error:
                rounds.failed(rounds.name(reply), message_type, error)
                continue
            yield rounds.name(reply), answer
