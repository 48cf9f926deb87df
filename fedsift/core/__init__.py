"""The exact part: from a contribution to sums, ledger, server state and certificates. No torch, Flower or Ray."""
