"""Figures worked out by hand, and held against the real thing where that can be made."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.contribution import Contribution, UploadTerms
from fedsift.core.head_statistics import Decisions, HeadStatistics, HeadTerms, quantised
from fedsift.core.localisation import Localisation
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.running_sums import RunningSums
from fedsift.core.server_state import ServerState
from fedsift.protocol.messages import terms_record
from fedsift.studies.plan.footprint import Footprint
from tests.core.uploads import highest_levels
from tests.studies.plan.assumed import assumed


def test_the_worked_example() -> None:
    """The numbers of docs/reference/formulas.md."""
    found = Footprint(assumed()).to_json()
    assert found == {
        "kept": 480_000_000,
        "upload_bytes": 80 + 150_000_000 + 60_000_000,
        "all_upload_bytes": 105_000_040_000,
        "head_bytes": 0,
        "all_head_bytes": 0,
        "served_head_bytes": 0,
        "all_served_head_bytes": 0,
        "terms_bytes": 120,
        "all_terms_bytes": 60_000,
        "served_own_bytes": 0,
        "all_served_own_bytes": 0,
        "served_coordinate_bytes": 1_920_000_000,
        "all_served_coordinate_bytes": 960_000_000_000,
        "merged_bytes": 4_800_000_000,
        "mask_bytes": 150_000_000,
        "all_mask_bytes": 75_000_000_000,
        "levels_bytes": 60_000_000,
        "all_levels_bytes": 30_000_000_000,
        "client_bytes": 19_200_000_000,
        "sums_bytes": 4_800_000_000,
        "server_bytes": 4_800_000_000 + 2 * 210_000_080 + 40_000_000,
        "ledger_bytes": 4_800_000_000 + 100_000,
        "training_tokens": 512_000,
        "training_flops": 3_686_400_000_000_000,
        "training_hours": pytest.approx(0.00256),
        "merge_hours": pytest.approx(1.28),
        "merge_elapsed_hours": pytest.approx(0.16128),
        "add_seconds": 2.4,
        "all_add_seconds": 1200,
        "merge_seconds": 6,
        "all_merge_seconds": 3000,
    }


def test_a_share_that_is_tuned() -> None:
    """A hundredth of a million: 4 P + 2 n = 4,020,000 a token; 16 bytes a tuned weight, 4 a weight of M0."""
    few = Footprint(assumed(model_parameters=1e6, tuned=0.01, dtype="float32", steps=1, batch_size=1, tokens=1))
    assert few.training_flops == 4_020_000
    assert few.client_bytes == 160_000 + 4_000_000
    assert few.upload_bytes == 80 + 1250 + 500
    assert few.merged_bytes == 40_000
    assert Footprint(assumed(model_parameters=801, levels=1)).upload_bytes == 80 + 101  # One level is in the mask.


@given(
    size=st.integers(1, 300),
    highest=highest_levels,
    density=st.floats(0, 1),
    clients=st.sampled_from([1, 500, 21_845, 21_846, 32_767, 32_768, 65_535, 65_536, 1_000_000]),
)
def test_as_large_as_the_real_thing(size: int, highest: int, density: float, clients: int) -> None:
    """An upload, a mask, what is served, and the sums."""
    footprint = Footprint(assumed(model_parameters=size, levels=highest, density=density, clients=clients, removals=0))
    terms = UploadTerms(bytes(32), size, 1, QuantisationGrid(highest, 1.0))
    contribution = Contribution.from_levels((np.arange(size) < footprint.kept).astype(np.uint32), terms)
    assert footprint.upload_bytes == len(contribution.to_bytes())
    assert footprint.mask_bytes == len(contribution.packed_mask)
    assert footprint.levels_bytes == len(contribution.packed_levels)
    assert footprint.sums_bytes == RunningSums(terms, clients).nbytes


def test_a_shared_head_by_hand_and_as_large_as_the_real_thing() -> None:
    """384 features and a constant, 30 labels: 74,305 entries of G and 11,550 of B, in 4 bytes, and summed in 8."""
    without, footprint = Footprint(assumed()), Footprint(assumed(head_features=384, head_labels=30))
    assert footprint.head_bytes == footprint.upload_bytes - without.upload_bytes == 26 + 4 + 4 * (74_305 + 11_550)
    assert footprint.served_head_bytes == 8 * (74_305 + 11_550)
    head = HeadTerms(385, 30)
    features = quantised(np.random.default_rng(0).normal(size=(3000, 384)))
    labels = (np.arange(3000) % 30).astype(np.int32)
    statistics = HeadStatistics.of(Decisions(features, labels, np.arange(3000, dtype=np.int32)), head)
    assert len(statistics.to_bytes()) == pytest.approx(footprint.head_bytes, rel=0.5)
    assert len(statistics.to_bytes()) <= footprint.head_bytes
    terms = UploadTerms(bytes(32), 8, 1, QuantisationGrid(2, 1.0), head)
    small = Footprint(assumed(model_parameters=8, head_features=384, head_labels=30))
    assert small.sums_bytes == RunningSums(terms, 500).nbytes


def test_the_terms_are_as_long_as_those_that_are_sent() -> None:
    record = terms_record(UploadTerms(bytes(32), 1, 1, QuantisationGrid(2, 1.0)), model_digest=bytes(32))
    sent = sum(len(value) if isinstance(value, bytes) else 8 for value in record.values())
    assert sent == Footprint(assumed()).terms_bytes


def test_what_a_member_is_served_is_what_the_server_makes() -> None:
    footprint = Footprint(assumed(model_parameters=1000))
    terms = UploadTerms(bytes(32), 1000, 1, QuantisationGrid(2, 1.0))
    state = ServerState.create(None, terms, capacity=500)
    contribution = Contribution.from_levels((np.arange(1000) < footprint.kept) * np.uint8(2), terms)
    state.merge("a", contribution.to_bytes())
    mask = bytes(contribution.packed_mask)
    assert footprint.served_coordinate_bytes == state.serve("a", mask, Localisation("coordinate")).nbytes == 4 * 400
    assert footprint.served_own_bytes == state.serve("a", mask, Localisation("own")).nbytes == 0
    assert footprint.merged_bytes == state.merged_magnitudes().nbytes


def test_the_ledger_is_as_large_as_a_real_one(tmp_path: Path) -> None:
    """A million parameters and 40 members: the journal outgrows the sums twice."""
    size = 1 << 20
    footprint = Footprint(assumed(model_parameters=size, clients=40))
    terms = UploadTerms(bytes(32), size, 1, QuantisationGrid(2, 1.0))
    upload = Contribution.from_levels((np.arange(size) < footprint.kept).astype(np.uint8), terms).to_bytes()
    state = ServerState.create(tmp_path / "ledger.sqlite", terms, capacity=40)
    for member in range(40):
        state.merge(f"member {member}", upload)
    state.fold()
    state.ledger.close()
    assert (tmp_path / "ledger.sqlite").stat().st_size == pytest.approx(footprint.ledger_bytes, rel=0.03)
