"""Runs: the Flower apps, the grid over Ray actors, results and the command line."""

import os

# Read when flwr and ray are imported: neither is to call home, and Ray is to keep its tips to itself.
for _name, _value in {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}.items():
    os.environ.setdefault(_name, _value)
