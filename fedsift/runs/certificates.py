"""A run's certificates: a file for each receipt, written once, and found again when the ledger is an older one."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fedsift.core.certificate import Signed
from fedsift.core.errors import BadInput
from fedsift.core.receipt_log import Certificate
from fedsift.core.strict_json import LARGEST
from fedsift.files.output import partial_of

_NAME = re.compile(r"(\d{4}|[1-9]\d{4,8})\.json")


class Certificates:
    """The folder; neither it nor a file in it is followed where it is a link."""

    def __init__(self, run: Path) -> None:
        self.path = run / "certificates"

    def file(self, number: int) -> Path:
        """Where the certificate of a receipt lies."""
        return self.path / f"{number:04d}.json"

    def numbers(self) -> list[int]:
        """Which receipts have one, in order.

        Raises:
            BadInput: the folder is a link, or is none.
        """
        if not os.path.lexists(self.path):
            return []
        with self._opened() as folder:
            names = [entry.name for entry in os.scandir(folder)]
        return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))

    def read(self, number: int) -> tuple[Signed, Certificate]:
        """The certificate of a receipt, not checked yet, and what it says.

        Raises:
            BadInput: there is none, or another file is in its place.
        """
        signed = Signed.read(self._content(number), str(self.file(number)))
        if not isinstance(signed.said, Certificate) or signed.said.receipt.number != number:
            raise BadInput(f"{self.file(number)} is not the certificate of receipt {number}: put the right one there")
        return signed, signed.said

    def write(self, number: int, text: str) -> None:
        """Write the certificate of a receipt, unless it is there.

        Raises:
            BadInput: another one is there.
        """
        self.path.mkdir(exist_ok=True)
        if os.path.lexists(self.file(number)):
            if self._content(number) != text.encode():
                raise BadInput(f"{self.file(number)} is another certificate than that of the ledger's receipt {number}")
            return
        name = self.file(number).name
        partial = partial_of(self.file(number)).name
        with self._opened() as folder:
            with suppress(FileNotFoundError):
                os.unlink(partial, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(partial, flags, 0o644, dir_fd=folder), "wb") as file:
                file.write(text.encode())
            os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)

    def _content(self, number: int) -> bytes:
        name = self.file(number).name
        try:
            with (
                self._opened() as folder,
                os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as file,
            ):
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise BadInput(f"{self.file(number)} is no file")
                return file.read(LARGEST + 1)
        except OSError as error:
            raise BadInput(f"certificate {self.file(number)} cannot be read ({error.strerror})") from error

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise BadInput(f"{self.path} is no folder, or a link to one ({error.strerror}): put it right") from error
        try:
            yield folder
        finally:
            os.close(folder)
