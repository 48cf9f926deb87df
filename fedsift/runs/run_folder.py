"""A run's folder: what lies where, and how it comes to be.

config.toml     the configuration
ledger.sqlite   the server's state
masks/          one file per member: what the clients keep
certificates/   one file per receipt
rounds.json     while the run is under way: what is known of its rounds (`round_log`)
result.json     at the end of the run
"""

import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsift.configuration.run_config import RunConfig, read_toml, write_toml
from fedsift.core.certificate import certify, default_key_path, load_or_make_key, public_key_of
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger, Receipt
from fedsift.core.mask_file import mask_path
from fedsift.core.server_state import ServerState
from fedsift.files.json_file import read_json
from fedsift.files.output import clear, make_empty, output_errors, try_writing, write_whole
from fedsift.runs.result import RunResult, amended
from fedsift.studies.optout.log import MEND as MEND_SCENARIO
from fedsift.studies.optout.log import ScenarioResult

SCENARIO_FILE = "scenario.toml"
_MEND = "delete it; forget and join do without it, and `fedsift run --resume {}` makes it anew"


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: list[Path] = []
        self.ledger = path / "ledger.sqlite"
        self.rounds = path / "rounds.json"
        self.result = path / "result.json"

    @classmethod
    def create(cls, path: Path, config: RunConfig, room: int = 0) -> "RunFolder":
        """A new folder with its configuration.

        Args:
            path: of the folder.
            config: of the run.
            room: bytes that the run will write for certain.

        Raises:
            BadInput: as of `make_empty`; nothing is written.
        """
        folder = cls(path)
        folder._made = make_empty(path, room)
        with folder.kept_once_merged(), output_errors(path):
            write_toml(config, path / "config.toml")
        return folder

    @classmethod
    def open(cls, path: Path) -> tuple["RunFolder", RunConfig]:
        """An existing run and its configuration.

        Raises:
            BadInput: it is no run folder.
        """
        if not (path / "config.toml").is_file():
            raise BadInput(f"{path} is no run folder: it has no config.toml")
        return cls(path), RunConfig.from_mapping(read_toml(path / "config.toml"), source=str(path / "config.toml"))

    @classmethod
    def open_run(cls, path: Path) -> tuple["RunFolder", RunConfig]:
        """An existing run whose members may be changed, and its configuration.

        Raises:
            BadInput: it is no run folder, or that of a scenario, whose steps alone say who is a member.
        """
        folder, config = cls.open(path)
        if (path / SCENARIO_FILE).exists():
            raise BadInput(
                f"{path} holds a scenario, which says itself who leaves and joins: go on with it by `fedsift optout "
                f"--resume {path}`, or make a run of its config.toml"
            )
        return folder, config

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from changing this run: each holds the sums in memory, and would undo the other's work.

        Raises:
            BadInput: another process is at work on it, or nothing can be written into it.
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
            ledger = Ledger.open(self.ledger, read_only=True)
            held = bool(ledger.members() or ledger.receipts())
            ledger.close()
        except (BadInput, sqlite3.Error):
            return True
        return held

    def masks(self) -> Path:
        """The folder of the members' masks. A rebuild, which replaces them all, makes a new one."""
        name = "masks"
        if self.ledger.exists():
            ledger = Ledger.open(self.ledger)
            name = str(ledger.get("mask_folder", name))
            ledger.close()
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder

    def members(self) -> set[str]:
        """Who is a member now."""
        ledger = Ledger.open(self.ledger)
        found = set(ledger.members())
        ledger.close()
        return found

    def sweep(self) -> None:
        """Delete masks that are no member's, and what a rebuild replaced or gave up.

        A process that is killed between a removal and its client's hearing of it leaves such a mask behind; one that is
        killed while it writes a file, a part of it.
        """
        for unfinished in self.path.rglob(".*.partial"):
            unfinished.unlink()
        if not self.ledger.exists():
            return
        current = self.masks()
        members = {mask_path(current, client_id) for client_id in self.members()}
        for file in current.iterdir():
            if file not in members:
                file.unlink()
        for leftover in self.path.glob("ledger-*.partial*"):
            leftover.unlink()
        for folder in self.path.glob("masks*"):
            if folder != current:
                shutil.rmtree(folder)

    def bring_up_to_date(self) -> None:
        """Let all files follow the ledger, whatever a process that was stopped left undone.

        Raises:
            BadInput: result.json is damaged; nothing is changed.
        """
        result = self.read_result()
        self.sweep()
        if result is not None:
            self.rounds.unlink(missing_ok=True)
        if not self.ledger.exists():
            return
        self.write_certificates()
        if result is None:
            return
        state = ServerState(Ledger.open(self.ledger))
        told = {entry["receipt"] for entry in result["removals"]}
        untold = [json.loads(receipt.body) for receipt in state.ledger.receipts() if receipt.number not in told]
        digest = state.digest().hex()
        state.ledger.close()
        if untold or digest != result["state_digest"]:
            self.write_result(amended(result, untold, digest))

    def signing_key(self) -> Ed25519PrivateKey:
        """The key that signs this run's certificates; to be asked for before work that ends with one.

        Raises:
            BadInput: there is none and none can be made, or it is another than the run began with.
        """
        path = default_key_path()
        key, pinned = load_or_make_key(path), None
        if self.ledger.exists():
            ledger = Ledger.open(self.ledger)
            pinned = ledger.get("public_key")
            ledger.close()
        if pinned not in (None, public_key_of(key)):
            raise BadInput(
                f"this run's certificates are signed with key {pinned[:16]}..., {path} is another: bring the key back "
                "that the run began with"
            )
        return key

    def uncertified(self) -> dict[Path, Receipt]:
        """The receipts that have no certificate, by the file that it is to be."""
        if not self.ledger.exists():
            return {}
        ledger = Ledger.open(self.ledger)
        receipts = ledger.receipts()
        ledger.close()
        files = {self.path / "certificates" / f"{receipt.number:04d}.json": receipt for receipt in receipts}
        return {file: receipt for file, receipt in files.items() if not file.exists()}

    def write_certificates(self) -> None:
        """Write a signed certificate for each receipt that has none."""
        if not (uncertified := self.uncertified()):
            return
        key = self.signing_key()
        ledger = Ledger.open(self.ledger)
        if ledger.get("public_key") is None:
            with ledger.transaction():
                ledger.set("public_key", public_key_of(key))
        ledger.close()
        for file, receipt in uncertified.items():
            file.parent.mkdir(exist_ok=True)
            write_whole(file, json.dumps(certify(receipt, key), indent=1) + "\n")

    def write_result(self, result: dict[str, Any]) -> None:
        """Write result.json: the run is over."""
        write_whole(self.result, json.dumps(result, indent=1) + "\n")
        self.rounds.unlink(missing_ok=True)

    def read_result(self) -> dict[str, Any] | None:
        """What result.json holds, None where the run, or the scenario, did not come to its end.

        Raises:
            BadInput: it is damaged.
        """
        if not self.result.exists():
            return None
        scenario = (self.path / SCENARIO_FILE).exists()
        shape, mend = (ScenarioResult, MEND_SCENARIO) if scenario else (RunResult, _MEND.format(self.path))
        read: dict[str, Any] = read_json(self.result, shape, mend)
        return read


def least_room(size: int, clients: int) -> int:
    """Bytes that a run writes for certain: two sums, 16 bits an entry or more, and a mask a client, a bit an entry."""
    return size * 4 + clients * (size // 8)
