"""How many workers GPUs take, and the part of one that each gets."""

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput


def gpus_here(config: RunConfig) -> int:
    """GPUs of this machine that the clients of a configuration tune on.

    Raises:
        BadInput: it wants some, and there are none.
    """
    if config.device == "cpu":
        return 0
    import torch

    from fedsift.learning.device import torch_device

    return torch.cuda.device_count() if torch_device(config.device).type == "cuda" else 0


def check_device(config: RunConfig) -> None:
    """See that there is a GPU where one is asked for; of a cluster its nodes are asked later.

    Raises:
        BadInput: there is none.
    """
    if not config.ray_address:
        gpus_here(config)


def workers_and_share(config: RunConfig, clients: int, gpus: int, cpus: int) -> tuple[int, float]:
    """Workers for so many clients, and the part of a GPU that each gets: as large a one as there is.

    Args:
        config: has the number of workers, or of clients a GPU.
        clients: how many.
        gpus: to share; none for 0.
        cpus: without GPUs, a worker each where the configuration has no number.

    Raises:
        BadInput: more workers are asked for than the GPUs take.
    """
    if not gpus:
        return min(config.workers or max(1, cpus), clients), 0.0
    places = gpus * config.clients_per_gpu
    if config.workers > places:
        raise BadInput(
            f"workers = {config.workers}: {gpus} GPUs take {places} at clients-per-gpu = {config.clients_per_gpu}; "
            "leave workers out, or give more clients a GPU"
        )
    workers = min(config.workers or places, clients)
    return workers, 1 / -(-workers // gpus)
