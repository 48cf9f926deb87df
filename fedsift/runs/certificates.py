"""A run's certificates: a file for each receipt, written once, and found again when the ledger is an older one."""

import re
from pathlib import Path

from fedsift.core.certificate import Signed
from fedsift.core.errors import BadInput
from fedsift.core.plain_files import check_plain
from fedsift.core.receipt_log import Certificate
from fedsift.files.output import write_whole

_NAME = re.compile(r"(\d{4}|[1-9]\d{4,8})\.json")


class Certificates:
    """The folder; neither it nor a file in it may be a link."""

    def __init__(self, run: Path) -> None:
        self.path = run / "certificates"

    def file(self, number: int) -> Path:
        """Where the certificate of a receipt lies."""
        return self.path / f"{number:04d}.json"

    def numbers(self) -> list[int]:
        """Which receipts have one, in order.

        Raises:
            BadInput: the folder is none.
        """
        check_plain(self.path, folder=True)
        names = [each.name for each in self.path.iterdir()] if self.path.exists() else []
        return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))

    def read(self, number: int) -> tuple[Signed, Certificate]:
        """The certificate of a receipt, not checked yet, and what it says.

        Raises:
            BadInput: there is none, or another file is in its place.
        """
        check_plain(file := self.file(number))
        signed = Signed.load(file)
        if not isinstance(signed.said, Certificate) or signed.said.receipt.number != number:
            raise BadInput(f"{file} is not the certificate of receipt {number}: put the right one there")
        return signed, signed.said

    def write(self, number: int, text: str) -> None:
        """Write the certificate of a receipt, unless it is there.

        Raises:
            BadInput: another one is there.
        """
        check_plain(self.path, folder=True)
        check_plain(file := self.file(number))
        self.path.mkdir(exist_ok=True)
        if not file.exists():
            write_whole(file, text)
        elif file.read_bytes() != text.encode():
            raise BadInput(f"{file} is another certificate than that of the ledger's receipt {number}")
