"""A worker as a Ray actor, which knows its machine, and what lies in Ray's object store."""

import ray
from flwr.app import Message, RecordDict

from fedsift.runtime.worker import Parcel, Worker


@ray.remote(num_cpus=1)
class RayWorker(Worker):
    """Runs one ClientApp for any number of clients, and functions beside it."""

    def node(self) -> str:
        """Its address, and the beginning of its id in Ray."""
        address = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        return f"{address} ({ray.get_runtime_context().get_node_id()[:8]})"

    def handle(self, parcel: Parcel) -> list[tuple[Message | None, RecordDict]]:
        """Run the app, with the shared records in place of their references."""
        # Ray resolves references only where they are arguments themselves.
        return super().handle(parcel._replace(shared={name: ray.get(each) for name, each in parcel.shared.items()}))
