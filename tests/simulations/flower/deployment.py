"""A deployment on this machine, of real processes: a SuperLink with TLS and node authentication, and SuperNodes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import tomli_w

from fedsift.configuration.run_config import RunConfig
from fedsift.configuration.server_settings import ServerSettings, app_config
from fedsift.runtime.credentials import make_certificates, make_node_key

REPOSITORY = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
_PATIENCE = 240.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, condition: Callable[[], bool], seconds: float = _PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} seconds for {what}"
        time.sleep(0.2)


class Process:
    """A program in a session of its own, with a log."""

    def __init__(self, log: Path, *command: object, **environment: str) -> None:
        self.log = log
        with log.open("ab") as file:
            program, given = [str(BIN / str(command[0])), *map(str, command[1:])], os.environ | environment
            self._process = subprocess.Popen(
                program, cwd=REPOSITORY, env=given, stdout=file, stderr=file, start_new_session=True
            )

    @property
    def told(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self) -> int:
        return self._process.wait(_PATIENCE)

    def kill(self) -> None:
        """SIGKILL to it and all that it started."""
        if not self.ended:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Deployment:
    """A SuperLink in a folder, and what `flwr` needs to speak with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.processes: list[Process] = []
        self.environment = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "FLWR_HOME": str(folder / "home")}
        self.environment |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
        make_certificates(folder / "tls", ["localhost", "127.0.0.1"])
        (folder / "home").mkdir()
        connection = {"address": f"localhost:{self.port}", "root-certificates": str(folder / "tls" / "ca.crt")}
        config = {"superlink": {"default": "ours", "ours": connection}}
        (folder / "home" / "config.toml").write_text(tomli_w.dumps(config), encoding="utf-8")
        self.start_superlink()

    def start(self, name: str, *command: object, **environment: str) -> Process:
        process = Process(self.folder / f"{name}.log", *command, **(self.environment | environment))
        self.processes.append(process)
        return process

    def start_superlink(self) -> None:
        """Start it, or start it again: its registrations are in a file."""
        tls = self.folder / "tls"
        self.superlink = self.start(
            "superlink",
            *("flower-superlink", "--host", "127.0.0.1", "--port", self.port),
            *("--ssl-ca-certfile", tls / "ca.crt", "--ssl-certfile", tls / "server.crt"),
            *("--ssl-keyfile", tls / "server.key", "--enable-supernode-auth"),
            *("--database", self.folder / "superlink.db", "--disable-runtime-dependency-installation"),
        )
        wait_for("the SuperLink", self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def flwr(self, *arguments: object) -> Process:
        process = self.start(f"flwr-{len(self.processes)}", "flwr", *arguments)
        assert process.wait() == 0, process.told
        return process

    def register(self, name: str, named: bool = True) -> None:
        """Make a key for a client's node and register it, under the client's name or without one."""
        make_node_key(self.folder / name / "key")
        own = ("--name", name) if named else ()
        self.flwr("supernode", "register", self.folder / name / "key.pub", *own)

    def start_node(self, name: str, config: dict[str, str], key: str = "", authority: Path | None = None) -> Process:
        """A SuperNode whose client has a folder of its own; with the key of `key`, which trusts `authority`."""
        client_folder = self.folder / name / "client"
        client_folder.mkdir(parents=True, exist_ok=True)
        node = {"client-id": name, "client-folder": str(client_folder), **config}
        return self.start(
            f"node-{name}-{len(self.processes)}",
            *("flower-supernode", "--superlink", f"localhost:{self.port}"),
            *("--root-certificates", authority or self.folder / "tls" / "ca.crt"),
            *("--auth-supernode-private-key", self.folder / (key or name) / "key"),
            *("--host", "127.0.0.1", "--port", free_port()),
            *("--node-config", " ".join(f"{key}='{value}'" for key, value in node.items())),
            FLWR_HOME=str(self.folder / name / "flower"),
        )

    def run(self, config: RunConfig, settings: ServerSettings) -> Process:
        """`flwr run` from the repository's root, with its log."""
        overrides = self.folder / "run-config.toml"
        overrides.write_text(tomli_w.dumps(app_config(config, settings)), encoding="utf-8")
        command = ("flwr", "run", REPOSITORY, "--stream", "--run-config", overrides)
        return self.start(f"run-{len(self.processes)}", *command)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
