"""A client's own folder, on its own machine: its masks, and whether it asked to leave.

masks/       what it keeps to be served
leave        is there while it asks to be removed
left         is there when that is done; it stays away until the file goes
public-key   that of the server's certificates, as it was when the client first trained
"""

from pathlib import Path

from fedsift.core.errors import BadInput
from fedsift.core.signing_key import read_public_key
from fedsift.files.output import write_whole
from fedsift.protocol.messages import Wish


class ClientFolder:
    """The folder of one client of one deployment."""

    def __init__(self, path: Path) -> None:
        """Open a folder.

        Raises:
            BadInput: it does not exist.
        """
        if not path.is_dir():
            problem = "is a file" if path.exists() else "does not exist"
            raise BadInput(f"client folder {path} {problem}: make a folder, and start the SuperNode with its path")
        self.path = path
        self._leave, self._left, self._key = path / "leave", path / "left", path / "public-key"

    @property
    def masks(self) -> Path:
        """Where masks are kept."""
        folder = self.path / "masks"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def has_left(self) -> bool:
        """Whether it has been removed, and did not ask to join again."""
        return self._left.exists()

    @property
    def has_mask(self) -> bool:
        """Whether it has trained: then a mask is kept here."""
        return any(self.path.glob("masks/*"))

    @property
    def wish(self) -> Wish:
        """What the client answers to a query. Whether it is a member already, the server knows."""
        if self._leave.exists():
            return Wish.LEAVE
        return Wish.AWAY if self.has_left else Wish.JOIN

    def ask_to_leave(self) -> None:
        """Mark that the client asks to be removed; the next query is answered so."""
        if not self.has_left:
            self._leave.touch()

    def undo(self) -> None:
        """Take the request back, or, where it was granted, ask to join again."""
        self._leave.unlink(missing_ok=True)
        self._left.unlink(missing_ok=True)

    def keep_public_key(self, text: str) -> None:
        """Note the server's public key, for `fedsift verify-certificate`.

        Raises:
            BadInput: it is no key, or another than the one noted before.
        """
        try:
            read_public_key(text)
        except ValueError as error:
            raise BadInput(f"the server's public key {text[:80]!r}: {error}") from error
        if not self._key.exists():
            write_whole(self._key, f"{text}\n")
        elif (known := self._key.read_text(encoding="utf-8").strip()) != text:
            raise BadInput(
                f"the server signs with the key {text[:16]}..., and did with {known[:16]}... when this client joined: "
                f"ask its operator why; to join all the same, remove {self._key}"
            )

    def removed(self) -> None:
        """Hear that the removal is done."""
        if self._leave.exists():
            self._leave.rename(self._left)
