"""A client's wish to leave: a file that only somebody on its machine can make."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsift.core.errors import BadInput
from fedsift.core.signing_key import given_public_key, public_key_of
from fedsift.federation.client_folder import ClientFolder
from fedsift.protocol.messages import Wish
from tests.cli.commands import done, failed


def test_asking_hearing_and_coming_back(tmp_path: Path) -> None:
    folder = ClientFolder(tmp_path)
    assert folder.wish == Wish.JOIN
    folder.ask_to_leave()
    assert ClientFolder(tmp_path).wish == Wish.LEAVE
    folder.removed()
    assert folder.wish == Wish.AWAY
    folder.ask_to_leave()
    assert folder.wish == Wish.AWAY  # It has left; there is nothing to ask for.
    folder.undo()
    assert folder.wish == Wish.JOIN
    folder.removed()
    assert folder.wish == Wish.JOIN  # A server cannot make it leave.


def test_the_command(tmp_path: Path) -> None:
    assert done("leave", tmp_path).startswith("this client asks to be removed in the server's next round\n")
    assert ClientFolder(tmp_path).wish == Wish.LEAVE
    done("leave", tmp_path, "--undo")
    assert ClientFolder(tmp_path).wish == Wish.JOIN
    error = failed("leave", tmp_path / "missing")
    assert "does not exist" in error and error.count("\n") == 1


def test_the_servers_key_is_kept_and_no_other_is_taken(tmp_path: Path) -> None:
    folder = ClientFolder(tmp_path)
    first, second = (public_key_of(Ed25519PrivateKey.generate()) for _ in range(2))
    for wrong in ("", "key", "00" * 32, first.upper() if first.upper() != first else "x"):
        with pytest.raises(BadInput, match="the server's public key"):
            folder.keep_public_key(wrong)
    folder.keep_public_key(first)
    folder.keep_public_key(first)
    assert given_public_key(str(tmp_path / "public-key")) == first
    with pytest.raises(BadInput, match=r"ask its operator why; to join all the same, remove .*public-key"):
        folder.keep_public_key(second)
    assert given_public_key(str(tmp_path / "public-key")) == first
