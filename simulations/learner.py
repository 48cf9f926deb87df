"""Model, task and trainers of this process, each kept for the clients that come after.

Apart from `simulations.client`, since it imports torch: a client that only says what it wants does without.
"""

from functools import lru_cache

from flwr.app import UserConfig

from fedsift.client import LocalTrainer
from fedsift.contribution import UploadTerms
from fedsift.fine_tuning import FineTuner
from fedsift.flat_model import FlatModel
from fedsift.model_settings import ModelSettings
from fedsift.models import load_learner
from fedsift.reproducibility import make_deterministic
from fedsift.tasks.task import Task, encode_rows
from fedsift.tuning_settings import TuningSettings
from simulations.configuration import RunConfig
from simulations.data import choose_clients, load_dataset

dataset_of = lru_cache(maxsize=1)(load_dataset)


@lru_cache(maxsize=1)
def _learner(model: ModelSettings) -> tuple[FlatModel, Task]:
    make_deterministic()  # Flower's own engines do not, as `simulations.worker` does.
    return load_learner(model)


@lru_cache(maxsize=1)
def model_digest(model: ModelSettings) -> bytes:
    """The digest of M0; to be asked for before anything is trained."""
    return _learner(model)[0].base_digest()


@lru_cache(maxsize=1)
def sign_fixed_trainer(model: ModelSettings, terms: UploadTerms, settings: TuningSettings) -> LocalTrainer:
    """Sign-fixed tuning under a server's terms."""
    flat_model, task = _learner(model)
    return LocalTrainer(flat_model, task, terms, settings, model.root_seed)


@lru_cache(maxsize=1)
def fine_tuner(model: ModelSettings, settings: TuningSettings) -> FineTuner:
    """Plain fine-tuning."""
    flat_model, task = _learner(model)
    return FineTuner(flat_model, task, settings, model.root_seed)


def prepare(run_config: UserConfig) -> None:
    """Load data and model, and try them on the first client: what is wrong there is wrong everywhere.

    Raises:
        BadInput: data and model cannot be loaded, or do not fit together.
    """
    config = RunConfig.from_user_config(run_config)
    dataset = dataset_of(config)
    _, task = _learner(config.model_settings)
    first = choose_clients(config, dataset)[0]
    task.batch(encode_rows(task, dataset.train_examples(first)[: config.batch_size], first))
