import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.bit_packing import pack_mask
from fedsift.core.blend import BLENDS, UNVOTED
from fedsift.core.contribution import Contribution
from fedsift.core.errors import Refused
from fedsift.core.ledger import Ledger
from fedsift.core.localisation import Localisation
from fedsift.core.member import Training
from fedsift.core.publication import Publication, sensitivity
from fedsift.core.server_state import ServerState
from tests.core.uploads import contribution, head_statistics, level_lists, terms, upload


def state(*members: list[int], capacity: int = 5) -> ServerState:
    made = ServerState.create(None, terms(4), capacity)
    for index, levels in enumerate(members):
        made.merge(f"client {index}", upload(levels))
    return made


@given(data=st.data(), members=st.integers(1, 6))
def test_a_removal_gives_the_state_that_never_had_the_client(data: st.DataObject, members: int) -> None:
    everyone = {f"client {index}": upload(data.draw(level_lists(4, 3))) for index in range(members)}
    leaving = data.draw(st.sets(st.sampled_from(sorted(everyone))))
    left = ServerState.create(None, terms(4), capacity=members)
    for client in data.draw(st.permutations(sorted(everyone))):
        left.merge(client, everyone[client])
    for client in data.draw(st.permutations(sorted(leaving))):
        left.remove(client, everyone[client])

    never_joined = ServerState.create(None, terms(4), capacity=1000)  # Wider sums have the same digest.
    for client in everyone.keys() - leaving:
        never_joined.merge(client, everyone[client])
    assert left.digest() == never_joined.digest()


def hash_by_hand(uploads: list[bytes]) -> str:
    """Of each upload's SHA-256 1,024 numbers of 16 bits, added up: the hash of their bytes."""
    rows = [b"membersb32:" + hashlib.sha256(each).digest() for each in uploads]
    lanes = [np.frombuffer(hashlib.shake_256(row).digest(2048), "<u2") for row in rows]
    return hashlib.sha256(sum(lanes, np.zeros(1024, np.uint16)).astype("<u2").tobytes()).hexdigest()


def test_the_digest_by_hand() -> None:
    members = [[1, 0, 3, 0], [2, 2, 0, 0]]
    described = (
        '{{"head":{{"features":4,"labels":5}},"layout":"{}","levels":3,"max_magnitude":"000000000000e03f","members":[2,"{}"],"parameters":4,'
        '"sign_seed":1234605616436508552,"threshold":"000000000000d03f"}}'
    ).format(b"L".hex() * 32, hash_by_hand([upload(levels) for levels in members]))
    sums = np.array([3, 2, 3, 0, 2, 1, 1, 0], "<u8").tobytes()
    statistics = [head_statistics(levels) for levels in members]
    gram, targets = sum(each.gram for each in statistics), np.zeros((5, 4), np.int64)
    for each in statistics:
        targets[each.labels] += each.targets
    count = np.array([sum(each.decisions for each in statistics)])
    of_head = b"".join(each.astype("<i8").tobytes() for each in (gram, targets, count))
    digest = hashlib.sha256(described.encode() + sums + of_head).digest()
    assert state(*members).digest() == digest
    for place in range(5):
        changed = state(*members)
        changed.sums.vectors()[place][1][-1] ^= 1
        assert changed.digest() != digest


def test_the_digest_sees_the_highest_level_and_who_makes_up_equal_sums() -> None:
    """2 and 3 take as many bits, and the sums are the same."""
    assert len({ServerState.create(None, terms(4, highest), 1).digest() for highest in (2, 3)}) == 2
    assert state([1, 0, 0, 0], [2, 0, 0, 0]).digest() != state([3, 0, 0, 0], [0, 0, 0, 0]).digest()


