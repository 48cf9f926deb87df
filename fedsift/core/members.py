"""The members of a state, whose number nothing depends on that is asked for again and again."""

import hashlib
from collections.abc import Collection, Iterator, Mapping

from fedsift.core.content_hash import ContentHash
from fedsift.core.member import Member


class Members(Mapping[str, Member]):
    """Members by client id; adding one, taking one out and the hash of all take the same time with any number."""

    def __init__(self, members: Mapping[str, Member]) -> None:
        self._members: dict[str, Member] = {}
        self._same_upload: dict[bytes, set[str]] | None = None  # made when it is first asked for
        self._content = ContentHash()
        for client_id, member in members.items():
            self.add(client_id, member)

    def __getitem__(self, client_id: str) -> Member:
        return self._members[client_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, client_id: str, member: Member) -> None:
        """Put in a client that is none of them."""
        self._members[client_id] = member
        self._content.add("members", (member.digest,))
        if self._same_upload is not None:
            self._same_upload.setdefault(member.digest, set()).add(client_id)

    def remove(self, client_id: str) -> None:
        """Take out one of them."""
        member = self._members.pop(client_id)
        self._content.remove("members", (member.digest,))
        if self._same_upload is not None:
            self._same_upload[member.digest].remove(client_id)

    def with_upload(self, digest: bytes) -> Collection[str]:
        """Who of them uploaded what has this SHA-256."""
        if self._same_upload is None:
            self._same_upload = {}
            for client_id, member in self._members.items():
                self._same_upload.setdefault(member.digest, set()).add(client_id)
        return self._same_upload.get(digest, ())

    def hash(self) -> bytes:
        """SHA-256 of the content hash of all uploads' digests (32 bytes): of no ids, and in no order."""
        return hashlib.sha256(self._content.to_bytes()).digest()
