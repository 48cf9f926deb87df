"""Attacks on clients that leave, on the tiny model."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.round_schedule import Schedule
from fedsift.data.loading import load_dataset
from fedsift.runtime.progress import PhaseBars
from fedsift.strategies.families.forgetting_rounds import ForgettingRounds
from fedsift.strategies.msa import Msa
from fedsift.strategies.negmerge import NegMerge
from fedsift.strategies.registry import COMPARED, METHODS, SIFT_MASKS, compared_named
from fedsift.strategies.task_negation import TaskNegation
from fedsift.studies.attacks.canary import canary
from fedsift.studies.attacks.evaluation import ON_CENTRAL_FT, compared_among, evaluate_attacks
from fedsift.studies.attacks.evidence import Evidence
from fedsift.studies.attacks.measure_membership import ATTACKS, membership
from fedsift.studies.attacks.measure_memory import METRICS, memory
from fedsift.studies.attacks.method_subjects import MethodsUnderAttack
from fedsift.studies.attacks.reconstruction import victim_among
from fedsift.studies.attacks.roc import FIGURES
from fedsift.studies.attacks.sift_masks_subjects import DIFFERENCE, OWN_MASK, SiftMasksUnderAttack
from fedsift.studies.attacks.subjects import AFTER, BEFORE, ORACLE, STATES, Parties
from fedsift.studies.training_cache import Session, TrainingCache
from fedsift.studies.training_calls import FineTuning

CLIENTS = [f"client {number}" for number in range(8)]
MEMBERS, LEAVERS, NON_MEMBERS = CLIENTS[:5], CLIENTS[1:3], CLIENTS[5:]
EXACT = ("SIFT-Masks", OWN_MASK, "Central FT")
CANARY_BITS = 4
STEPS_BY_HEART = 60
PARAPHRASED = {"forget_Q_A_PARA_Prob", "forget_Q_A_PARA_ROUGE"}  # which these data have not
REMEMBERED = {name for name, metric in METRICS.items() if metric.part == "leavers"} - PARAPHRASED
# Metrics that any other loss changes; those of texts and of the likeliest tokens can come out the same.
LOSSES = {"forget_Q_A_Prob", "forget_truth_ratio", "forget_quality"}
TITLE = METHODS[SIFT_MASKS].title
FORGETTING = [name for name, method in COMPARED.items() if issubclass(method, ForgettingRounds)]
APPROXIMATE = ("task negation", "NegMerge", "MSA")


@pytest.fixture(scope="module")
def cache(
    session: Session, tiny_config: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrainingCache]:
    config = dataclasses.replace(tiny_config, steps=20, lr=2e-2, workers=1, test_share=0)
    with TrainingCache(config, tmp_path_factory.mktemp("cache"), PhaseBars(), session) as cache:
        yield cache


@pytest.fixture(scope="module")
def result(cache: TrainingCache) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fedsift.studies.attacks.evaluation.canary", partial(canary, bits=CANARY_BITS))
        for method in (TaskNegation, NegMerge):
            patch.setattr(method, "searched", method.searched[::10])
        return evaluate_attacks(
            cache, MEMBERS, LEAVERS, NON_MEMBERS, references=4, pooled_references=4, pooled_steps=12, relearning_steps=2
        )


def rows_of(cache: TrainingCache) -> dict[str, Sequence[Row]]:
    dataset = load_dataset(cache.config)
    return {each: dataset.train_examples(each) for each in CLIENTS}


@pytest.fixture
def parties() -> Parties:
    return Parties.of(MEMBERS, LEAVERS, NON_MEMBERS)


def of_method(result: dict[str, Any], part: str, titles: Sequence[str]) -> list[dict[str, Any]]:
    return [row for row in result[part] if row["method"] in titles]


def test_exact_removal_leaves_what_the_oracle_leaves(result: dict[str, Any]) -> None:
    rows = of_method(result, "membership", EXACT)
    assert [(row["equals_oracle"], row[AFTER] == row[ORACLE]) for row in rows] == [(True, True)] * 3 * len(ATTACKS)
    rows = of_method(result, "memory", EXACT)
    assert {row["metric"] for row in rows} == set(METRICS) - PARAPHRASED
    assert len(rows) == 3 * len(set(METRICS) - PARAPHRASED) - 1  # of own masks no newcomers
    for row in rows:
        assert row["equals_oracle"]
        assert row[AFTER] == row[ORACLE]
        assert [*row["difference"][AFTER].values()] == [[0.0, 0.0, 0.0]]
    for part, what in (("relearning", "steps_to_recover"), ("canaries", "exposure")):
        rows = of_method(result, part, EXACT)
        assert [row["method"] for row in rows] == list(EXACT)
        for row in rows:
            assert row["equals_oracle"]
            assert row[what][AFTER] == row[what][ORACLE]


def test_approximate_removal_does_not(result: dict[str, Any]) -> None:
    for part, number in (("membership", 3 * len(ATTACKS)), ("relearning", 3), ("canaries", 3)):
        rows = of_method(result, part, APPROXIMATE)
        assert len(rows) == number
        assert not any(row["equals_oracle"] for row in rows)
    remembered = of_method(result, "memory", APPROXIMATE)
    assert {row["metric"] for row in remembered if not row["equals_oracle"]} >= LOSSES


def test_attacks_find_members_before(result: dict[str, Any]) -> None:
    auc = {(row["method"], row["metric"], state): row[state]["auc"] for row in result["membership"] for state in STATES}
    for method in (OWN_MASK, "Central FT"):
        assert auc[method, "lira", BEFORE] > 0.85
        assert auc[method, "lira", BEFORE] > auc[method, "lira", ORACLE] + 0.2
    at_first = {row["method"]: row["steps_to_recover"][BEFORE] for row in result["relearning"]}
    assert at_first == dict.fromkeys((*EXACT, DIFFERENCE, *APPROXIMATE), 0)
    (own,) = of_method(result, "canaries", [OWN_MASK])
    assert own["exposure"][BEFORE] == CANARY_BITS > own["exposure"][ORACLE]


def test_an_incomplete_removal_is_seen(cache: TrainingCache, parties: Parties, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = SiftMasksUnderAttack._after
    monkeypatch.setattr(SiftMasksUnderAttack, "_after", lambda self, leavers: whole(self, leavers[1:]))
    evidence = Evidence(cache, parties, rows_of(cache))
    for subject in SiftMasksUnderAttack(cache, parties).subjects(parties.halves(4, 0)):
        states = evidence.of_states(subject)
        assert not any(row["equals_oracle"] for row in membership(evidence, subject, states))
        found = {row["metric"]: row["equals_oracle"] for row in memory(evidence, subject, states)}
        assert {name for name, same in found.items() if not same} >= LOSSES


def test_what_notices_what(
    cache: TrainingCache, parties: Parties, tmp_path: Path, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two removals that are none: the sums keep one of two leavers; both leavers keep what they were served.

    Clients tune until they know their answers by heart. The second leaves all of that, so each metric of the leavers'
    rows must tell, on its own side of the reference.
    """
    config = dataclasses.replace(cache.config, steps=STEPS_BY_HEART)
    with TrainingCache(config, tmp_path, PhaseBars(), session) as by_heart:
        _what_notices_what(by_heart, parties, capsys)


