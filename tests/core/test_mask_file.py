import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fedsift.core.contribution import Quantised, UploadTerms
from fedsift.core.errors import BadInput
from fedsift.core.mask_file import ClientMask, delete_mask, load_mask, mask_path, save_mask
from fedsift.core.quantisation import QuantisationGrid
from tests.core.uploads import contribution, terms

IDS = ["person-0001", "site:12/../x", "..", "é" * 300, "A", "a", " "]
LEVELS = [1, 0, 3, 2, 0, 0, 1, 1, 2]


def mask_of(levels: list[int], keeps_levels: bool = True, highest: int = 3) -> ClientMask:
    made = ClientMask.of(Quantised(contribution(levels, highest), 0.1, 0), keeps_levels)
    return dataclasses.replace(made, scores={"local": 0.5})


@pytest.mark.parametrize(
    "mask",
    [mask_of(LEVELS), mask_of(LEVELS, keeps_levels=False), mask_of([1] * 9, highest=1), mask_of([0] * 9)],
    ids=["with levels", "mask alone", "one level", "empty"],
)
@pytest.mark.parametrize("client_id", IDS)
def test_round_trip(tmp_path: Path, client_id: str, mask: ClientMask) -> None:
    made_under = terms(9, highest=1 if mask == mask_of([1] * 9, highest=1) else 3)
    save_mask(tmp_path, client_id, mask, made_under)
    assert load_mask(tmp_path, client_id, made_under) == mask
    assert [file.parent for file in tmp_path.rglob("*")] == [tmp_path]
    delete_mask(tmp_path, client_id)
    delete_mask(tmp_path, client_id)
    assert not any(tmp_path.iterdir())


def test_every_client_has_a_file_of_its_own(tmp_path: Path) -> None:
    assert len({mask_path(tmp_path, each).name.lower() for each in IDS}) == len(IDS)
    with pytest.raises(BadInput, match="mask of client 'bob' is missing"):
        load_mask(tmp_path, "bob", terms(9))
    save_mask(tmp_path, "ann", mask_of(LEVELS), terms(9))
    mask_path(tmp_path, "ann").rename(mask_path(tmp_path, "bob"))
    with pytest.raises(BadInput, match=r"bob-.* belongs to client 'ann', not to client 'bob': bring the right"):
        load_mask(tmp_path, "bob", terms(9))


@pytest.mark.parametrize(
    "other",
    [
        terms(8),
        terms(16),
        terms(9, highest=2),
        dataclasses.replace(terms(9), layout_digest=b"M" * 32),
        dataclasses.replace(terms(9), sign_seed=1),
        dataclasses.replace(terms(9), grid=QuantisationGrid(3, 0.25, 0.25)),
    ],
)
def test_a_file_of_other_terms_is_refused(tmp_path: Path, other: UploadTerms) -> None:
    save_mask(tmp_path, "ann", mask_of(LEVELS), terms(9))
    with pytest.raises(BadInput, match=r"ann-.* was made under other terms than this federation's"):
        load_mask(tmp_path, "ann", other)


def _header(header: bytes) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(len(header).to_bytes(8, "little") + header)


def _about(about: str) -> Callable[[Path], object]:
    return lambda file: save_file({"packed": np.zeros(2, np.uint8)}, file, {"about": about})


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:60]),
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(file.read_bytes() + b"\0"),
        lambda file: file.write_bytes(b"junk" * 100),
        lambda file: np.save(file.open("wb"), np.zeros(2, np.uint8)),
        lambda file: np.savez(file.open("wb"), packed=np.zeros(2, np.uint8), l1=np.float64(1)),
        _header(b'{"packed":{"dtype":"U8","shape":[1000000000000],"data_offsets":[0,1000000000000]}}'),
        _header(b"[" * 100_000),
        lambda file: file.write_bytes((1 << 60).to_bytes(8, "little")),
        lambda file: save_file({"packed": np.zeros(2, np.uint8)}, file),
        *map(_about, ("{}", "[]", "no JSON", "[" * 100_000, '{"client": "ann", "metadata": null, "digest": ""}')),
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    save_mask(tmp_path, "ann", mask_of(LEVELS), terms(9))
    damage(mask_path(tmp_path, "ann"))
    with pytest.raises(BadInput, match=r"mask of client 'ann' is missing|ann-.* is no file of a client's, or damaged"):
        load_mask(tmp_path, "ann", terms(9))


@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_every_byte_counts(tmp_path: Path, stride: int) -> None:
    """Whichever bit of mask, levels, norm, scores, terms or id was changed, it is an error or changes nothing."""
    mask = mask_of(LEVELS)
    save_mask(tmp_path, "ann", mask, terms(9))
    file = mask_path(tmp_path, "ann")
    whole, places, refused = file.read_bytes(), 0, 0
    for place in range(0, len(whole), stride):
        places += 1
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert load_mask(tmp_path, "ann", terms(9)) == mask
        except BadInput:
            refused += 1
    assert refused >= places - 8  # blanks that fill up the header


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "has no packed"),
        ({"packed": 1}, r"has packed of shape \(1,\), U8, where \(2,\), U8 belongs"),
        ({"packed": 3}, r"has packed of shape \(3,\)"),
        ({"packed": 2, "levels": 3}, r"has levels of shape \(3,\), U8, where \(0,\), U8 belongs"),
        ({"packed": 2, "more": 3}, "is damaged: its content is not what was written"),
    ],
)
def test_sizes_are_the_terms(tmp_path: Path, arrays: dict[str, int], message: str) -> None:
    save_mask(tmp_path, "ann", mask_of(LEVELS), terms(9))
    file = mask_path(tmp_path, "ann")
    header = file.read_bytes()[8:]
    about = json.loads(header[: int.from_bytes(file.read_bytes()[:8], "little")])["__metadata__"]
    save_file({name: np.zeros(size, np.uint8) for name, size in arrays.items()}, file, about)
    with pytest.raises(BadInput, match=message):
        load_mask(tmp_path, "ann", terms(9))
