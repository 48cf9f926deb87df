"""A client's wish to leave: a file that only somebody on its machine can make."""

from pathlib import Path

from fedsift.federation.client_folder import ClientFolder
from fedsift.protocol.messages import Wish
from tests.cli.commands import invoke


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


def test_a_request_is_taken_back(tmp_path: Path) -> None:
    folder = ClientFolder(tmp_path)
    folder.ask_to_leave()
    folder.undo()
    assert folder.wish == Wish.JOIN


def test_the_command(tmp_path: Path) -> None:
    code, out, _ = invoke("leave", str(tmp_path))
    assert (code, out.splitlines()[0]) == (0, "this client asks to be removed in the server's next round")
    assert ClientFolder(tmp_path).wish == Wish.LEAVE
    code, _, _ = invoke("leave", str(tmp_path), "--undo")
    assert (code, ClientFolder(tmp_path).wish) == (0, Wish.JOIN)
    code, _, error = invoke("leave", str(tmp_path / "missing"))
    assert (code, error.count("\n")) == (2, 1)
    assert "does not exist" in error