def test_what_is_refused_changes_nothing() -> None:
    """A rerun on other data even if it comes to the same upload."""
    merged, hers = state([1, 0, 3, 0], capacity=2), upload([1, 0, 1, 0])
    merged.merge("ann", hers, Training(b"her rows"))
    digest = merged.digest()
    for change, arguments, reason in (
        (merged.merge, ("client 0", upload([1, 0, 0, 0])), "'client 0' is a member already"),
        (merged.merge, ("client 2", upload([1, 0, 0, 0])), "room for 2 members"),
        (merged.remove, ("client 0", upload([1, 0, 2, 0])), "rerun of client 'client 0' differs .* another upload"),
        (merged.remove, ("ann", hers, Training(b"others")), "rerun of client 'ann' differs .* other data"),
        (merged.remove, ("stranger", hers), "'stranger' is not a member"),
    ):
        with pytest.raises(Refused, match=reason):
            change(*arguments)  # type: ignore[operator]
        assert merged.digest() == digest
    merged.remove("ann", hers, Training(b"her rows"))


def test_a_node_that_sends_a_members_upload_on_is_refused() -> None:
    """Under another id it would stay in the sums when its owner leaves. Who has the same rows may come to the same."""
    merged, hers = state(capacity=6), upload([1, 0, 3, 0])
    merged.merge("ann", hers, Training(b"her rows"), "key of ann")
    digest = merged.digest()
    with pytest.raises(Refused, match="client 'bob' sends the upload of a member with other data: a copy, or"):
        merged.merge("bob", hers, Training(b"his rows"), "key of bob")
    assert merged.digest() == digest
    merged.merge("her twin", hers, Training(b"her rows"), "key of her twin")
    merged.merge("simulated", hers, Training(b"her rows, shuffled"))  # Nobody there could send it on.
    merged.remove("simulated", hers, Training(b"her rows, shuffled"))
    for number in range(2):
        merged.merge(f"empty {number}", upload([0, 0, 0, 0]), Training(bytes([number])), f"key of {number}")
    merged.remove("ann", hers, Training(b"her rows"))
    merged.remove("her twin", hers, Training(b"her rows"))
    merged.merge("bob", hers, Training(b"his rows"), "key of bob")  # Nothing is remembered of who has left.


def test_what_members_chose_by_vote_goes_with_who_leaves(tmp_path: Path) -> None:
    """A removal that is refused, and a fold, leave it; and it is no part of the state's digest."""
    path = tmp_path / "ledger.sqlite"
    state = ServerState.create(path, terms(4), 2)
    for client_id in ("ann", "bob"):
        state.merge(client_id, upload([1, 0, 3, 0]))
    assert state.blend == UNVOTED
    digest, chosen = state.digest(), next(blend for blend in BLENDS if blend != UNVOTED)
    state.blend = chosen
    state.fold()
    with pytest.raises(Refused):
        state.remove("ann", upload([1, 0, 2, 0]))
    state.refuse("ann", "another upload")
    state.ledger.close()
    state = ServerState(Ledger.open(path))
    assert (state.blend, state.digest()) == (chosen, digest)
    state.remove("ann", upload([1, 0, 3, 0]))
    assert state.blend == UNVOTED
    state.ledger.close()
    state = ServerState(Ledger.open(path))
    assert state.blend == UNVOTED
    state.ledger.close()


def test_a_client_may_join_again() -> None:
    merged = state([1, 0, 3, 0])
    digest = merged.digest()
    merged.remove("client 0", upload([1, 0, 3, 0]))
    merged.merge("client 0", upload([1, 0, 3, 0]))
    assert merged.digest() == digest


