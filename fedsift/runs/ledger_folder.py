"""The folder of a server's state: what lies where, and how it comes to be.

config.toml     the configuration
ledger.sqlite   the server's state
masks/          one file per member: what the clients keep
certificates/   one file per receipt
result.json     at the end

and what `fedsift.runs.row_requests` says of.
"""

import dataclasses
import fcntl
import os
import re
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsift.configuration.run_config import RunConfig, read_toml, write_toml
from fedsift.core.certificate import certify
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.ledger_file import companions
from fedsift.core.mask_file import mask_path
from fedsift.core.plain_files import PARTIAL, check_no_links, check_plain
from fedsift.core.receipt_log import ReceiptLog
from fedsift.core.signing_key import default_key_path, load_or_make_key, public_key_of
from fedsift.files.output import clear, make_empty, output_errors, try_writing
from fedsift.runs.certificates import Certificates
from fedsift.runs.older_ledger import settle, take_up
from fedsift.runs.row_requests import RowRequests

_MASKS = "masks"
_MASKS_NAME = re.compile(rf"{_MASKS}(-[1-9][0-9]*)?")


class LedgerFolder:
    """The files of one ledger and what goes with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: list[Path] = []
        self.ledger = path / "ledger.sqlite"
        self.result = path / "result.json"
        self.certificates = Certificates(path)
        self.row_requests = RowRequests(path, self.ledger)

    @classmethod
    def create(cls, path: Path, config: RunConfig, room: int = 0) -> Self:
        """A new folder with its configuration, on a disk with room for so many bytes.

        Raises:
            BadInput: as of `make_empty`; nothing is written.
        """
        folder = cls(path)
        folder._made = make_empty(path, room)
        with folder.kept_once_merged(), output_errors(path):
            write_toml(config, path / "config.toml")
        return folder

    @classmethod
    def open(cls, path: Path) -> tuple[Self, RunConfig]:
        """An existing folder and its configuration.

        Raises:
            BadInput: it is no run folder.
        """
        if not (path / "config.toml").is_file():
            raise BadInput(f"{path} is no run folder: it has no config.toml")
        check_no_links(path)
        for each in (path / "certificates", *_mask_folders(path)):
            check_no_links(each)
        config = RunConfig.from_mapping(read_toml(path / "config.toml"), source=str(path / "config.toml"))
        folder = cls(path)
        if left_out := folder.row_requests.file:
            config = dataclasses.replace(config, forgotten_rows=left_out)
        return folder, config

    @contextmanager
    def locked(self, leaving: Collection[str] | None = ()) -> Iterator[None]:
        """Keep other processes from changing this run: each holds the sums in memory, and would undo the other's work.

        Raises:
            BadInput: another process is at work on it, or nothing can be written into it; or as of `take_up_certified`,
                for the same `leaving`.
        """
        try:
            try_writing(self.path)
        except OSError as error:
            raise BadInput(
                f"{self.path} cannot be written ({error.strerror}): make room there, or make it yours"
            ) from error
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.take_up_certified(leaving)
            yield
        except BlockingIOError as error:
            raise BadInput(f"{self.path}: another fedsift is at work on this run; wait for it to end") from error
        finally:
            os.close(descriptor)

    @contextmanager
    def kept_once_merged(self) -> Iterator[None]:
        """Undo `create` where the block fails before a client is merged: what is left would block a second try."""
        try:
            yield
        except Exception:
            if not self._holds_anything():
                clear(self.path, self._made)
            raise

    def _holds_anything(self) -> bool:
        """Whether the ledger has members, or had some; one that cannot be read is not to be lost either."""
        if not self.ledger.exists():
            return False
        try:
            with Ledger.open(self.ledger, read_only=True) as ledger:
                return bool(ledger.members() or ledger.receipts())
        except (BadInput, sqlite3.Error):
            return True

    def masks(self) -> Path:
        """The folder of the members' masks. A rebuild, which replaces them all, makes a new one."""
        number = 0
        if self.ledger.exists():
            with Ledger.open(self.ledger, read_only=True) as ledger:
                number = ledger.get("mask_folder", 0)
        return self.masks_of_rebuild(number)

    def masks_of_rebuild(self, number: int) -> Path:
        """The folder of the masks of a rebuild, whose first receipt has this number; 0 for no rebuild."""
        folder = self.path / (f"{_MASKS}-{number}" if number else _MASKS)
        check_plain(folder, folder=True)
        folder.mkdir(exist_ok=True)
        return folder

    def members(self) -> set[str]:
        """Who is a member now."""
        with Ledger.open(self.ledger, read_only=True) as ledger:
            return set(ledger.members())

    def sweep(self) -> None:
        """Delete masks that are no member's, and what a rebuild replaced or gave up.

        A process that is killed between a removal and its client's hearing of it leaves such a mask behind; one that is
        killed while it writes a file, a part of it.
        """
        current = self.masks() if self.ledger.exists() else None
        for folder, _, files in os.walk(self.path):  # It follows no links.
            for name in files:
                if name.startswith(".") and name.endswith(PARTIAL):
                    Path(folder, name).unlink()
        if current is None:
            return
        members = {mask_path(current, client_id) for client_id in self.members()}
        for file in current.iterdir():
            if file not in members and not file.is_dir():
                file.unlink()
        for leftover in self.path.glob(f"ledger-*{PARTIAL}*"):
            leftover.unlink()
        for each in _mask_folders(self.path):
            if each != current:
                shutil.rmtree(each)

    def owes_scrub(self) -> bool:
        """Whether old pages of the ledger may lie beside it, or in it: another process reads it as it was."""
        log, _ = companions(self.ledger)
        return log.exists() and log.stat().st_size > 0

    def signing_key(self) -> Ed25519PrivateKey:
        """The key that signs this run's certificates; to be asked for before work that ends with one.

        Raises:
            BadInput: there is none and none can be made, or it is another than the run began with.
        """
        path = default_key_path()
        key, pinned = load_or_make_key(path), ""
        if self.ledger.exists():
            with Ledger.open(self.ledger, read_only=True) as ledger:
                pinned = ledger.public_key
        if pinned not in ("", public_key_of(key)):
            raise BadInput(
                f"this run's certificates are signed with key {pinned[:16]}..., {path} is another: bring the key back "
                "that the run began with"
            )
        return key

    def uncertified(self) -> list[int]:
        """The numbers of the receipts that have no certificate."""
        if not self.ledger.exists():
            return []
        with Ledger.open(self.ledger, read_only=True) as ledger:
            receipts = len(ledger.receipts())
        return sorted({*range(1, receipts + 1)}.difference(self.certificates.numbers()))

    def write_certificates(self) -> None:
        """Write a signed certificate for each receipt that has none."""
        if not (uncertified := self.uncertified()):
            return
        key = self.signing_key()
        with Ledger.open(self.ledger, key=key) as ledger:
            settle(ledger)
            log = ReceiptLog.of(ledger)
        for number in uncertified:
            self.certificates.write(number, certify(log.certificate(number), key))

    def take_up_certified(self, leaving: Collection[str] | None = ()) -> None:
        """Let the log of a ledger that is older than its certificates go on from the newest one (`take_up`).

        Raises:
            BadInput: as of `take_up`; or there are certificates, but no ledger.
        """
        certified = bool(self.certificates.numbers())
        if not self.ledger.exists():
            if certified:
                raise BadInput(f"{self.path} has certificates, but no {self.ledger.name}: put it back")
            return
        with Ledger.open(self.ledger, key=self.signing_key()) as ledger:
            take_up(ledger, self.path, self.certificates, leaving)


def _mask_folders(path: Path) -> list[Path]:
    return [each for each in path.iterdir() if _MASKS_NAME.fullmatch(each.name)]


def least_room(size: int, clients: int) -> int:
    """Bytes that a run writes for certain: two sums, 16 bits an entry or more, and a mask a client, a bit an entry."""
    return size * 4 + clients * (size // 8)
