"""Random clusters of clients."""

from fedsift.core.seeds import derive_seed

CLUSTERS = 5  # of the clustered methods; shards of SISA and APA


def random_cluster(client_id: str, clusters: int, purpose: str = "cluster") -> int:
    """A client's cluster, from its id alone, so that who else is a member moves nobody; sizes differ a little."""
    return derive_seed(0, purpose, client_id) % clusters
