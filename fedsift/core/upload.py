"""What is uploaded: named vectors of integers, of which the sparse task vector is one (docs/reference/upload.md)."""

from dataclasses import dataclass

from fedsift.core.contribution import Contribution, UploadTerms
from fedsift.core.head_statistics import HeadStatistics


@dataclass(frozen=True)
class Upload:
    """A client's contribution to all of the server's sums."""

    task_vector: Contribution  # mask and levels
    head: HeadStatistics | None = None  # its part of the shared head, where the terms have one

    def __post_init__(self) -> None:
        terms = self.task_vector.terms.head
        if (self.head and self.head.terms) != terms:
            raise ValueError(f"head statistics of {self.head and self.head.terms}; the terms say {terms}")

    def to_bytes(self) -> bytes:
        """One after the other."""
        return self.task_vector.to_bytes() + (self.head.to_bytes() if self.head else b"")

    @classmethod
    def from_bytes(cls, upload: bytes, terms: UploadTerms) -> "Upload":
        """Check an upload against the terms and take it apart.

        Raises:
            Refused: it was made under other terms or is malformed; the message says in what.
        """
        task_vector, rest = Contribution.take(upload, terms)
        return cls(task_vector, HeadStatistics.from_bytes(rest, terms.head) if terms.head else None)
