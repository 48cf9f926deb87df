"""Several models that serve one client, and how they are taken together."""

from enum import StrEnum


class Ensemble(StrEnum):
    """How what several models say becomes one score; of a single model it is that model's."""

    DRAWN = "drawn"  # one of them, drawn at random, answers: the mean of their scores
    MEAN = "mean"  # the mean of their probabilities answers, decision by decision
    VOTE = "vote"  # the label that most of them answer; of equally many the one with the higher mean probability
