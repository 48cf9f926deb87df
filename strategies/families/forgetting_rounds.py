"""Approximate unlearning on top of methods that train in rounds: the model is mended instead of trained again.

Each stands on FedAvg, and `fedprox+npo` puts it on another (`fedsift.strategies.registry.method_named`), so that the
grid of training and unlearning methods of Oblivionis (arXiv 2508.08875) can be played.
"""

from abc import abstractmethod
from collections.abc import Mapping, Set
from typing import ClassVar

import numpy as np

from fedsift.core.errors import BadInput
from fedsift.core.fixed_point import FixedPointSum
from fedsift.core.local_training import LocalTraining, Objective
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, Recipient, Terms, Work
from fedsift.strategies.families.federated_rounds import FederatedRounds
from fedsift.strategies.families.negated_central_ft import SCALES, best_candidate


class ForgettingRounds(FederatedRounds):
    """Trains as the method that it stands on; a subclass says how it forgets."""

    exact = False

    @abstractmethod
    def forget(self, clients: Clients, leaving: Set[str]) -> Work:
        """Mend the model; `members` are those who stay, and there is one at least."""

    def change(self, clients: Clients, joining: Set[str], leaving: Set[str]) -> Work:
        """Forget those who leave; where clients join as well, or nobody stays, all is trained from scratch."""
        staying = self.members - leaving
        if joining or not leaving or not staying:
            return super().change(clients, joining, leaving)
        self.members = staying
        return self.forget(clients, leaving)


class AscendingRounds(ForgettingRounds):
    """Those who leave train the model away from their rows, and a part of what that changes is added.

    How large a part, scores say: the one that forgets most and leaves other members theirs, as for task negation.
    """

    objective: ClassVar[Objective]
    searched: ClassVar[tuple[Terms, ...]] = tuple({"scale": scale} for scale in SCALES)

    @classmethod
    def serve(cls, recipient: Recipient, **terms: float) -> list[Vector]:
        """The model; while a removal is going on, what a candidate makes of it."""
        model = recipient.shared["model"]
        return [model + np.float32(terms["scale"]) * recipient.shared["change"] if terms else model]

    def forget(self, clients: Clients, leaving: Set[str]) -> Work:
        """The trainings, side by side, and a search.

        Raises:
            BadInput: nobody who leaves has trained.
        """
        changed, work = self.changed(clients, leaving)
        shared = {"model": self.model, "change": changed}
        work.validation_scorings = self._search(clients, leaving, shared)
        (self.model,) = self.serve(Recipient(None, shared, self.layout.sizes, lambda _: 0.0), **self.found)
        return work

    def changed(self, clients: Clients, leaving: Set[str]) -> tuple[Vector, Work]:
        """What is to be added to the model, shape (n,), and what that took: the mean change by those who leave."""
        schedule, nbytes = clients.schedule, 4 * self.layout.size
        steps = {client_id: schedule.local_steps(client_id) for client_id in leaving}
        asked = {client_id: LocalTraining(number, self.objective) for client_id, number in steps.items()}
        clients.spent.add(schedule.trained(steps, dict.fromkeys(steps, nbytes), nbytes))
        models, work = FixedPointSum(self.layout.size), Work()
        for _, trained in clients.local(schedule.rounds + 1, self.model, asked):
            models.add(trained.task_vector)
            work.add(Work(1, trained.steps))
        if not work.trainings:
            raise BadInput(f"{self.name}: nobody who leaves has trained ({'; '.join(clients.failures.values())})")
        return models.mean(work.trainings) - self.model, work

    def _search(self, clients: Clients, leaving: Set[str], shared: Mapping[str, Vector]) -> int:
        control = self.validation_clients(clients)
        asked = clients.answering(leaving | set(control))
        scores = clients.scores(self, asked, self.searched, shared)
        kept, forgotten = (self.mean_scores(clients, scores, each) for each in (control, leaving))
        self.found = self.searched[best_candidate(forgotten, kept)]
        return len(asked) * len(self.searched)


class DifferenceRounds(AscendingRounds):
    """Beside those who leave, those who stay train as in any round of theirs, and both changes are added.

    Where the data lie in one place, the losses are added, gamma of the leavers' and alpha of the others' (both 1 in
    OpenUnlearning). Here nobody has the rows of both, so each change is trained where its rows are.
    """

    def changed(self, clients: Clients, leaving: Set[str]) -> tuple[Vector, Work]:
        """The mean change by those who leave, and that of a round of those who stay, from the same model."""
        model, began = self.model, clients.spent.seconds
        change, work = super().changed(clients, leaving)
        ended, clients.spent.seconds = clients.spent.seconds, began
        work.add(self.play(clients, clients.schedule.rounds + 1, began, self.members))
        clients.spent.seconds = max(ended, clients.spent.seconds)
        change += self.model - model
        self.model = model
        return change, work
