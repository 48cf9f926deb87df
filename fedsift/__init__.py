"""Federated simulations with exact unlearning: what Python users import.

A name is imported from its home when it is first used: torch, Flower and Ray read the environment when they are
imported, and processes that use fedsift set it before.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedsift.api.run import Run as Run, simulate as simulate
    from fedsift.api.studies import compare as compare, methods as methods, optout as optout
    from fedsift.configuration.run_config import RunConfig as RunConfig
    from fedsift.core.errors import BadInput as BadInput, FedsiftError as FedsiftError, Refused as Refused
    from fedsift.core.examples import Example as Example
    from fedsift.core.receipt import Verdict as Verdict
    from fedsift.data.federated_dataset import FederatedDataset as FederatedDataset
    from fedsift.data.function_dataset import FunctionDataset as FunctionDataset
    from fedsift.data.partition import partition_dirichlet as partition_dirichlet, partition_iid as partition_iid
    from fedsift.data.table import TableDataset as TableDataset, split_by_column as split_by_column
    from fedsift.data.template import Template as Template
    from fedsift.learning.tasks.task import CustomTask as CustomTask

_HOMES = {
    "api.run": ("Run", "simulate"),
    "api.studies": ("compare", "methods", "optout"),
    "configuration.run_config": ("RunConfig",),
    "core.errors": ("BadInput", "FedsiftError", "Refused"),
    "core.examples": ("Example",),
    "core.receipt": ("Verdict",),
    "data.federated_dataset": ("FederatedDataset",),
    "data.function_dataset": ("FunctionDataset",),
    "data.partition": ("partition_dirichlet", "partition_iid"),
    "data.table": ("TableDataset", "split_by_column"),
    "data.template": ("Template",),
    "learning.tasks.task": ("CustomTask",),
}

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

if not TYPE_CHECKING:  # else any name would do

    def __getattr__(name: str) -> Any:
        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted([*globals(), *(name for names in _HOMES.values() for name in names)])
