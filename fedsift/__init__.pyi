from .api.run import Run as Run, simulate as simulate
from .api.studies import compare as compare, methods as methods, optout as optout
from .configuration.run_config import RunConfig as RunConfig
from .core.errors import BadInput as BadInput, FedsiftError as FedsiftError, Refused as Refused
from .core.examples import Example as Example
from .core.receipt import Verdict as Verdict
from .core.tracking import TrackedOutcome as TrackedOutcome, TrackedRun as TrackedRun, Tracker as Tracker
from .data.federated_dataset import FederatedDataset as FederatedDataset
from .data.function_dataset import FunctionDataset as FunctionDataset
from .data.partition import partition_dirichlet as partition_dirichlet, partition_iid as partition_iid
from .data.table import TableDataset as TableDataset, split_by_column as split_by_column
from .data.template import Template as Template
from .learning.tasks.task import CustomTask as CustomTask
