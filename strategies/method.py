"""What is known of a method before it runs: where it comes from, whether its removal is exact, what that costs."""

from collections.abc import Callable
from dataclasses import dataclass

# Client trainings of a removal, from T members before it (Table 1 of arXiv 2504.04626). Of the last member nothing has
# to be trained again: what is left is the state without members.
Cost = Callable[[int], int]


def one(members: int) -> int:
    """The leaver alone trains again, and is subtracted."""
    return 1 if members > 1 else 0


def everybody_else(members: int) -> int:
    """All that remain train again."""
    return members - 1


def several(trainings: int) -> Cost:
    """A fixed number, whatever the number of members."""
    return lambda members: trainings if members > 1 else 0


def others_of_shard(shards: int) -> Cost:
    """The others of the leaver's shard train again: (T - 1) / S of them, in the mean."""
    return lambda members: -(-(members - 1) // shards)


@dataclass(frozen=True)
class Method:
    """A row of the registry.

    Attributes:
        name: on the command line.
        title: in tables.
        paper: where it comes from.
        exact: whether a removal gives the state of never having joined, as the method's authors mean it.
        cost: client trainings of one removal.
        cost_formula: the same for people, T being the number of members.
        storage: bytes that the method keeps, from n parameters of 4 bytes and T members.
        storage_formula: the same for people, M being the bytes of a model.
    """

    name: str
    title: str
    paper: str
    exact: bool
    cost: Cost
    cost_formula: str
    storage: Callable[[int, int], int]
    storage_formula: str

    def all_removals(self, members: int) -> int:
        """Client trainings of removing all members one by one."""
        return sum(map(self.cost, range(members, 0, -1)))


def model(parameters: int, members: int) -> int:  # noqa: ARG001
    """M: one model in float32."""
    return 4 * parameters


def models(number: int) -> Callable[[int, int], int]:
    """M times a number: shards, or their checkpoints."""
    return lambda parameters, _: 4 * parameters * number


def model_and_masks(parameters: int, members: int) -> int:
    """M (1 + T/32): one model, and a mask of one bit an entry for each member."""
    return 4 * parameters + members * -(-parameters // 8)
