"""Federated simulations with exact unlearning."""

import os

# Read when flwr and ray are imported: neither is to call home, and Ray is to keep its tips to itself, and no record of
# every call, which would take memory with every client.
for _name, _value in {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_enable_timeline": "0",
}.items():
    os.environ.setdefault(_name, _value)
