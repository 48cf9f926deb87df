"""Both apps on Flower's own engines: `flwr run`, and a deployment of a SuperLink and SuperNodes."""