def test_serving_by_hand() -> None:
    """S = (1, 2, 3, 0), C = (1, 1, 2, 0), step = 0.5 / 3: client 0 has entries 0 and 2."""
    merged = state([1, 0, 1, 0], [0, 2, 2, 0])
    mask = contribution([1, 0, 1, 0]).packed_mask
    step = 0.5 / 3
    np.testing.assert_allclose(merged.serve("client 0", mask, Localisation("paper")), [1 * step / 2, 3 * step / 2])
    np.testing.assert_allclose(merged.serve("client 0", mask, Localisation("coordinate")), [1 * step, 1.5 * step])
    np.testing.assert_allclose(merged.merged_magnitudes(), [step / 2, step, 1.5 * step, 0.0])
    digest, merged.publication = merged.digest(), Publication(scale=4.0)
    np.testing.assert_allclose(merged.merged_magnitudes(), [2 * step, 4 * step, 6 * step, 0.0])
    np.testing.assert_allclose(merged.serve("client 0", mask, Localisation("paper")), [1 * step / 2, 3 * step / 2])
    assert merged.digest() == digest  # what is served is no part of the state


def test_a_publication_with_noise_leaves_the_state_exact() -> None:
    """In whole levels, the same for the same state, other noise for another state; each state counts once."""
    levels = [[1, 0, 3, 0], [0, 2, 2, 0]]
    plain, noisy = state(*levels), state(*levels)
    noisy.publication = Publication(noise=2.0)
    step, members = plain.terms.grid.step, len(levels)
    for merged in (noisy, noisy, plain):
        merged.publish()
    added = (noisy.merged_magnitudes() - plain.merged_magnitudes()) * members / step
    np.testing.assert_allclose(added, np.rint(added), atol=1e-4)
    assert np.abs(added).max() > 0
    assert np.array_equal(noisy.merged_magnitudes(), noisy.merged_magnitudes()) and noisy.digest() == plain.digest()
    assert noisy.ledger.publications == [plain.digest().hex()] and not plain.ledger.publications
    for merged in (plain, noisy):
        merged.remove("client 1", upload(levels[1]))
    noisy.publish()
    other = (noisy.merged_magnitudes() - plain.merged_magnitudes()) / step
    assert not np.allclose(other, added)
    assert noisy.ledger.publications[1:] == [plain.digest().hex()]
    assert sensitivity(plain.terms.grid.levels, 4) == 2 * plain.terms.grid.levels


def test_slices_and_chunks_change_nothing(tmp_path: Path) -> None:
    """Sums of two chunks of the ledger and uploads of two pieces, against the formulas over whole vectors."""
    size, highest = (1 << 20) + 9, 65535
    chance = np.random.default_rng(3)
    members = [chance.integers(1, highest, size, endpoint=True) * (chance.random(size) < 0.8) for _ in range(3)]
    uploads = [Contribution.from_levels(levels, terms(size, highest, head=None)) for levels in members]
    made = ServerState.create(tmp_path / "ledger.sqlite", terms(size, highest, head=None), capacity=3)
    for index, each in enumerate(uploads):
        made.merge(f"client {index}", each.to_bytes())
    assert [upload for _, upload in made.ledger.journal()] == [each.to_bytes() for each in uploads]
    made.fold()
    again = ServerState(made.ledger)
    level_sum, mask_count = np.sum(members, axis=0), np.sum(np.array(members) > 0, axis=0)
    assert np.array_equal(again.sums.level_sum, level_sum)
    assert np.array_equal(again.sums.mask_count, mask_count)
    served = again.serve("client 0", uploads[0].packed_mask, Localisation("coordinate"))
    mask, step = members[0] > 0, 0.5 / highest
    assert np.array_equal(served, (level_sum[mask] * step / mask_count[mask]).astype(np.float32))
    assert np.array_equal(again.merged_magnitudes(), (level_sum * (step / 3)).astype(np.float32))


@pytest.mark.parametrize("mask", [pack_mask(np.ones(4, np.bool_)), b"", b"\x05\x00"])
def test_a_mask_of_ones_choice_is_refused(mask: bytes) -> None:
    with pytest.raises(Refused, match="not merged with"):
        state([1, 0, 1, 0]).serve("client 0", mask, Localisation("coordinate"))


def test_an_empty_state_serves_the_base_model() -> None:
    assert state().merged_magnitudes().tolist() == [0.0, 0.0, 0.0, 0.0]