def _what_notices_what(cache: TrainingCache, parties: Parties, capsys: pytest.CaptureFixture[str]) -> None:
    evidence = Evidence(cache, parties, rows_of(cache))
    under_attack = SiftMasksUnderAttack(cache, parties)
    merged, own, difference = under_attack.subjects(parties.halves(4, 0))
    one_left_in = under_attack._merged(under_attack._after(LEAVERS[1:]))
    planted = {  # and an exact removal, seen by who kept the model of before
        "one of two left in": dataclasses.replace(merged, states={**merged.states, AFTER: one_left_in}),
        "own models kept": dataclasses.replace(own, states={**own.states, AFTER: own.states[BEFORE]}),
        "before less after": difference,
    }
    noticed: dict[str, dict[str, float]] = {}
    for plant, subject in planted.items():
        states = evidence.of_states(subject)
        for row in [*membership(evidence, subject, states), *memory(evidence, subject, states)]:
            (by, _, _), *_ = row["difference"][AFTER].values()
            noticed.setdefault(row["metric"], {})[plant] = by
            if plant == "own models kept" and row["metric"] in {*REMEMBERED, *(each.name for each in ATTACKS)}:
                assert by * (1 if row.get("rises", True) else -1) > 0.1, row
    with capsys.disabled():
        print(f"\n{'':28}", *(f"{plant:>20}" for plant in planted))
        for metric, found in noticed.items():
            print(f"{metric:28}", *(f"{found[plant]:>+20.3f}" if plant in found else f"{'':>20}" for plant in planted))


