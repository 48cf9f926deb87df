"""`fedsift run --engine flower`: the same run on Flower's own simulation engine, through `flwr run`.

`flwr run` leaves a SuperLink behind, keeps its files in the user's home, and exits with 0 where a run failed. Here it
gets a SuperLink of its own on a free port, with its files in the run's folder, and the SuperLink ends with the run.
It answers this user alone (`fedsift.runtime.own_superlink`), and so does the Ray that Flower starts.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import tomli_w

from fedsift.configuration.run_config import RunConfig, cores
from fedsift.configuration.server_settings import ServerSettings
from fedsift.core.errors import FedsiftError
from fedsift.runtime.flower_app import make_app
from fedsift.runtime.gpu_share import gpus_here, workers_and_share
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_door import TOKEN, private_folder, private_variables
from fedsift.runtime.ray_start import check_ray

_PATIENCE = 60.0  # Seconds for a SuperLink to start, and to end.
_POLL = 0.1  # Seconds between two looks at whether it has started.
_COMPLETED = "finished:completed"


class EngineFailed(FedsiftError):
    """Flower's engine did not bring the run to its end."""

    exit_code = 1


def run_on_flower(config: RunConfig, clients: int, result: Path, bars: PhaseBars) -> None:
    """Simulate the first clients of the data set. The ServerApp, a process of its own, locks the run's folder.

    `result` is the file in the run's folder that is written at the end; Flower's own files go to `flower` beside it.

    Raises:
        EngineFailed: the engine did not come to the end of the run.
    """
    home = result.parent / "flower"
    app = home / "app"
    home.mkdir(mode=0o700, parents=True)
    make_app(app, config, ServerSettings(out=str(result.parent.resolve()), min_nodes=clients))
    gpus = gpus_here(config)
    workers, share = workers_and_share(config, clients, gpus, cores())
    federation = f"num-supernodes={clients} client-resources-num-cpus=1 init-args-num-cpus={workers}"
    if gpus:
        federation += f" client-resources-num-gpus={share} init-args-num-gpus={gpus}"
    with bars, private_folder(check_ray()) as ray_folder, _superlink(home, ray_folder) as environment:
        _flwr(environment, home / "run.log", "run", str(app), "--federation-config", federation, "--stream")
        told = _flwr(environment, home / "list.log", "list", "--format", "json")
    (run,) = json.loads(told[told.index("{") :])["runs"]
    if run["status"] != _COMPLETED or not result.exists():
        raise EngineFailed(f"Flower's engine: {run['status']}; {_reason(home / 'run.log')}")


@contextmanager
def _superlink(home: Path, ray_folder: Path) -> Iterator[dict[str, str]]:
    """A SuperLink for simulations on a free port; yields the environment for `flwr`. It ends with all it started.

    Ray, which Flower starts for a simulation, is a private one with its files in `ray_folder`.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    connection = {"address": f"127.0.0.1:{port}", "insecure": True}
    config = {"superlink": {"default": "own", "own": connection}}
    (home / "config.toml").write_text(tomli_w.dumps(config), encoding="utf-8")
    bin_folder = str(Path(sys.executable).parent)  # Flower starts its own programs by name.
    path = os.pathsep.join([bin_folder, os.environ.get("PATH", "")])
    environment = {name: value for name, value in os.environ.items() if name != TOKEN}
    environment |= {"FLWR_HOME": str(home.resolve()), "PATH": path}
    environment |= private_variables(ray_folder) | {"RAY_TMPDIR": str(ray_folder), "RAY_ADDRESS": "local"}
    options = ["--insecure", "--simulation", "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "fedsift.runtime.own_superlink", *options]
    command += ["--disable-runtime-dependency-installation"]
    with (home / "superlink.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for_health(process, port, home)
        yield environment
    finally:
        _end(process, environment["FLWR_HOME"])


def _wait_for_health(process: "subprocess.Popen[bytes]", port: int, home: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return
        except OSError:
            time.sleep(_POLL)
    raise EngineFailed(f"Flower's SuperLink did not start; {_reason(home / 'superlink.log')}")


def _end(process: "subprocess.Popen[bytes]", home: str) -> None:
    """End the SuperLink and all that was started under its home, Ray's workers too, and see them gone."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)
    family = list(_started_under(home))
    for each in family:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(family, timeout=_PATIENCE)


def _started_under(home: str) -> Iterator[psutil.Process]:
    """The processes whose environment names a home of Flower, whoever is their parent by now."""
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            if each.environ().get("FLWR_HOME") == home:
                yield each


def _flwr(environment: dict[str, str], log: Path, *arguments: str) -> str:
    """What a `flwr` command prints, which is also kept in a file."""
    program = str(Path(sys.executable).parent / "flwr")
    with log.open("wb") as file:
        done = subprocess.run([program, *arguments], env=environment, stdout=file, stderr=file, check=False)
    if done.returncode:
        raise EngineFailed(f"flwr {arguments[0]} failed; {_reason(log)}")
    return log.read_text(encoding="utf-8")


def _reason(log: Path) -> str:
    """The last line of a log that tells of an error, or else its last; of a run without members, the log goes too."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    found = [line for line in lines if "Error" in line or "BadInput" in line]
    return [*lines, *found][-1] if lines else "it told nothing"
