"""Starting Ray on this machine: what would make it fail, or hang for a minute, is found before."""

import logging
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ray
from ray._private import utils as ray_utils

from fedsift.core.errors import BadInput, counted
from fedsift.files.output import try_writing
from fedsift.runtime.ray_door import environment, private_folder, read_variables, starting_privately

# Where Ray looks for the folder of its sockets and logs (`get_default_system_temp_dir`), and where it is without these.
_VARIABLES = ("RAY_TMPDIR", "TMPDIR") if sys.platform.startswith("linux") else ("RAY_TMPDIR",)
_DEFAULT = "/tmp"
# The longest of its sockets, in a private folder and in one named by time and process.
_SOCKET = "fs-xxxxxxxx/ray/session_2026-01-31_23-59-59_999999_{}/sockets/plasma_store"
_LONGEST = 103 if sys.platform == "darwin" else 107  # bytes of a socket's path
_BESIDE_STORE = 8 << 30  # Bytes of addresses that a process of Ray's takes besides the object store.
_ADVICE = "set RAY_TMPDIR to a short, whole path of a folder with room, such as /tmp"


def check_ray() -> Path:
    """See that Ray has the memory to start, and can keep its sockets and logs where it is going to: in this folder.

    Raises:
        BadInput: `ulimit -v` is too low, or the folder is not there, cannot be written, is full or has too long a path.
    """
    _check_addresses()
    variable = next((each for each in _VARIABLES if each in os.environ), None)
    folder = Path(os.environ[variable] if variable else _DEFAULT)
    told = f"{variable or 'the temporary folder'} = {folder}"
    if not folder.is_absolute():
        raise BadInput(f"{told}: no whole path; {_ADVICE}")
    excess = len(os.fsencode(folder / _SOCKET.format(os.getpid()))) - _LONGEST
    if excess > 0:
        raise BadInput(f"{told}: its path is {counted(excess, 'byte')} too long for Ray's sockets; {_ADVICE}")
    try:
        try_writing(folder)
    except OSError as error:
        raise BadInput(f"{told}: Ray cannot write there ({error.strerror}); {_ADVICE}") from error
    return folder


def _check_addresses() -> None:
    """See that processes may have addresses for Ray's object store: without, one dies, and the others wait for it."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    memory = ray_utils.estimate_available_memory()  # type: ignore[no-untyped-call]
    needed = ray_utils.resolve_object_store_memory(memory, None) + _BESIDE_STORE
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise BadInput(
            f"a process may have {limit / 2**30:.1f} GiB of addresses here (ulimit -v), and Ray needs "
            f"{needed / 2**30:.1f}, most of which it never uses: lift it with `ulimit -v unlimited`"
        )


@contextmanager
def local_ray(cpus: int, variables: Mapping[str, str] | None = None, gpus: int = 0) -> Iterator[None]:
    """This process as the driver of a Ray of its own with so many CPUs and GPUs, which answers nobody else.

    Its processes have further environment variables. It is gone at the end, with all its files.

    Raises:
        BadInput: it does not start.
    """
    with private_folder(check_ray()) as folder:
        try:
            with starting_privately(folder), environment(variables or {}):
                _start(cpus, gpus, folder)
            yield
        finally:
            ray.shutdown()
            read_variables()


def _start(cpus: int, gpus: int, folder: Path) -> None:
    try:
        ray.init(
            address="local",
            num_cpus=cpus,
            num_gpus=gpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=str(folder / "ray"),
        )
    except Exception as error:  # Ray raises whatever comes, `Exception` itself too.
        raise BadInput(f"Ray does not start on this machine: {' '.join(str(error).split())}") from error
