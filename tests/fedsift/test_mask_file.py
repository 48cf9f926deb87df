from pathlib import Path

import pytest

from fedsift.errors import BadInput
from fedsift.mask_file import ClientMask, delete_mask, load_mask, mask_path, save_mask

IDS = ["person-0001", "site:12/../x", "..", "é" * 300, "A", "a", " "]


@pytest.mark.parametrize("levels", [None, b"", b"\x00\xfe"])
@pytest.mark.parametrize("client_id", IDS)
def test_round_trip(tmp_path: Path, client_id: str, levels: bytes | None) -> None:
    mask = ClientMask(b"\x01\xff", 0.1, levels, {"local": 0.5})
    save_mask(tmp_path, client_id, mask)
    assert load_mask(tmp_path, client_id) == mask
    assert [file.parent for file in tmp_path.rglob("*")] == [tmp_path]
    delete_mask(tmp_path, client_id)
    delete_mask(tmp_path, client_id)
    assert not any(tmp_path.iterdir())


def test_every_client_has_a_file_of_its_own(tmp_path: Path) -> None:
    assert len({mask_path(tmp_path, each).name.lower() for each in IDS}) == len(IDS)


def test_a_missing_mask_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="mask of client 'x' is missing"):
        load_mask(tmp_path, "x")
