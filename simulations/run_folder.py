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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedsift.certificate import certify, default_key_path, load_or_make_key, public_key_of
from fedsift.errors import BadInput
from fedsift.ledger import Ledger
from fedsift.mask_file import mask_path
from fedsift.server_state import ServerState
from simulations.configuration import RunConfig, read_toml, write_toml
from simulations.result import amended

SCENARIO_FILE = "scenario.toml"
_UNWRITTEN = ".config.toml.partial"  # All that a process leaves behind that is killed before there is a run.


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = path / "ledger.sqlite"
        self.rounds = path / "rounds.json"
        self.result = path / "result.json"

    @classmethod
    def create(cls, path: Path, config: RunConfig) -> "RunFolder":
        """A new folder with its configuration.

        Raises:
            BadInput: it is not empty, is a file, or cannot be written; nothing is written.
        """
        if path.exists() and not path.is_dir():
            raise BadInput(f"out = {path}: it is a file; give a folder that is new or empty")
        try:
            if path.exists() and any(file.name != _UNWRITTEN for file in path.iterdir()):
                raise BadInput(f"out = {path}: the folder is not empty; give one that is new or empty")
            path.mkdir(parents=True, exist_ok=True)
            if not os.access(path, os.W_OK):
                raise PermissionError(13, "Permission denied")
            write_toml(config, path / _UNWRITTEN)
            (path / _UNWRITTEN).replace(path / "config.toml")
        except OSError as error:
            raise BadInput(
                f"out = {path}: cannot be written ({error.strerror}); give a folder in a place you own"
            ) from error
        return cls(path)

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
            BadInput: another process is at work on it.
        """
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise BadInput(f"{self.path}: another fedsift is at work on this run; wait for it to end") from error
        finally:
            os.close(descriptor)

    def discard(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

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
        """Let all files follow the ledger, whatever a process that was stopped left undone."""
        self.sweep()
        result = self.read_result()
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

    def write_certificates(self) -> list[Path]:
        """A signed certificate for each receipt that has none; returns the new ones."""
        ledger = Ledger.open(self.ledger)
        written = []
        try:
            receipts = ledger.receipts()
            if not receipts:
                return []
            key = load_or_make_key(default_key_path())
            pinned = ledger.get("public_key")
            if pinned is None:
                with ledger.transaction():
                    ledger.set("public_key", public_key_of(key))
            elif pinned != public_key_of(key):
                raise BadInput(
                    f"this run's certificates are signed with key {pinned[:16]}..., {default_key_path()} is another: "
                    "bring the key back that the run began with"
                )
            folder = self.path / "certificates"
            folder.mkdir(exist_ok=True)
            for receipt in receipts:
                file = folder / f"{receipt.number:04d}.json"
                if not file.exists():
                    write_whole(file, json.dumps(certify(receipt, key), indent=1) + "\n")
                    written.append(file)
        finally:
            ledger.close()
        return written

    def write_result(self, result: dict[str, Any]) -> None:
        """Write result.json: the run is over."""
        write_whole(self.result, json.dumps(result, indent=1) + "\n")
        self.rounds.unlink(missing_ok=True)

    def read_result(self) -> dict[str, Any] | None:
        """What result.json holds, None where the run did not come to its end."""
        if not self.result.exists():
            return None
        read: dict[str, Any] = json.loads(self.result.read_text(encoding="utf-8"))
        return read


def write_whole(file: Path, text: str) -> None:
    """Write a file so that a reader finds the old one or the new one."""
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)
