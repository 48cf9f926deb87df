"""What runs the clients: Ray workers, Flower's own engine, the nodes of a deployment."""
