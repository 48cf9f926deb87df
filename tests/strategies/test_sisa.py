from fedsift.core.ensemble import Ensemble
from fedsift.strategies.sisa import Sisa, SisaVote
from tests.strategies.made_up_clients import LAYOUT, MadeUpClients


def test_a_vote_and_a_mean_are_of_the_same_models() -> None:
    mean, vote = Sisa(LAYOUT), SisaVote(LAYOUT)
    for each in (mean, vote):
        each.change(MadeUpClients(), {f"client {number}" for number in range(20)}, set())
    assert mean.digest() == vote.digest()
    assert (mean.ensemble, vote.ensemble) == (Ensemble.MEAN, Ensemble.VOTE)
