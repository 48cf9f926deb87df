"""SCAFFOLD (Karimireddy et al. 2020, arXiv 1910.06378): control variates against clients that drift apart.

Each client has a c_i, the mean direction of its last round's steps, and c is the mean of all members' c_i. Each step of
a client goes by its own direction + c - c_i, so that all together drift the way the federation would. This is the
authors' option II, with the direction of Adam in place of the gradient, since clients here step with Adam:

    w  <-  w - lr (direction + c - c_i)
    c_i  <-  c_i - c + (w_server - w) / (sum of lr)

In a federation c_i lies with the client. Here the server keeps them while it trains, and sends c - c_i.
"""

import numpy as np

from fedsift.core.fixed_point import FixedPointSum
from fedsift.core.local_training import LocallyTrained, LocalTraining
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, Work
from fedsift.protocol.method import Storage
from fedsift.strategies.fedavg import FedAvg

_PARAMETER = 4  # bytes


class Scaffold(FedAvg):
    """FedAvg with control variates, which travel both ways beside the model."""

    name, title, paper, place = "scaffold", "SCAFFOLD", "Karimireddy et al. 2020, arXiv 1910.06378", 27
    storage = Storage(lambda parameters, members: _PARAMETER * parameters * (2 + members), "M (2 + T)")
    vectors = 2

    def begin(self) -> None:
        """Begin from M0, without directions."""
        super().begin()
        self._forget_directions()

    def _forget_directions(self) -> None:
        self._own: dict[str, Vector] = {}  # c_i, shape (n,)
        self._own_sum = FixedPointSum(self.layout.size)
        self._common: Vector | None = None  # c; None before anybody has trained

    def train(self, clients: Clients) -> Work:
        """All rounds; what is left of them is the model."""
        work = super().train(clients)
        self._forget_directions()
        return work

    def _correction(self, client_id: str) -> Vector | None:
        """C - c_i, shape (n,)."""
        own = self._own.get(client_id)
        return self._common if own is None or self._common is None else self._common - own

    def asked(self, client_id: str, steps: int) -> LocalTraining:
        """With c - c_i."""
        return super().asked(client_id, steps)._replace(correction=self._correction(client_id))

    def weight(self, trained: LocallyTrained) -> int:
        """All count the same."""
        return 1

    def fold(self, client_id: str, trained: LocallyTrained) -> None:
        """Take in the client's model, and its direction in place of its last one."""
        super().fold(client_id, trained)
        direction = (self.model - trained.task_vector) / np.float32(trained.reach)
        if (correction := self._correction(client_id)) is not None:
            direction -= correction
        if client_id in self._own:
            self._own_sum.subtract(self._own[client_id])
        self._own_sum.add(direction)
        self._own[client_id] = direction

    def settle_round(self) -> None:
        """Step to the next model; c counts all members, those who have not trained yet with none."""
        super().settle_round()
        if self._own:
            self._common = self._own_sum.mean(len(self.members))
