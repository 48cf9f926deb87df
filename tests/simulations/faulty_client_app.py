"""The real ClientApp in workers that die, or answer in another order, as a node's configuration tells."""

import os
import signal
import time
from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from simulations.client_app import app as healthy_app

app = ClientApp()


@app.query()
def query(message: Message, context: Context) -> Message:
    return healthy_app(message, context)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Kill this worker as often as the file has lines left; or answer late."""
    if deaths := str(context.node_config.get("deaths", "")):
        lines = Path(deaths).read_text(encoding="utf-8").splitlines()
        if lines:
            Path(deaths).write_text("\n".join(lines[1:]), encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(context.node_config.get("delay", 0.0)))
    return healthy_app(message, context)
