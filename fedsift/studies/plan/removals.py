"""What removals cost with each method of the registry, and what the method keeps."""

from dataclasses import dataclass
from typing import Any

from fedsift.protocol.method import Method
from fedsift.strategies.registry import METHODS
from fedsift.studies.plan.footprint import Footprint


@dataclass(frozen=True)
class Removals:
    """A method's row."""

    method: type[Method]  # of the registry
    footprint: Footprint  # how many clients there are, and what a training takes

    @property
    def trainings(self) -> tuple[int, int, int]:
        """Client trainings of the first removal, of all that were asked for, and of everybody one by one."""
        clients, leavers = self.footprint.assumptions.clients, self.footprint.assumptions.leavers
        asked = sum(map(self.method.cost, range(clients, clients - leavers, -1)))
        return self.method.cost(clients), asked, self.method.cost.of_all(clients)

    @property
    def hours(self) -> tuple[float, ...]:
        """The same in device-hours, each training being one of a client's."""
        return tuple(trainings * self.footprint.training_hours for trainings in self.trainings)

    @property
    def storage_bytes(self) -> int:
        """The registry's formula."""
        assumptions = self.footprint.assumptions
        return self.method.storage(assumptions.tuned_parameters, assumptions.clients)

    def to_json(self) -> dict[str, Any]:
        """The row for machines."""
        spans = ("first_removal", "asked_removals", "all_removals")
        return {
            "name": self.method.name,
            "title": self.method.title,
            "exact": self.method.exact,
            "trainings": dict(zip(spans, self.trainings, strict=True)),
            "device_hours": dict(zip(spans, self.hours, strict=True)),
            "storage_bytes": self.storage_bytes,
        }


def removals(footprint: Footprint) -> list[Removals]:
    """A row for each method."""
    return [Removals(method, footprint) for method in METHODS.values()]
