"""The SuperLink of `--engine flower` answers its own user alone."""

import asyncio
import json
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fedsift.runtime.flower_engine import _started_under, _superlink
from fedsift.runtime.own_superlink import OwnUserOnly, owner
from fedsift.runtime.ray_door import private_folder
from tests.processes import LOOPBACK, listening

# Asks for health, for the list of runs, and for a task to work on, as another user. The first question, which nobody
# answers, is for its imports: others may not look where Python lies.
ASK = """
import json, os, sys, urllib.error, urllib.request
def status(port, path, data=None):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
status(1, "/")
os.setuid(int(sys.argv[1]))
port = sys.argv[2]
print(json.dumps([status(port, "/health"), status(port, "/v1/control/list-runs", b""), status(port, "/docs")]))
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    home = tmp_path_factory.mktemp("home")
    with private_folder(home) as folder, _superlink(home, folder):
        found = listening(_started_under(str(home)))
        assert {address for address, _ in found} <= LOOPBACK
        ((_, port),) = found
        yield port


def asked(port: int, user: int) -> list[int]:
    command = [sys.executable, "-c", ASK, str(user), str(port)]
    answered = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    told: list[int] = json.loads(answered)
    return told


def test_its_user_gets_answers(port: int) -> None:
    told = asked(port, os.geteuid())
    assert told[0] == 200
    assert told[1] not in (0, 403)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_gets_none(port: int) -> None:
    assert asked(port, pwd.getpwnam("nobody").pw_uid) == [403, 403, 403]


@pytest.fixture
def connection() -> Iterator[tuple[Any, Any]]:
    """The ends of a connection of this process with itself."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        yield client, server.getsockname()


def test_the_owner_of_a_connection(connection: tuple[Any, Any]) -> None:
    client, server = connection
    end = client.getsockname()
    assert owner(end, server) == os.geteuid()
    assert owner(server, end) != os.geteuid() or os.geteuid() == 0  # Nobody has accepted it yet.
    assert owner(("127.0.0.1", 1), server) is None
    assert owner(None, server) is None
    client.close()  # What is left of it in the kernel is listed as root's.
    assert owner(end, server) is None


@pytest.mark.parametrize(("user", "status"), [(0, 200), (1, 403)])
def test_a_request_is_let_in_by_its_owner(
    connection: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, user: int, status: int
) -> None:
    client, server = connection
    me = os.geteuid() + user
    monkeypatch.setattr(os, "geteuid", lambda: me)
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "http", "client": client.getsockname(), "server": server}
    asyncio.run(OwnUserOnly(app)(scope, None, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == status
