"""SimNPO on top of training in rounds: GradDiff with NPO's loss for those who leave, without an earlier model in it."""

from fedsift.core.local_training import Objective
from fedsift.protocol.method import EVERYBODY_ONCE, MODEL
from fedsift.strategies.families.forgetting_rounds import DifferenceRounds
from fedsift.strategies.fedavg import FedAvg


class SimNpo(DifferenceRounds, FedAvg):
    """Those who leave train their rows' probability down, the less the lower it is, while others train theirs up."""

    name, title, paper, place = "simnpo", "SimNPO", "Fan et al. 2024, arXiv 2410.07163", 45
    cost, storage = EVERYBODY_ONCE, MODEL
    objective = Objective.SIMNPO
