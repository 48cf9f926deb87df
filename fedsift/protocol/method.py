"""What is known of a method before it runs: where it comes from, whether its removal is exact, what that costs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

HEAD_STATISTICS = "shared head's statistics"  # of what is uploaded; their sums are kept
ROUNDS = 10.0  # R s where nothing else is said: ten rounds of all members


@dataclass(frozen=True)
class Cost:
    """Client trainings of a removal (Table 1 of arXiv 2504.04626).

    Of the last member nothing has to be trained again: what is left is the state without members.
    """

    trainings: Callable[[int], int]  # from T members before the removal
    formula: str  # the same for people, R being the number of rounds and s the share of the members in each
    share_of_rounds: float = 0.0  # how many of the R s trainings of each it repeats; 0: it has no rounds

    def __call__(self, members: int, rounds: float = ROUNDS) -> int:
        """Client trainings of one removal from so many members, with R s = `rounds`."""
        trainings = self.trainings(members)
        return round(trainings * rounds * self.share_of_rounds) if self.share_of_rounds else trainings

    def of_all(self, members: int, rounds: float = ROUNDS) -> int:
        """Client trainings of removing all members one by one."""
        return sum(self(each, rounds) for each in range(members, 0, -1))


@dataclass(frozen=True)
class Storage:
    """Bytes that a method keeps."""

    nbytes: Callable[[int, int], int]  # from n parameters of 4 bytes and T members
    formula: str  # the same for people, M being the bytes of a model, S the number of shards, L of slices in each

    def __call__(self, parameters: int, members: int) -> int:
        """Bytes for so many parameters and members."""
        return self.nbytes(parameters, members)


ONE = Cost(lambda members: 1 if members > 1 else 0, "1")  # The leaver alone trains again, and is subtracted.
EVERYBODY_ELSE = Cost(lambda members: members - 1, "T")
# The leaver, and a round of the others beside it: all of them here, where rounds ask a share s that.
EVERYBODY_ONCE = Cost(lambda members: members if members > 1 else 0, "1 + s T")
EVERY_ROUND = Cost(EVERYBODY_ELSE.trainings, "R s T", 1.0)  # Everybody else, in all rounds again.
MODEL = Storage(lambda parameters, _: 4 * parameters, "M")  # one, in float32
# One model, and a mask of one bit an entry for each member.
MODEL_AND_MASKS = Storage(lambda parameters, members: 4 * parameters + members * -(-parameters // 8), "M (1 + T/32)")


def several(trainings: int) -> Cost:
    """A fixed number, whatever the number of members."""
    return Cost(lambda members: trainings if members > 1 else 0, str(trainings))


def others_of_shard(shards: int) -> Cost:
    """The others of the leaver's shard train again: (T - 1) / S of them, in the mean."""
    return Cost(lambda members: -(-(members - 1) // shards), "T/S")


def models(number: int, formula: str) -> Storage:
    """M times a number: shards, or their checkpoints."""
    return Storage(lambda parameters, _: 4 * parameters * number, formula)


class Method:
    """The facts of a method, as class attributes of its subclass in `fedsift.strategies`.

    Attributes:
        name: on the command line; a class without one of its own is no method, but a frame for some.
        title: in tables.
        paper: where it comes from.
        exact: whether a removal gives the state of never having joined, as the method's authors mean it.
        cost: client trainings of one removal.
        storage: bytes that the method keeps.
        in_rounds: whether it trains in several rounds, each from the model that the one before has left.
        uploads: what a client sends of its training, in words.
        place: in tables, methods come by this number, then by name.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    exact: ClassVar[bool]
    cost: ClassVar[Cost]
    storage: ClassVar[Storage]
    in_rounds: ClassVar[bool] = False
    uploads: ClassVar[tuple[str, ...]] = ("task vector",)
    place: ClassVar[int] = 1000

    @classmethod
    def facts(cls) -> dict[str, str | bool | list[str]]:
        """What the command line tells of it."""
        return {
            "name": cls.name,
            "title": cls.title,
            "paper": cls.paper,
            "exact": cls.exact,
            "cost_formula": cls.cost.formula,
            "storage_formula": cls.storage.formula,
            "uploads": list(cls.uploads),
        }
