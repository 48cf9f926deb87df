"""FedAvg (McMahan et al. 2017, arXiv 1602.05629), and FedProx and FedAdam, which change one line of it each."""

import numpy as np

from fedsift.core.local_training import LocalTraining
from fedsift.core.task_vectors import Vector
from fedsift.protocol.method import EVERY_ROUND, MODEL
from fedsift.strategies.families.federated_rounds import FederatedRounds

MU = 0.1  # of the proximal term; Li et al. search 0.001 to 1
# Of the server's Adam; the first three as Reddi et al. have them. Its rate is the client's default: in one round an
# entry moves by about as much as it does in one step of a client.
BETA_1, BETA_2, TAU = 0.9, 0.99, 1e-3
SERVER_RATE = 1e-2


class FedAvg(FederatedRounds):
    """The next model is the mean of the clients' models, weighted by their rows."""

    name, title, paper, place = "fedavg", "FedAvg", "McMahan et al. 2017, arXiv 1602.05629", 24
    exact, cost, storage = True, EVERY_ROUND, MODEL


class FedProx(FedAvg):
    """Clients are held near the round's model: mu/2 |w - w_server|^2 is added to their loss."""

    name, title, paper, place = "fedprox", "FedProx", "Li et al. 2020, arXiv 1812.06127", 25

    def asked(self, client_id: str, steps: int) -> LocalTraining:
        """With the proximal term."""
        return super().asked(client_id, steps)._replace(proximal=MU)


class FedAdam(FedAvg):
    """The mean of the clients' changes is a gradient, with which the server's Adam moves its model."""

    name, title, paper, place = "fedadam", "FedAdam", "Reddi et al. 2021, arXiv 2003.00295", 26

    def begin(self) -> None:
        """Begin from M0, with Adam's state fresh."""
        super().begin()
        self._first = np.zeros(self.layout.size)
        self._second = np.full(self.layout.size, TAU**2)

    def moved(self, mean: Vector) -> Vector:
        """M + eta m / (sqrt(v) + tau), without bias correction, as Reddi et al. have it (algorithm 2)."""
        change = mean.astype(np.float64) - self.model
        self._first = BETA_1 * self._first + (1 - BETA_1) * change
        self._second = BETA_2 * self._second + (1 - BETA_2) * change**2
        moved = self.model + SERVER_RATE * self._first / (np.sqrt(self._second) + TAU)
        return moved.astype(np.float32)
