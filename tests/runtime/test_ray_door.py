"""A Ray of ours answers nobody else: not on the network, not on this machine, not in its files."""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from fedsift.runtime.ray_door import private_folder
from tests.processes import LOOPBACK, listening
from tests.runtime import outsider

# A real session with a worker that Ray's agent has started; until its input ends.
SESSION = """
import pathlib
import sys
import ray
from fedsift.runtime.ray_start import local_ray
from fedsift.runtime.worker_pool import WorkerPool
with local_ray(1):
    pool = WorkerPool("json:loads", 1)
    assert [*pool.map(abs, [("call", (-1,))])] == [("call", 1)]
    ray_folder = ray._private.worker._global_node.get_temp_dir_path()
    print(ray.get_runtime_context().gcs_address, pathlib.Path(ray_folder).parent, flush=True)
    sys.stdin.read()
print("ended", ray.is_initialized(), flush=True)
"""


class Guarded(NamedTuple):
    process: "subprocess.Popen[str]"
    head: str
    folder: Path

    @property
    def family(self) -> list[psutil.Process]:
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    @property
    def ports(self) -> list[str]:
        return sorted(str(port) for _, port in listening(self.family))

    @property
    def token(self) -> str:
        return (self.folder / "token").read_text(encoding="ascii")


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", SESSION], **pipes)  # type: ignore[call-overload]
    head, folder = process.stdout.readline().split()
    session = Guarded(process, head, Path(folder))
    yield session
    family = session.family
    assert process.communicate("", timeout=60)[0] == "ended False\n"
    assert process.returncode == 0
    assert psutil.wait_procs(family, timeout=30)[1] == []
    assert not session.folder.exists()


def without_ray() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


def test_all_listen_on_loopback_alone(guarded: Guarded) -> None:
    found = listening(guarded.family)
    assert len(found) >= 6  # driver, GCS, raylet and its object manager, agent, worker
    assert {address for address, _ in found} <= LOOPBACK


def users() -> list[int]:
    """Who asks without a token: this user, and where the tests may become somebody else, one without rights."""
    return [os.geteuid(), *([pwd.getpwnam("nobody").pw_uid] if os.geteuid() == 0 else [])]


@pytest.mark.parametrize("user", users())
def test_nobody_gets_an_answer(guarded: Guarded, user: int) -> None:
    command = [sys.executable, outsider.__file__, str(user), *guarded.ports]
    done = subprocess.run(command, env=without_ray(), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    told = done.stdout
    found = json.loads(told)
    assert sorted(found) == guarded.ports
    assert {status for each in found.values() for status in each.values()} == {"UNAUTHENTICATED"}
    assert {*outsider.QUESTIONS, "HTTP"} == {question for each in found.values() for question in each}


def test_who_has_the_token_does(guarded: Guarded) -> None:
    """Or nobody's being refused would say nothing."""
    port, harmless = int(guarded.head.rpartition(":")[2]), ["NodeInfoGcsService/CheckAlive"]
    assert outsider.answers(port, harmless, guarded.token) == {harmless[0]: "answered"}
    assert outsider.answers(port, harmless, "0" * 64) == {harmless[0]: "UNAUTHENTICATED"}


def test_the_token_is_not_to_be_seen(guarded: Guarded) -> None:
    """Not by `ps`, not in a log, and not in an environment; nor can others enter the folder with it."""
    token = guarded.token.encode()
    assert len(token) == 64
    assert guarded.folder.stat().st_mode & 0o777 == 0o700
    assert (guarded.folder / "token").stat().st_mode & 0o777 == 0o600
    files = [each for each in guarded.folder.rglob("*") if each.is_file()]
    assert len(files) > 10
    assert [each.name for each in files if token in each.read_bytes()] == ["token"]
    for process in guarded.family:
        seen = [*process.cmdline(), *process.environ().values()]
        assert not any(token.decode() in each for each in seen)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_cannot_look_into_the_folder(guarded: Guarded) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    look = f"import os; os.setuid({nobody}); os.stat({str(guarded.folder / 'token')!r})"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=False, timeout=60)
    assert "PermissionError" in done.stderr


def test_every_session_has_its_own_token(tmp_path: Path) -> None:
    with private_folder(tmp_path) as one, private_folder(tmp_path) as other:
        assert (one / "token").read_bytes() != (other / "token").read_bytes()
    assert list(tmp_path.iterdir()) == []
