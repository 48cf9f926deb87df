"""FedEraser (Liu et al. 2021, arXiv 2012.13891): the kept rounds again, shorter, with the old updates' lengths.

Every second round is kept. Of a removal the members that counted in a kept round train from the calibrated model with
half of the steps; their updates give the direction, and the updates of the first training the length, layer by layer:

    U'  =  |U_old| / |U_new|  U_new

The authors keep whole updates, M s T R / 2 bytes, and take those of the first round as they are. Here the first kept
round is calibrated like the others, so that norms are all that has to be kept.
"""

from collections.abc import Set

import numpy as np

from fedsift.core.local_training import LocallyTrained
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, Work
from fedsift.protocol.method import EVERYBODY_ELSE, MODEL, Cost
from fedsift.strategies.families.forgetting_rounds import ForgettingRounds
from fedsift.strategies.fedavg import FedAvg

INTERVAL = 2  # of the kept rounds, and
RATIO = 0.5  # of a calibration's steps: both are the authors' defaults

Norms = dict[str, list[float]]  # client -> of its update in a round, of each parameter


class FedEraser(ForgettingRounds, FedAvg):
    """Trains every second round again with half of the steps: a quarter of the work."""

    name, title, paper, place = "federaser", "FedEraser", "Liu et al. 2021, arXiv 2012.13891", 42
    cost, storage = Cost(EVERYBODY_ELSE.trainings, "R s T/2", 1 / INTERVAL), MODEL

    def begin(self) -> None:
        """Begin from M0, with nothing kept."""
        super().begin()
        self._kept: dict[int, Norms] = {}
        self._old: dict[int, Norms] = {}  # of the training that is calibrated; empty while it goes on

    def forget(self, clients: Clients, leaving: Set[str]) -> Work:
        """Calibrate the kept rounds, from M0 on."""
        old = {
            number: {each: norms[each] for each in norms.keys() & self.members} for number, norms in self._kept.items()
        }
        self.begin()
        self._old = old
        work, began = Work(), clients.spent.seconds
        for number, norms in sorted(old.items()):
            work.add(self.play(clients, number, began, norms, RATIO, everybody=True))
        self._old = {}
        return work

    def fold(self, client_id: str, trained: LocallyTrained) -> None:
        """Take in what a client has trained, calibrated where there is an old update."""
        update = trained.task_vector - self.model
        norms = self._norms(update)
        if self._old:
            norms, now = self._old[self.number][client_id], norms
            lengths = np.array([old / new if new else 0.0 for old, new in zip(norms, now, strict=True)], np.float32)
            update *= np.repeat(lengths, self.layout.sizes)
            trained = trained._replace(task_vector=self.model + update)
        if self.number % INTERVAL == 1:
            self._kept.setdefault(self.number, {})[client_id] = norms
        super().fold(client_id, trained)

    def _norms(self, update: Vector) -> list[float]:
        """Of each parameter's part of an update of shape (n,)."""
        parts = np.split(update, np.cumsum(self.layout.sizes)[:-1])
        return [float(np.linalg.norm(part.astype(np.float64))) for part in parts]
