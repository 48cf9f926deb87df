"""The federation of a scenario: who takes part, and the rounds, each client following a schedule of its own."""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flwr.app import ArrayRecord, UserConfig

from fedsift.configuration.clients_of_run import choose_held_out
from fedsift.configuration.run_config import RunConfig
from fedsift.federation.server_app import merge_in_workers, open_state, receipt_context
from fedsift.learning.models import load_layout
from fedsift.runs.federate import places, remembered
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_grid import Progress, RayGrid, Workers, node_configs
from fedsift.studies.optout.groups import clients_with
from fedsift.studies.optout.log import StepLog
from fedsift.studies.optout.plan import JOIN, LEAVE, Plan, resolve
from fedsift.studies.optout.rounds import OptOutRounds
from fedsift.studies.optout.scenario import OFFLINE, Scenario

_EVALUATIONS = 11  # after step 0


@dataclass(frozen=True)
class Cast:
    """Who takes part.

    Attributes:
        clients: of the run.
        held_out: further clients, who never join.
        client_ids: all of the data.
        size: n, the number of tuned parameters.
    """

    clients: list[str]
    held_out: list[str]
    client_ids: Sequence[str]
    size: int

    @classmethod
    def of(cls, scenario: Scenario, config: RunConfig, held_out: int) -> "Cast":
        """From the data; what can be said of scenario, data and model before workers load them, is said here."""
        dataset, clients, others = choose_held_out(config, held_out)
        cast = cls(clients, others, dataset.client_ids, load_layout(config.model_settings).size)
        cast.plan(scenario, config)
        return cast

    @property
    def everybody(self) -> list[str]:
        """Clients and those held out: the nodes of the federation."""
        return [*self.clients, *self.held_out]

    def plan(self, scenario: Scenario, config: RunConfig, by_influence: Sequence[str] = ()) -> Plan:
        """The scenario, resolved for these clients."""

        def group(column: str, value: str) -> list[str]:
            return clients_with(config, column, value)

        return resolve(scenario, self.clients, config.seed, group, by_influence)


@dataclass
class Federation:
    """The long federation, whose state is in a folder's ledger."""

    workers: Workers
    folder: RunFolder
    config: RunConfig
    cast: Cast
    log: StepLog

    @property
    def clients_config(self) -> RunConfig:
        """What clients are told; oracles tell the same, so that workers load the data once."""
        return dataclasses.replace(self.config, clients=len(self.cast.everybody), evaluate=False)

    def play(self, plan: Plan, steps: int, progress: Progress, on_step: Callable[[], None]) -> None:
        """Play so many steps of a plan, from the first that is not in the log; `on_step` is called after each."""
        everybody, ledger = self.cast.everybody, self.folder.ledger
        state = open_state(self.config, ledger, capacity=len(everybody))
        settled = [json.loads(receipt.body) for receipt in state.ledger.receipts()[self.log.receipts :]]
        grid = RayGrid(
            self.workers,
            self._nodes(plan, {body["client"] for body in settled}),
            self.clients_config.to_user_config(),
            progress,
            remembered(everybody, ledger, returning=False),
        )
        if self.config.partial_sums:
            merge_in_workers(grid, state)
        strategy = OptOutRounds(
            state,
            self.config.localise,
            receipt_context(self.config),
            plan,
            dict(zip(grid.get_node_ids(), everybody, strict=True)),
            self._evaluated(len(plan.steps) - 1),
            self.log,
            self.folder.path,
            settled,
            on_step,
        )
        strategy.start(grid, ArrayRecord(), num_rounds=steps, timeout=math.inf)
        state.ledger.close()

    def _nodes(self, plan: Plan, settled: set[str]) -> list[UserConfig]:
        """Each client's own node, with its schedule in the rounds of this session.

        Those whose request in the first round was settled before the last session was stopped do not ask again.
        """
        schedules: dict[str, list[str]] = {client_id: [] for client_id in self.cast.clients}
        for server_round, step in enumerate(plan.steps[len(self.log.steps) :], start=1):
            for what, client_ids in ((JOIN, step.join), (LEAVE, step.leave), (OFFLINE, step.offline)):
                for client_id in client_ids:
                    if not (server_round == 1 and what == LEAVE and client_id in settled):
                        schedules[client_id].append(f"{server_round} {what}")
        masks = {"mask-folder": str(self.folder.masks().resolve())}
        nodes = node_configs(places(self.cast.client_ids, self.cast.everybody), masks, self.cast.held_out)
        for node in nodes:
            client_id = str(node["client-id"])
            if client_id in schedules:
                node["schedule"] = ", ".join(schedules[client_id])
            if client_id in plan.misbehaviour:
                node["misbehaviour"] = plan.misbehaviour[client_id]
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
