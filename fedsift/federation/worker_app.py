"""The ClientApp of Ray's workers: ours, with what the compared methods ask of clients, and what is loaded before."""

from flwr.app import UserConfig

from fedsift.configuration.clients_of_run import choose_clients
from fedsift.configuration.run_config import RunConfig
from fedsift.data.loading import data_files_digest
from fedsift.federation.client_app import app as app
from fedsift.federation.loaded import dataset_of, model_and_task, model_digest
from fedsift.federation.method_client import add_handlers
from fedsift.learning.models import load_head_terms
from fedsift.learning.repeatability import check_repeatable
from fedsift.learning.tasks.task import encode_rows
from fedsift.protocol.loaded import Loaded

add_handlers(app)


def prepare(run_config: UserConfig) -> Loaded:
    """Load data and model, and try them on the first client: what is wrong there is wrong everywhere.

    Raises:
        BadInput: data and model cannot be loaded, or do not fit together.
    """
    config = RunConfig.from_user_config(run_config)
    dataset_of.cache_clear()  # The files may have changed since this worker read them for another command.
    dataset = dataset_of(config)
    model, task = model_and_task(config.model_settings)
    digest = model_digest(config.model_settings)  # Now: later it might be that of buffers which a training changed.
    first = choose_clients(config, dataset)[0]
    encoded = encode_rows(task, dataset.train_examples(first)[: config.batch_size], first)
    task.batch(encoded)
    check_repeatable(task, model, encoded[:1])
    data_digest = data_files_digest(config) if config.ray_address else ""
    return Loaded(digest, data_digest, task.metric, model.layout, load_head_terms(config.model_settings))
