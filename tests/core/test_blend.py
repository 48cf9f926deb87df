import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fedsift.core.blend import (
    BLENDS,
    HEAD_VOTES,
    Blend,
    SharedTokens,
    blended,
    choose,
    choose_voters,
    integer_loss,
    log_softmax,
    lost_score,
)

COUNTS = np.array([3, 0])  # of two labels: (3.5 / 4, .5 / 4)


def test_by_hand() -> None:
    """Odds multiply: shared 1 : 3, own 4 : 1, label frequencies 7 : 1."""
    shared, own = np.log([[0.25, 0.75]]), np.log([[4.0, 1.0]])
    for blend, odds in (
        (Blend(own=0.0), 1 / 3),
        (Blend(own=1.0), 4.0),
        (Blend(own=0.5), (4 / 3) ** 0.5),
        (Blend(own=0.0, prior=1.0), 7 / 3),
        (Blend(own=1.0, prior=0.5), 4 * 7**0.5),
    ):
        said = np.exp(blended(blend, shared, own, COUNTS))
        assert said.sum() == pytest.approx(1)
        assert said[0, 0] / said[0, 1] == pytest.approx(odds)


def test_who_has_nothing_of_its_own_is_served_what_is_shared() -> None:
    shared = log_softmax(np.array([[1.0, 2.0], [0.0, 5.0]]))
    for blend in BLENDS:
        assert blended(blend, shared, None, np.zeros(2, int)) == pytest.approx(shared)
        assert blended(blend, shared, None, None) == pytest.approx(shared)


def test_counts_may_differ_by_decision() -> None:
    shared = np.log([[0.5, 0.5], [0.5, 0.5]])
    said = blended(Blend(prior=1.0), shared, None, np.array([[3, 0], [0, 3]]))
    assert np.exp(said) == pytest.approx(np.array([[7 / 8, 1 / 8], [1 / 8, 7 / 8]]))


def test_losses_are_integers_of_a_bounded_nat() -> None:
    """Ln 2 = .6931 is 709.8 units of 2^-10; e^-50 counts as 20 nats."""
    labels = np.array([0, 1])
    assert integer_loss(np.log([[0.5, 0.5]]), labels[:1]) == 710
    assert integer_loss(np.array([[-50.0, 0.0]]), labels[:1]) == 20480
    assert integer_loss(np.log([[0.5, 0.5], [0.5, 0.5]]), labels) == 1420


@given(st.lists(st.floats(-60, 0), max_size=20), st.integers(0, 20))
@settings(deadline=None)
def test_losses_add_up_in_any_grouping(said: list[float], cut: int) -> None:
    said_of, labels = np.array(said).reshape(-1, 1), np.zeros(len(said), int)
    parts = [integer_loss(said_of[part], labels[part]) for part in (slice(cut), slice(cut, None))]
    assert sum(parts) == integer_loss(said_of, labels)


def test_the_frequencies_weigh_what_all_say_and_the_own_model_what_voters_say() -> None:
    priors = [blend.prior for blend in BLENDS if blend.own == 0]
    head = [10] * HEAD_VOTES
    head[priors.index(0.5)] = 9
    own = [100] * len(BLENDS)
    own[BLENDS.index(Blend(1.0, 0.5, 0.0, 40.0))] = 99
    own[BLENDS.index(Blend(0.3, 1.0, 0.0, 0.0))] = 0  # another prior than the chosen one
    assert choose(head, own) == Blend(1.0, 0.5, 0.0, 40.0)
    assert choose(head, None) == Blend(0.3, 0.5, 0.0, 40.0)


def test_alone_is_among_the_settings() -> None:
    assert Blend(own=1.0, prior=0.0) in BLENDS
    assert any(blend.own == 0 and blend.prior == 0 for blend in BLENDS)


def test_voters_depend_on_members_alone() -> None:
    members = [f"client-{number}" for number in range(400)]
    asked, voters = choose_voters(7, members)
    assert (len(asked), len(voters)) == (100, 20)
    assert voters == {*asked[:20]}
    assert (asked, voters) == choose_voters(7, members[::-1])
    assert asked != choose_voters(8, members)[0]
    few, of_few = choose_voters(7, members[:5])
    assert {*few} == of_few == {*members[:5]}
    leaver = asked[3]
    then, and_then = choose_voters(7, [each for each in members if each != leaver])
    assert {*then} > {*asked} - {leaver}
    assert and_then >= voters - {leaver}


def test_tokens_by_hand() -> None:
    """M0 gives 1/2, 1/4, 1/4; a score of .15 raises 1/4 by (1 + .15 / .025)^.5 = 7^.5, or by e^(40 s)."""
    base, head = np.log([[0.5, 0.25, 0.25]]), np.array([[-1.0, 0.15, 0.0]])
    by_ratio = np.exp(SharedTokens(head, base).under(Blend(ratio=0.5)))[0]
    assert by_ratio == pytest.approx(np.array([0.5, 0.25 * 7**0.5, 0.25]) / (0.75 + 0.25 * 7**0.5))
    sharp = np.exp(SharedTokens(head, base).under(Blend(ratio=0.0, sharp=40.0)))[0]
    assert sharp == pytest.approx(np.array([0.5, 0.25 * np.exp(6), 0.25]) / (0.75 + 0.25 * np.exp(6)))
    assert np.exp(SharedTokens(head, base).under(Blend(ratio=0.0)))[0] == pytest.approx([0.5, 0.25, 0.25])


def test_a_score_that_is_lost_by_hand() -> None:
    assert [lost_score(score) for score in (1.0, 0.75, 0.0, 1.5)] == [0, 256, 1024, 0]
