"""Gradient ascent and negative preference optimisation by those who leave, on top of training in rounds."""

from fedsift.core.local_training import Objective
from fedsift.protocol.method import MODEL, ONE
from fedsift.strategies.families.forgetting_rounds import AscendingRounds
from fedsift.strategies.fedavg import FedAvg


class GradientAscent(AscendingRounds, FedAvg):
    """Those who leave train up their loss."""

    name, title, paper, place = "gradient-ascent", "gradient ascent", "Halimi et al. 2022, arXiv 2207.05521", 40
    cost, storage = ONE, MODEL
    objective = Objective.ASCENT


class Npo(AscendingRounds, FedAvg):
    """Those who leave train their rows' probability down, the less the lower it is already."""

    name, title, paper, place = "npo", "NPO", "Zhang et al. 2024, arXiv 2404.05868", 41
    cost, storage = ONE, MODEL
    objective = Objective.NPO
