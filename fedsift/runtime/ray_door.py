"""What keeps others out of a Ray: a token of its own, loopback alone, and a folder that its user alone can enter.

Who reaches a Ray without a token can have it run code. Ray's own default for a token, a file in the user's home, is
readable by everybody, and the folders that Ray makes are writable by everybody: so both lie in a folder of ours.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

TOKEN = "RAY_AUTH_TOKEN"  # Ray takes a token itself before that of a file.
_TOKEN_FILE = "token"
# Ray has all of its servers listen on the address of its node; with this, which is the default on macOS, on loopback.
_NO_CLUSTER = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """A folder for a Ray's own, with a random token in it: gone at the end, and closed to other users meanwhile.

    Ray opens its own folder to everybody, so that must be one within.
    """
    with TemporaryDirectory(prefix="fs-", dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        descriptor = os.open(folder / _TOKEN_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        yield folder


def private_variables(folder: Path) -> dict[str, str]:
    """What the environment of a Ray's processes says, for the token in a `private_folder` and for loopback."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / _TOKEN_FILE), _NO_CLUSTER: "0"}


@contextmanager
def starting_privately(folder: Path) -> Iterator[None]:
    """A Ray that this process starts within is private; the process keeps the token until it reads anew.

    Ray reads its variables when it is imported, so it is told to read them again.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    try:
        with environment(private_variables(folder), without=[TOKEN]):
            read_variables()
            ray_constants.ENABLE_RAY_CLUSTER = False
            yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def read_variables() -> None:
    """Have Ray's part of this process read the environment's variables, and the token with them."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def token_headers() -> list[tuple[str, str]]:
    """What a request has to say that this process has its token; empty without."""
    return [*AuthenticationTokenLoader.instance().get_token_for_http_header().items()]


@contextmanager
def environment(variables: Mapping[str, str], without: list[str] | None = None) -> Iterator[None]:
    """Variables for processes that are started meanwhile, and others taken away."""
    names = [*variables, *(without or ())]
    before = {name: os.environ[name] for name in names if name in os.environ}
    for name in names:
        os.environ.pop(name, None)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)
