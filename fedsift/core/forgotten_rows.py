"""Rows that clients asked to have forgotten, by their digests: wherever a run's rows are read, these are left out."""

import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row, rows_digest
from fedsift.core.strict_json import Misfit, parse_json, typed


def row_digest(row: Row) -> str:
    """By which a row is known, in hexadecimal; rows with the same content have the same."""
    return rows_digest([row]).hex()


@dataclass(frozen=True)
class ForgottenRows:
    """Digests of rows, by client."""

    rows: dict[str, list[str]] = field(default_factory=dict)  # those that are forgotten
    asked: dict[str, list[str]] = field(default_factory=dict)  # further ones, of a request under way
    receipts: int = 0  # that the ledger had when the request began

    @classmethod
    def read(cls, path: Path) -> Self:
        """What a file holds; nothing where there is none.

        Raises:
            BadInput: it is damaged.
        """
        if not path.exists():
            return cls()
        try:
            found: Self = typed(parse_json(path.read_bytes()), cls, path.name)
        except (OSError, ValueError, Misfit) as error:
            raise BadInput(f"{path} is damaged ({error}): put it back, or rows that were forgotten return") from error
        return found

    def text(self) -> str:
        """The inverse of `read`."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n"

    def left_out(self, client_id: str) -> frozenset[str]:
        """Of a client, now."""
        return frozenset([*self.rows.get(client_id, ()), *self.asked.get(client_id, ())])

    def left_out_before(self, client_id: str) -> frozenset[str]:
        """Of a client, before the request: what its contribution was made without."""
        return frozenset(self.rows.get(client_id, ()))

    def asking(self, client_id: str, digests: frozenset[str], receipts: int) -> Self:
        """With a request of one client."""
        return dataclasses.replace(self, asked={client_id: sorted(digests)}, receipts=receipts)

    def of(self, clients: Collection[str]) -> Self:
        """Without what is left out of others."""
        return dataclasses.replace(self, rows={each: rows for each, rows in self.rows.items() if each in clients})

    def settled(self) -> Self:
        """Once the request is done."""
        rows = {client_id: sorted(self.left_out(client_id)) for client_id in sorted({*self.rows, *self.asked})}
        return dataclasses.replace(self, rows=rows, asked={}, receipts=0)
