"""A client within the ClientApp: who it is, its data and model, and what it remembers between messages."""

import dataclasses
import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from flwr.app import ConfigRecord, Context, Message

from fedsift.configuration.clients_of_run import choose_leavers
from fedsift.configuration.node_config import NodeConfig
from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, counted, unknown_name
from fedsift.core.examples import Row
from fedsift.data.federated_dataset import FederatedDataset
from fedsift.data.kinds.own import dataset_of_client
from fedsift.data.without_forgotten import WithoutForgotten
from fedsift.federation.client_folder import ClientFolder
from fedsift.learning.reproducibility import environment_fingerprint
from fedsift.protocol import messages
from fedsift.protocol.messages import Wish

if TYPE_CHECKING:
    from fedsift.learning.fine_tuning import FineTuner
    from fedsift.learning.local_trainer import LocalTrainer, Tuned

MEMBERSHIP = "membership"  # the record in a client's state


@lru_cache(maxsize=1)
def _config(items: tuple[tuple[str, bool | float | int | str], ...]) -> RunConfig:
    return RunConfig.from_user_config(dict(items))


class Client:
    """A client for the length of one message: who it is, its data, and what it remembers between messages."""

    def __init__(self, context: Context) -> None:
        self.config = _config(tuple(context.run_config.items()))
        self._node = node = NodeConfig.read(context.node_config)
        if node.model:
            self.config = dataclasses.replace(self.config, model=node.model)
        self.id = node.client_id or self._placed(node.partition_id)
        self.folder = ClientFolder(Path(node.client_folder)) if node.client_folder else None
        masks = Path(node.mask_folder) if node.mask_folder else None
        self.mask_folder = self.folder.masks if self.folder else masks
        self.vector_folder = Path(node.vector_folder)
        self.tells_losses = node.losses
        if MEMBERSHIP not in context.state:
            context.state[MEMBERSHIP] = membership()
        self.membership = messages.record_of(context.state, MEMBERSHIP, ConfigRecord)

    @cached_property
    def _dataset(self) -> FederatedDataset:
        """Its own, or one that it shares; read when it is first needed."""
        from fedsift.federation import loaded

        node = self._node
        if node.data:
            return dataset_of_client(self.config, node.data, node.client_id)
        dataset = loaded.dataset_of(self.config)
        if node.partition_id < 0 and node.client_id not in dataset.client_ids:  # A simulation's clients are the data's.
            raise BadInput(f"node-config: {unknown_name('client', node.client_id, dataset.client_ids)}")
        return dataset

    @cached_property
    def _participants(self) -> Participants:
        """Who takes part, where nodes share a data set."""
        return Participants.of(self.config, self._dataset)

    def _placed(self, place: int) -> str:
        """The client at a place among those who take part."""
        ids = self._participants.everybody
        if place >= len(ids):
            raise BadInput(
                f"node-config: partition-id = {place}: {counted(len(ids), 'client takes', 'clients take')} "
                "part, from 0 on"
            )
        return ids[place]

    @property
    def _is_newcomer(self) -> bool:
        """Whether it never joins: its node says so, or its data, or, where nodes share a data set, the configuration.

        A simulation on Ray says it for each node; all others are members there.
        """
        node = self._node
        if node.newcomer:
            return True
        if node.data:
            return bool(self.config.group_column) and self.id in self._dataset.test_only
        return not (node.client_id and node.partition_id >= 0) and self.id in self._participants.newcomers

    @cached_property
    def train_examples(self) -> Sequence[Row]:
        """What it tunes on."""
        return self._dataset.train_examples(self.id)

    @property
    def merged_examples(self) -> Sequence[Row]:
        """What it tuned on when it was merged: with the rows that it asks to have forgotten now."""
        dataset = self._dataset
        return dataset.merged_examples(self.id) if isinstance(dataset, WithoutForgotten) else self.train_examples

    def train_examples_of(self, client_id: str) -> Sequence[Row]:
        """What another client tunes on, for methods that pool data."""
        return self._dataset.train_examples(client_id)

    @cached_property
    def test_examples(self) -> Sequence[Row]:
        """What its scores are measured on."""
        return self._dataset.test_examples(self.id)

    @property
    def is_held_out(self) -> bool:
        """Whether its scores are measured on rows that it did not tune on."""
        return self.config.is_held_out

    def trainer(self, message: Message) -> "LocalTrainer":
        """Sign-fixed tuning under the terms that a message brings.

        Raises:
            BadInput: the terms are for another M0 than this client's.
        """
        from fedsift.federation import loaded

        terms, config = messages.read_terms(message.content), self.config
        wanted = messages.read_model_digest(message.content)
        if wanted and wanted != (own := loaded.model_digest(config.model_settings)):
            raise BadInput(
                f"model {config.model} is not the server's: its weights have digest {own.hex()[:16]}..., the server's "
                f"{wanted.hex()[:16]}...; put the server's model there"
            )
        return loaded.sign_fixed_trainer(config.model_settings, terms, config.tuning)

    @property
    def fine_tuner(self) -> "FineTuner":
        """Plain fine-tuning, for the methods to compare with."""
        from fedsift.federation import loaded

        return loaded.fine_tuner(self.config.model_settings, self.config.tuning)

    def wish(self, server_round: int) -> Wish:
        """Who is to leave in this simulation asks for it in a round after that in which it joined; who left is away.

        A client with a folder of its own answers what stands there: nobody else can ask for its removal. A newcomer
        never joins.
        """
        if self.folder is not None:
            wish = self.folder.wish
            return Wish.NEWCOMER if wish == Wish.JOIN and self._is_newcomer else wish
        if not self.membership["member"]:
            if self.membership["removed"]:
                return Wish.AWAY
            return Wish.NEWCOMER if self._is_newcomer else Wish.JOIN
        joined = int(str(self.membership["round"]))
        return Wish.LEAVE if server_round > joined and self._is_leaver else Wish.STAY

    @property
    def _is_leaver(self) -> bool:
        """Whether the configuration has it leave; a mere number of leavers is drawn from all simulated members."""
        if not self.config.leave_count:
            return self.id in self.config.leave
        return self.id in choose_leavers(self.config, self._participants.members[: self._node.num_partitions])

    def trained(self, message: Message, tuned: "Tuned") -> Message:
        """The reply to both kinds of training: the upload and what the server keeps beside it."""
        return messages.client_reply(message, self.id, self.told(tuned))

    def told(self, tuned: "Tuned") -> dict[str, str | bytes | int]:
        """What the server is told of a training."""
        environment = environment_fingerprint(self.config.compile, self.config.device)
        return {
            "upload": tuned.upload.to_bytes(),
            "saturated": tuned.quantised.saturated,
            "steps": tuned.steps,
            "data-digest": tuned.data_digest,
            "environment": json.dumps(environment, sort_keys=True),
        }


def round_of(message: Message) -> int:
    """The server's round, which it sends as the group."""
    return int(message.metadata.group_id)


def membership(member: bool = False, server_round: int = 0, removed: bool = False) -> ConfigRecord:
    """What a client remembers: whether it has contributed, in which round, and whether it was a member and left.

    A simulation that goes on from a ledger sets it.
    """
    return ConfigRecord({"member": member, "round": server_round, "removed": removed})
