"""A running Ray cluster: finding it, and what it has."""

import logging

import grpc
import ray
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput

_SECONDS = 5.0  # Ray itself tries for minutes.
_ADVICE = "start one with `ray start --head --port 6379`, and give --ray-address HOST:6379, or auto on one of its nodes"


def connect(address: str) -> None:
    """Make this process a driver of the cluster at an address ("host:port", or "auto").

    Raises:
        BadInput: there is none, it is of another version of Ray or Python, or this machine is no node of it.
    """
    if address != "auto":
        _check_head(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"ray-address = {address}: {reason} ({_ADVICE})") from error


def _check_head(address: str) -> None:
    """See that a cluster's head answers."""
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
        except grpc.RpcError as error:
            raise BadInput(f"ray-address = {address}: no Ray cluster answers there; {_ADVICE}") from error


def workers_and_gpus(config: RunConfig, clients: int, spare: int) -> tuple[int, float]:
    """How many workers a cluster gets for so many clients, `spare` CPUs left free, and how many GPUs they share.

    Raises:
        BadInput: the cluster has fewer CPUs.
    """
    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
    cpus = int(resources.get("CPU", 0)) - spare
    workers = min(config.workers or max(1, cpus), clients)
    if workers > cpus:
        raise BadInput(f"workers = {config.workers}: the cluster has {cpus} CPUs for them; add nodes, or give fewer")
    return workers, resources.get("GPU", 0.0) if config.device != "cpu" else 0.0
