"""Ray clusters on this machine: a head, and nodes that can be killed; nothing of other Rays is touched."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

_ROOT = Path(__file__).parents[1]
_START = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--disable-usage-stats", "--num-cpus=2"]


class Node:
    """What `ray start --block` started: the processes of one machine of a cluster."""

    def __init__(self, *options: str, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._log = log
        variables = {**os.environ, "PYTHONPATH": str(_ROOT), **(environment or {})}
        with log.open("wb") as file:
            command = [*_START, *options]
            self._process = subprocess.Popen(command, env=variables, stdout=file, stderr=file, cwd=log.parent)

    def wait(self) -> None:
        """Until it is a member of its cluster."""
        deadline = time.monotonic() + 60
        while "Ray runtime started." not in (told := self._log.read_text(encoding="utf-8")):
            assert time.monotonic() < deadline and self._process.poll() is None, told
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL all of it at once, as a machine that loses its power."""
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            processes = [root, *root.children(recursive=True)]
            for end in (signal.SIGSTOP, signal.SIGKILL):  # Stopped first: none is to clean up after another.
                for process in processes:
                    with suppress(psutil.NoSuchProcess):
                        process.send_signal(end)
        self._process.wait()


class Cluster:
    """A head of two CPUs; `add` adds a node of two more; with variables for the processes of all."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._folder, self._environment = folder, environment
        options = ["--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false"]
        self._nodes: list[Node] = []
        self._add(Node(*options, f"--temp-dir={folder}", log=folder / "head.log", environment=environment))

    def add(self, environment: Mapping[str, str] | None = None) -> Node:
        """A further node, once it is a member of the cluster."""
        log = self._folder / f"node-{len(self._nodes)}.log"
        variables = {**self._environment, **(environment or {})}
        node = Node(f"--address={self.address}", "--node-ip-address=127.0.0.1", log=log, environment=variables)
        self._add(node)
        return node

    def _add(self, node: Node) -> None:
        self._nodes.append(node)
        node.wait()

    def stop(self) -> None:
        """Kill what is left."""
        for node in reversed(self._nodes):
            node.kill()


@contextmanager
def ray_cluster(environment: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A cluster with its head alone, gone at the end."""
    with TemporaryDirectory(prefix="fs-", ignore_cleanup_errors=True) as folder:  # Sockets' paths must be short.
        cluster = Cluster(Path(folder), environment or {})
        try:
            yield cluster
        finally:
            cluster.stop()
