"""Federated simulations with exact unlearning: what Python users import, by the names in `__init__.pyi`.

A name is imported from its home when it is first used: torch, Flower and Ray read the environment when they are
imported, and processes that use fedsift set it before.
"""

import os

import lazy_loader

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

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
