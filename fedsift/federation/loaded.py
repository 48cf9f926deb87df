"""Model, task and trainers of this process, each kept for the clients that come after.

Apart from `fedsift.federation.client`, since it imports torch: a client that only says what it wants does without.
"""

from functools import lru_cache

from fedsift.core.contribution import UploadTerms
from fedsift.data.loading import load_dataset
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.local_trainer import LocalTrainer
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.reproducibility import make_deterministic
from fedsift.learning.tasks.task import Task
from fedsift.learning.tuning_settings import TuningSettings

dataset_of = lru_cache(maxsize=1)(load_dataset)


@lru_cache(maxsize=1)
def model_and_task(model: ModelSettings) -> tuple[FlatModel, Task]:
    """M0 and the task."""
    make_deterministic()  # Flower's own engines do not, as `fedsift.runtime.worker` does.
    return load_model(model)


@lru_cache(maxsize=1)
def model_digest(model: ModelSettings) -> bytes:
    """The digest of M0; to be asked for before anything is trained."""
    return model_and_task(model)[0].base_digest()


@lru_cache(maxsize=1)
def sign_fixed_trainer(model: ModelSettings, terms: UploadTerms, settings: TuningSettings) -> LocalTrainer:
    """Sign-fixed tuning under a server's terms."""
    flat_model, task = model_and_task(model)
    return LocalTrainer(flat_model, task, terms, settings, model.seed)


@lru_cache(maxsize=1)
def fine_tuner(model: ModelSettings, settings: TuningSettings) -> FineTuner:
    """Plain fine-tuning."""
    flat_model, task = model_and_task(model)
    return FineTuner(flat_model, task, settings, model.seed)
