"""Both sides of a federation: the ClientApp and the rounds of the server."""
