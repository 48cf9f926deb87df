"""GradDiff, or gradient difference, on top of training in rounds."""

from fedsift.core.local_training import Objective
from fedsift.protocol.method import EVERYBODY_ONCE, MODEL
from fedsift.strategies.families.forgetting_rounds import DifferenceRounds
from fedsift.strategies.fedavg import FedAvg


class GradDiff(DifferenceRounds, FedAvg):
    """Those who leave train their loss up, those who stay theirs down: L = -gamma L_forget + alpha L_retain."""

    name, title, paper, place = "graddiff", "GradDiff", "Liu et al. 2022, arXiv 2203.12817", 44
    cost, storage = EVERYBODY_ONCE, MODEL
    objective = Objective.ASCENT
