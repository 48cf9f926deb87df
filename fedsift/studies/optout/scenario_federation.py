"""The federation of a scenario: who takes part, and the rounds, each client following a schedule of its own."""

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from flwr.app import ArrayRecord, ConfigRecord, UserConfig

from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig
from fedsift.data.loading import load_dataset
from fedsift.federation.run_state import open_state, run_facts
from fedsift.learning.models import load_layout
from fedsift.protocol.messages import Wish
from fedsift.protocol.partial_merge import PartialMerge
from fedsift.runs.federate import places, remembered
from fedsift.runtime.in_flight import Workers
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_grid import Progress, RayGrid, node_configs
from fedsift.studies.client_script import ClientScript, Misbehaviour
from fedsift.studies.optout.groups import clients_with
from fedsift.studies.optout.scenario import Scenario
from fedsift.studies.optout.scenario_folder import ScenarioFolder
from fedsift.studies.optout.scenario_plan import Plan, resolve
from fedsift.studies.optout.scenario_rounds import ScenarioRounds
from fedsift.studies.optout.step_log import StepLog
from fedsift.studies.optout.tracked import TrackedSteps

_EVALUATIONS = 11  # after step 0


@dataclass(frozen=True)
class Cast:
    """Who takes part."""

    clients: list[str]  # of the run
    newcomers: list[str]  # who never join
    client_ids: Sequence[str]  # all of the data
    size: int  # n, the number of tuned parameters

    @classmethod
    def of(cls, scenario: Scenario, config: RunConfig) -> "Cast":
        """From the data; what can be said of scenario, data and model before workers load them, is said here."""
        dataset = load_dataset(config)
        chosen = Participants.of(config, dataset)
        size = load_layout(config.model_settings).size
        cast = cls(chosen.members, chosen.newcomers, dataset.client_ids, size)
        cast.plan(scenario, config)
        return cast

    @property
    def everybody(self) -> list[str]:
        """Clients and newcomers: the nodes of the federation."""
        return [*self.clients, *self.newcomers]

    def plan(self, scenario: Scenario, config: RunConfig, by_influence: Sequence[str] = ()) -> Plan:
        """The scenario, resolved for these clients."""
        return resolve(scenario, self.clients, config.seed, partial(clients_with, config), by_influence)


@dataclass
class Federation:
    """The long federation, whose state is in a folder's ledger."""

    workers: Workers
    folder: ScenarioFolder
    config: RunConfig
    cast: Cast
    log: StepLog
    tracked: TrackedSteps

    @property
    def clients_config(self) -> RunConfig:
        """What clients are told; oracles tell the same, so that workers load the data once."""
        return dataclasses.replace(self.config, evaluate=False)

    def play(self, plan: Plan, steps: int, progress: Progress, on_step: Callable[[], None]) -> None:
        """Play so many steps of a plan, from the first that is not in the log; `on_step` is called after each."""
        everybody, ledger = self.cast.everybody, self.folder.ledger
        state = open_state(self.config, ledger, capacity=len(everybody), key=self.folder.signing_key())
        settled = [receipt.body for receipt in state.ledger.receipts()[self.log.receipts :]]
        nodes = self._nodes(plan, {body.client for body in settled})
        remember = remembered(everybody, ledger, returning=False)
        grid = RayGrid(self.workers, nodes, self.clients_config.to_user_config(), progress, remember)
        grid.on_losses = self.tracked.on_losses
        if self.config.partial_sums:
            grid.partial_merge = PartialMerge(state.terms, state.ledger.checksum_secret)
        strategy = ScenarioRounds(
            state,
            self.config,
            run_facts(self.config),
            plan,
            dict(zip(grid.get_node_ids(), everybody, strict=True)),
            self._evaluated(len(plan.steps) - 1),
            self.log,
            self.folder.steps,
            settled,
            on_step,
            self.tracked,
        )
        with closing(state.ledger):
            scored = ConfigRecord({"score": self.config.evaluate})
            strategy.start(grid, ArrayRecord(), num_rounds=steps, timeout=math.inf, train_config=scored)

    def _nodes(self, plan: Plan, settled: Collection[str]) -> list[UserConfig]:
        """Each client's own node, with its schedule in the rounds of this session; newcomers never do anything.

        Those whose request in the first round was settled before the last session was stopped do not ask again.
        """
        schedules: dict[str, dict[int, str]] = {client_id: {} for client_id in self.cast.everybody}
        for server_round, step in enumerate(plan.steps[len(self.log.steps) :], start=1):
            wishes = {Wish.JOIN: step.join, Wish.LEAVE: step.leave, Misbehaviour.OFFLINE: step.offline}
            for what, client_ids in wishes.items():
                for client_id in client_ids:
                    if not (server_round == 1 and what == Wish.LEAVE and client_id in settled):
                        schedules[client_id][server_round] = what
        nodes = node_configs(places(self.cast.client_ids, schedules), mask_folder=self.folder.masks())
        for node, (client_id, schedule) in zip(nodes, schedules.items(), strict=True):
            node.update(ClientScript(schedule, plan.misbehaviour.get(client_id)).to_user_config())
        return nodes

    def _evaluated(self, last: int) -> set[int]:
        """The steps that end with an evaluation."""
        if not self.config.evaluate:
            return set()
        every = self.log.evaluate_every
        between = range(0, last, every) if every else (last * i // _EVALUATIONS for i in range(_EVALUATIONS))
        return {*between, last}


class Quiet:
    """Draws no bars for messages; Ctrl-C is heard all the same."""

    def __init__(self, bars: PhaseBars) -> None:
        self._bars = bars

    def begin(self, message_type: str, total: int) -> None:
        """Nothing."""

    def advance(self, message_type: str) -> None:
        """Hear whether somebody pressed Ctrl-C."""
        self._bars.advance("")