def attacked(cache: TrainingCache, names: Sequence[str]) -> dict[str, Any]:
    """Of the methods alone, without relearning, and with the smallest canaries."""
    schedule = Schedule(lambda _: 12, rounds=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fedsift.studies.attacks.evaluation.canary", partial(canary, bits=1))
        found = evaluate_attacks(
            cache, MEMBERS, LEAVERS, NON_MEMBERS, names, schedule, 4, 4, pooled_steps=4, relearning_steps=0
        )
    return {
        part: [row for row in rows if not row["method"].startswith(TITLE)] if isinstance(rows, list) else rows
        for part, rows in found.items()
    }


@pytest.mark.parametrize(
    "names",
    [
        ["fedavg", "fedavg+npo", "sisa", "tall-masks"],
        pytest.param([*COMPARED, *(f"fedprox+{name}" for name in FORGETTING)], marks=pytest.mark.exhaustive),
    ],
)
def test_any_method_is_judged_by_its_own_reference(cache: TrainingCache, names: Sequence[str]) -> None:
    """Of exact methods each figure is that of the reference, to the bit; of the others none of the losses is."""
    found, kinds = attacked(cache, names), [compared_named(name) for name in names]
    assert list(dict.fromkeys(row["method"] for row in found["membership"])) == [kind.title for kind in kinds]
    for kind in kinds:
        rows = [
            row
            for part in ("membership", "memory", "relearning", "canaries")
            for row in found[part]
            if row["method"] == kind.title
        ]
        assert len(rows) >= len(METRICS)
        if kind.exact:
            assert all(row["equals_oracle"] for row in rows), kind
            assert not any(by for row in rows for by, _, _ in row.get("difference", {}).get(AFTER, {}).values()), kind
        elif kind.name != "s3t":  # Which is exact where a shard is left without members, as here.
            assert not any(row["equals_oracle"] for row in rows if row.get("metric") in LOSSES | {"loss"}), kind
        by_references = {row["metric"] for row in rows if row.get("metric") in ("lira", "rmia")}
        assert by_references == (set() if kind.in_rounds or rows[0]["observer"] == "server" else {"lira", "rmia"})


def test_all_others_reconstruct_a_stayer(result: dict[str, Any], cache: TrainingCache, parties: Parties) -> None:
    """Of a sum it is its own task vector, whoever has left; of exact methods a removal tells no more of it."""
    victim = victim_among(parties, cache.config.seed)
    assert victim in parties.stayers
    sift_masks = SiftMasksUnderAttack(cache, parties, victim=victim)
    merged, *_ = sift_masks.subjects([])
    own = sift_masks._quantised(victim).contribution.levels() * cache.grid.step * cache.signs
    for state, number in ((BEFORE, 5), (AFTER, 3), (ORACLE, 3)):
        ((published,), (others,)) = (served(victim) for served in (merged.states[state], merged.without[state]))
        np.testing.assert_allclose(published + (number - 1) * (published - others), own, atol=1e-5)
    rows = result["reconstruction"]
    assert {row["method"] for row in rows} == {TITLE, "Central FT", *APPROXIMATE}
    for row in rows:
        assert row["equals_oracle"] == (row["method"] not in APPROXIMATE)
    (published, reconstructed) = (row["probability"] for row in rows if row["method"] == TITLE)
    for state in STATES:
        assert reconstructed[state] > published[state]


def test_nothing_is_subtracted(cache: TrainingCache, parties: Parties, monkeypatch: pytest.MonkeyPatch) -> None:
    for method in (TaskNegation, NegMerge, Msa):
        monkeypatch.setattr(method, "searched", method.searched[:1])
    central, *approximate = MethodsUnderAttack(cache, parties, compared_among(ON_CENTRAL_FT), 2).subjects([])
    assert not np.array_equal(central.states[AFTER](""), central.states[BEFORE](""))
    assert tuple(subject.title for subject in approximate) == APPROXIMATE
    evidence = Evidence(cache, parties, rows_of(cache))
    for subject in approximate:
        assert np.array_equal(subject.states[AFTER](""), subject.states[BEFORE](""))
        for row in membership(evidence, subject, evidence.of_states(subject)):
            assert row[AFTER] == row[BEFORE]


def test_result_has_the_keys_of_the_report(result: dict[str, Any]) -> None:
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    parts = {"membership", "memory", "relearning", "canaries", "reconstruction", "difference"}
    assert set(result) == {"examples", "leavers", *parts}
    assert (result["examples"], result["leavers"]) == (6, 2)
    figures = {"auc", "auc_interval", "tpr_at_0.001", "tpr_at_0.001_interval", "tpr_at_0.01", "tpr_at_0.01_interval"}
    for row in result["membership"]:
        assert set(row) == {"method", "observer", "metric", "title", "difference", "equals_oracle", *STATES}
        if row["equals_oracle"]:
            assert row["difference"]["after"] == {figure: [0.0, 0.0, 0.0] for figure in FIGURES}
        assert all(set(row[state]) == figures for state in STATES)
    for row in result["memory"]:
        assert set(row) == {"method", "observer", "metric", "title", "rises", "difference", "equals_oracle", *STATES}
        (figure,) = row["difference"][AFTER]
        assert all(set(row[state]) == {figure, f"{figure}_interval"} for state in STATES)
        for state in STATES:
            low, high = row[state][f"{figure}_interval"]
            assert 0 <= low <= row[state][figure] <= high <= 1
    for part, what in (("relearning", "steps_to_recover"), ("canaries", "exposure")):
        for row in result[part]:
            assert set(row) == {"method", "observer", what, "equals_oracle"}
            assert set(row[what]) == set(STATES)
    assert set(result["difference"]) == {"recovered_share", "verdict"}
    assert result["difference"]["recovered_share"] == 1.0
    assert result["difference"]["verdict"].startswith("recovered bit for bit; of each of 2 removed as one batch, ")


def test_halves_have_everybody_in_half_of_them(parties: Parties) -> None:
    assert parties.stayers == ["client 0", "client 3", "client 4"]
    assert (parties.strangers, parties.population) == (["client 5", "client 6"], ["client 7"])
    assert Parties.of(MEMBERS[::-1], LEAVERS[::-1], NON_MEMBERS[::-1]) == parties
    halves = parties.halves(6, 0)
    for client_id in CLIENTS[:-1]:
        assert sum(client_id in half for half in halves) == 3
    assert not any("client 7" in half for half in halves)
    assert halves == parties.halves(6, 0) != parties.halves(6, 1)
    for number in (2, 5):
        with pytest.raises(BadInput, match=f"references = {number}"):
            parties.halves(number, 0)


@pytest.mark.parametrize(
    ("members", "leavers", "non_members", "why"),
    [
        (["a", "b"], ["c"], ["d", "e"], "leaver 'c' is no member"),
        (["a", "b"], ["a"], ["b", "e"], "client 'b' is a member"),
        (["a", "b"], ["a", "b"], ["d", "e"], "2 of 2 members leave"),
        (["a", "b"], [], ["d", "e"], "0 of 2 members leave"),
        (["a", "b"], ["a"], ["d"], "1 client never joins; attacks need at least 2: give --newcomers 2"),
    ],
)
def test_parts_that_nobody_can_play(members: list[str], leavers: list[str], non_members: list[str], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        Parties.of(members, leavers, non_members)


def test_lab_tunes_and_scores_rows(cache: TrainingCache) -> None:
    rows = load_dataset(cache.config).train_examples("client 0")
    wanted = cache.fine_tuned(["client 0"], 2)("client 0")
    tuned = dict(cache.tuned([("any", FineTuning("client 0", rows, 2))]))
    np.testing.assert_array_equal(tuned["any"], wanted)
    (goes_on,) = cache.tuned([("on", FineTuning("client 0", rows, 1, start=wanted, lr_factor=2.0))])
    # Adam's first step is the learning rate for each weight that has a gradient.
    assert np.abs(goes_on[1] - wanted).max() == pytest.approx(2 * cache.config.lr, rel=1e-3)
    losses = cache.example_losses([("M0", None, rows), ("tuned", wanted, rows)])
    scores = cache.scores([("client 0", {"M0": None, "tuned": wanted})], 1)["client 0"]
    for name, score in scores.items():
        assert losses[name].shape == (3,)
        assert np.exp(-losses[name]).mean() == pytest.approx(score, rel=1e-6)
