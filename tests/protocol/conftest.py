from collections.abc import Callable

import pytest
from flwr.supercore.task_identity import TaskIdentity


@pytest.fixture
def speak_as() -> Callable[[int], None]:
    """Set the node in whose process the test stands: Flower's messages take their sender from there."""

    def speak(node_id: int) -> None:
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, node_id

    return speak
