"""The rounds of a scenario: SIFT-Masks, each round a step that is written down when it is over."""

import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import Refused
from fedsift.core.receipt import ReceiptBody, RunFacts
from fedsift.core.server_state import ServerState
from fedsift.protocol import messages
from fedsift.protocol.client_rounds import RoundRecord
from fedsift.protocol.messages import FORGET, QUERY
from fedsift.runs.scores import MemberScores, scores_of_members
from fedsift.strategies.sift_masks import SiftMasks
from fedsift.studies.optout.scenario_plan import Plan
from fedsift.studies.optout.step_log import LoggedStep, StepLog, StepScores, members_after, who_left
from fedsift.studies.optout.tracked import TrackedSteps

_DECILE = 10


class ScenarioRounds(SiftMasks):
    """Plays the steps of a plan from the first one that is not in the log."""

    def __init__(
        self,
        state: ServerState,
        config: RunConfig,
        facts: RunFacts,
        plan: Plan,
        nodes: Mapping[int, str],
        evaluated: Container[int],
        log: StepLog,
        log_file: Path,
        settled: Sequence[ReceiptBody],
        on_step: Callable[[], None],
        tracked: TrackedSteps,
    ) -> None:
        """Go on from a state.

        Args:
            state: as the log's last step left it, or in the middle of the next.
            config: of the run.
            facts: as for `SiftMasks`.
            plan: what the clients have been told.
            nodes: node id -> client, of all clients, newcomers too.
            evaluated: the steps that end with an evaluation.
            log: grows by an entry for each step.
            log_file: where the log is written.
            settled: what the receipts say that the first step has got already, before it was stopped.
            on_step: is called after each step.
            tracked: is told of each step.
        """
        super().__init__(state, [config.localise], facts=facts, held_out=config.is_held_out)
        self._config, self._plan, self._nodes, self._evaluated = config, plan, nodes, evaluated
        self._log, self._log_file, self._settled = log, log_file, list(settled)
        self._on_step, self._tracked = on_step, tracked
        self._members = members_after(log.steps)
        self._everybody = frozenset(plan.steps[0].join)
        self._started = self._seconds = 0.0

    @property
    def _step(self) -> int:
        """The step under way."""
        return len(self._log.steps)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """As of `SiftMasks`; the clock starts."""
        self._started = time.perf_counter()
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """As of `SiftMasks`, with a note of the reruns before the removals are committed."""
        merged = super().aggregate_train(server_round, self._noted(replies))
        self._seconds = time.perf_counter() - self._started
        return merged

    def evaluates(self, server_round: int) -> bool:
        """Whether the step under way is to be evaluated."""
        return self._step in self._evaluated

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """As of `SiftMasks`; then the step is over and written down."""
        means = super().aggregate_evaluate(server_round, replies)
        self._write_down()
        self._tracked.step_over(self._log.steps[-1], self.rounds[-1])
        del self.rounds[:-1]
        self._on_step()
        return means

    def _noted(self, replies: Iterable[Message]) -> Iterator[Message]:
        """Pass replies on; at their end, which comes before the commit, note what the reruns took."""
        for reply in replies:
            if reply.metadata.message_type == FORGET:
                try:
                    client = self.client_record(reply)
                    rerun = len(messages.field(client, "upload", bytes)), messages.field(client, "steps", int)
                    self._log.reruns[self.name(reply)] = rerun
                except Refused:
                    pass  # It did not train to an end; why, the receipt will tell.
            yield reply
        if self._log.reruns:
            self._log.write(self._log_file)

    def _write_down(self) -> None:
        step, record, log, members = self._step, self.rounds[-1], self._log, self.state.members
        receipts = self._settled + record.receipts
        self._settled = []
        refused = {body.client: body.reason for body in receipts if not body.verdict.done}
        asked = {body.client for body in receipts}
        answered = set(self.clients.values())
        offline = [each for each in self._plan.steps[step].offline if each not in answered]
        failures = {self._failed_client(name, why): why for name, why in record.failures.items()}
        joined = [each for each in self._nodes.values() if each in members and each not in self._members]
        here_before, self._members = self._members, set(members)
        left = [each for each in self._nodes.values() if each in here_before and each not in members]
        gone = (who_left(log.steps) | set(left)) - set(members)
        scores = self._scores(record, gone, first=step == 0) if step in self._evaluated else None
        log.steps.append(
            LoggedStep(
                step=step,
                members=len(members),
                asked=[each for each in self._nodes.values() if each in asked],
                left=left,
                joined=joined,
                refused=refused,
                offline=offline,
                failures={each: why for each, why in failures.items() if each not in refused and each not in offline},
                state_digest=record.state_digest,
                trainings=len(joined) + len(log.reruns),
                steps_retrained=sum(steps for _, steps in log.reruns.values()),
                bytes_up=sum(members[each].upload_bytes for each in joined)
                + sum(upload for upload, _ in log.reruns.values()),
                seconds=round(self._seconds, 3),
                scores=scores,
                receipts=log.receipts + len(receipts),
                rerun_steps={client_id: steps for client_id, (_, steps) in log.reruns.items()},
            )
        )
        log.server_bytes = self.state.sums.nbytes
        log.reruns = {}
        for client_id in gone:
            log.first_scores.pop(client_id, None)
        log.write(self._log_file)

    def _failed_client(self, name: str, why: str) -> str:
        """Who failed: a node that did not answer the query goes by its number."""
        return self._nodes[int(name)] if why.startswith(f"{QUERY}: ") else name

    def _scores(self, record: RoundRecord, gone: Container[str], first: bool) -> StepScores:
        """A step's scores; `gone` are those who have left and not come back."""
        kinds, _ = scores_of_members(record, self._config)
        members = MemberScores.of(kinds, None, {}, self._config.seed)
        served = members.served.per_client if members and members.served else {}
        others = {each: named for each, named in record.scores.items() if each not in self._members and named}
        newcomers = [named for each, named in others.items() if each not in self._everybody]
        leavers = [named["served"] for each, named in others.items() if each in gone]
        if first:
            self._log.first_scores = served
        before = self._log.first_scores
        changes = [value - before[each] for each, value in served.items() if each in before]
        return StepScores(
            members=_mean(served.values()),
            worst_decile=_mean(sorted(served.values())[: -(-len(served) // _DECILE)]),
            zero_shot=members.zero_shot.mean if members and members.zero_shot else None,
            alone=members.alone.mean if members and members.alone else None,
            better_than_alone=members.better_than_alone if members else 0,
            worse_than_alone=members.worse_than_alone if members else 0,
            newcomers=_mean(named["served"] for named in newcomers),
            newcomers_zero_shot=_mean(named["zero_shot"] for named in newcomers),
            leavers=_mean(leavers),
            all_clients=_mean([*served.values(), *leavers]),
            stayers_change_mean=_mean(changes),
            stayers_change_worst=min(changes, default=None),
        )


def _mean(values: Iterable[float]) -> float | None:
    """The mean in the order of the numbers, so that no order of arrival is left in its bits."""
    ordered = sorted(values)
    return sum(ordered) / len(ordered) if ordered else None
