"""A running Ray cluster: finding it, and what it has."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import grpc
import ray
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.runtime.gpu_share import workers_and_share
from fedsift.runtime.ray_door import read_variables, token_headers

_SECONDS = 5.0  # Ray itself tries for minutes.
_ADVICE = "start one with `ray start --head --port 6379`, and give --ray-address HOST:6379, or auto on one of its nodes"
_TOKEN = "the RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH that its nodes were started with (docs/how-to/cluster.md)"
_QUESTION = "/ray.rpc.NodeInfoGcsService/CheckAlive"  # Which of given nodes live: the least that a head can be asked.


@contextmanager
def connected(address: str) -> Iterator[None]:
    """This process as a driver of the cluster at an address ("host:port", or "auto"), with the cluster's token.

    Warns of a cluster that answers without one: whoever reaches it can have it run code.

    Raises:
        BadInput: there is none, it is of another version of Ray or Python, this machine is no node of it, or it wants
            another token than the environment's.
    """
    if address != "auto":
        _check_head(address)
    read_variables()
    if address != "auto":
        _check_token(address)
    try:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ray.exceptions.AuthenticationError, ConnectionError, RuntimeError, ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            raise BadInput(f"ray-address = {address}: {reason} ({_ADVICE})") from error
        if _answers(ray.get_runtime_context().gcs_address):
            warnings.warn(
                f"the Ray cluster at {address} has no token: whoever reaches it can have it run code; start its nodes "
                "and this command with RAY_AUTH_MODE=token (docs/how-to/cluster.md)",
                stacklevel=2,
            )
        yield
    finally:
        ray.shutdown()


def _check_head(address: str) -> None:
    """See that a cluster's head answers."""
    with _channel(address) as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
        except grpc.RpcError as error:
            raise BadInput(f"ray-address = {address}: no Ray cluster answers there; {_ADVICE}") from error


def _check_token(address: str) -> None:
    """See that a cluster's head takes the environment's token."""
    own = token_headers()
    if not _answers(address, own):
        wrong = "another token than this command's" if own else "a token, and this command has none"
        raise BadInput(f"ray-address = {address}: the cluster wants {wrong}: give it {_TOKEN}")


def _answers(address: str, metadata: Sequence[tuple[str, str]] = ()) -> bool:
    """Whether a cluster's head answers who asks with these headers."""
    with _channel(address) as channel:
        ask = channel.unary_unary(_QUESTION, request_serializer=bytes, response_deserializer=bytes)
        try:
            ask(b"", timeout=_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return bool(error.code() != grpc.StatusCode.UNAUTHENTICATED)
    return True


def _channel(address: str) -> grpc.Channel:
    return grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])


def workers_on_cluster(config: RunConfig, clients: int, spare: int) -> tuple[int, float]:
    """How many workers a cluster gets for so many clients, `spare` CPUs left free, and each one's part of a GPU.

    Raises:
        BadInput: the cluster has fewer CPUs or GPUs.
    """
    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
    cpus = int(resources.get("CPU", 0)) - spare
    gpus = int(resources.get("GPU", 0)) if config.device != "cpu" else 0
    if config.device == "cuda" and not gpus:
        raise BadInput("device = cuda: no node of the cluster has a GPU; give cpu, or auto")
    workers, share = workers_and_share(config, clients, gpus, cpus)
    if workers > cpus:
        raise BadInput(f"workers = {workers}: the cluster has {cpus} CPUs for them; add nodes, or give fewer")
    return workers, share
