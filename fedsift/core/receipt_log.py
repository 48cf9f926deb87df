"""The log that all receipts are entries of: a Merkle tree, whose heads are signed (docs/reference/certificate.md)."""

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from fedsift.core.ledger import Ledger
from fedsift.core.merkle_tree import MerkleTree, check_consistency, check_inclusion, leaf_hash
from fedsift.core.receipt import ReceiptBody
from fedsift.core.strict_json import Misfit, typed


@dataclass(frozen=True)
class TreeHead:
    """What a log is at a size: whoever has signed two different ones has kept two logs."""

    log: str  # its id, made with the ledger, in hexadecimal
    root: str  # of the Merkle tree, in hexadecimal
    size: int  # number of receipts


@dataclass(frozen=True)
class Certificate:
    """A receipt, and that it is in the log."""

    payload_type: ClassVar[str] = "application/vnd.fedsift.removal-certificate.v2+json"

    head: TreeHead  # of the log that ends with the receipt
    inclusion: list[str]  # RFC 9162's proof, in hexadecimal
    receipt: ReceiptBody

    @classmethod
    def of(cls, values: Any) -> Self:
        """The inverse of `values`.

        Raises:
            ValueError: it is no certificate's.
        """
        if isinstance(values, dict) and isinstance(values.get("receipt"), dict):
            values = values | {"receipt": ReceiptBody.with_all_fields(values["receipt"])}
        found: Self = _checked(cls, values)
        return found

    def values(self) -> dict[str, Any]:
        """What is signed."""
        return {"head": vars(self.head), "inclusion": self.inclusion, "receipt": self.receipt.values()}

    def problems(self) -> list[str]:
        """What is wrong with the proof."""
        leaf, proof = leaf_hash(self.receipt.text.encode()), [*map(bytes.fromhex, self.inclusion)]
        root = bytes.fromhex(self.head.root)
        if check_inclusion(leaf, self.receipt.number - 1, self.head.size, proof, root):
            return []
        return [f"its proof does not show that receipt {self.receipt.number} is in the log"]


@dataclass(frozen=True)
class HeadSince:
    """The head of a log, and that the log begins with the one that had `since` receipts."""

    payload_type: ClassVar[str] = "application/vnd.fedsift.tree-head.v1+json"

    consistency: list[str]  # RFC 9162's proof, in hexadecimal; none where `since` is 0 or the size
    head: TreeHead
    since: int

    @classmethod
    def of(cls, values: Any) -> Self:
        """The inverse of `values`.

        Raises:
            ValueError: it is no head's.
        """
        found: Self = _checked(cls, values)
        return found

    def values(self) -> dict[str, Any]:
        """What is signed."""
        return dataclasses.asdict(self)

    def problems(self) -> list[str]:
        """By itself a head can be of anything."""
        return []

    def continues(self, old: TreeHead) -> bool:
        """Whether its proof shows that the log begins with an older one, of `since` receipts."""
        proof = [*map(bytes.fromhex, self.consistency)]
        roots = bytes.fromhex(old.root), bytes.fromhex(self.head.root)
        return self.since == old.size and check_consistency(old.size, self.head.size, *roots, proof)


def _checked(kind: Any, values: Any) -> Any:
    try:
        found = typed(values, kind, "statement")
    except Misfit as error:
        raise ValueError(f"it is of another kind, at {error}") from error
    hashes = found.inclusion if kind is Certificate else found.consistency
    for each in (found.head.log * 2, found.head.root, *hashes):
        if not re.fullmatch("[0-9a-f]{64}", each):
            raise ValueError(f"{each[:80]!r} is no hash in hexadecimal")
    return found


class ReceiptLog:
    """The receipts of a ledger as a log: their texts are its entries."""

    def __init__(self, log_id: str, texts: Iterable[str]) -> None:
        self.id = log_id  # in hexadecimal
        self.texts = list(texts)
        self._tree = MerkleTree(text.encode() for text in self.texts)

    @classmethod
    def of(cls, ledger: Ledger) -> Self:
        """That of a ledger as it is now."""
        return cls(ledger.get("log_id").hex(), [receipt.text for receipt in ledger.receipts()])

    def __len__(self) -> int:
        return len(self.texts)

    def head(self, size: int) -> TreeHead:
        """Its head when it had so many receipts."""
        return TreeHead(self.id, self._tree.root(size).hex(), size)

    def certificate(self, number: int) -> Certificate:
        """That of a receipt, under the head of the log that ends with it: it is the same whenever it is made."""
        proof = self._tree.inclusion(number - 1, number)
        body = ReceiptBody.read(self.texts[number - 1])
        return Certificate(self.head(number), [each.hex() for each in proof], body)

    def head_since(self, since: int) -> HeadSince:
        """Its head now, with the proof that it begins with what it was when it had `since` receipts, 0 to all."""
        proof = self._tree.consistency(since, len(self)) if since else []
        return HeadSince([each.hex() for each in proof], self.head(len(self)), since)
