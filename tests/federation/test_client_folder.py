"""A client's wish to leave: a file that only somebody on its machine can make."""

from pathlib import Path

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
