"""The server's state: the running sums in memory, everything in the ledger, and the operations that change both."""

import hashlib
import sqlite3
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsift.core.bit_packing import packed_size
from fedsift.core.contribution import UploadTerms
from fedsift.core.errors import Refused, counted
from fedsift.core.ledger import Ledger
from fedsift.core.ledger_file import damaged
from fedsift.core.linear_checksum import LinearChecksum
from fedsift.core.member import Member, Replacement, Training, commitment, why_different
from fedsift.core.members import Members
from fedsift.core.partial_sums import PartialSums
from fedsift.core.publication import EXACT, Publication
from fedsift.core.receipt import Receipt, ReceiptBody, RunFacts, Verdict
from fedsift.core.served_state import ServedState
from fedsift.core.upload import Upload

_LEAST_FOLD_BYTES = 1 << 22  # A journal is folded when it outgrows the sums, but not for less than this.


class ServerState(ServedState):
    """Merge and remove; every change is all or nothing, in memory and on disk."""

    def __init__(self, ledger: Ledger, publication: Publication = EXACT) -> None:
        """Take up the state of a ledger: its sums, and on top of them its journal."""
        self.ledger, self.publication = ledger, publication
        with ledger.snapshot():
            self.terms = ledger.terms
            self.sums = ledger.empty_sums()
            self._checksum = LinearChecksum(ledger.checksum_secret, self.terms)
            self._empty_mask = hashlib.sha256(bytes(packed_size(self.terms.size, 1))).digest()
            self._load()

    @classmethod
    def create(
        cls,
        path: Path | None,
        terms: UploadTerms,
        capacity: int,
        config: str = "",
        model_digest: bytes = b"",
        key: Ed25519PrivateKey | None = None,
    ) -> "ServerState":
        """An empty state in a new ledger; the arguments are those of `Ledger.create`."""
        return cls(Ledger.create(path, terms, capacity, config, model_digest, key))

    def _follow_ledger(self) -> None:
        """A transaction was rolled back: memory follows the file. Without one, nobody may go on with what there is."""
        if self.ledger.in_memory:
            self.ledger.close()
            return
        with self.ledger.snapshot():
            self._load()

    def _load(self) -> None:
        self.ledger.read_sums(self.sums)
        self._journal_bytes = 0
        for client_id, upload in self.ledger.journal():
            self._journal_bytes += len(upload)
            try:
                self.sums.add(Upload.from_bytes(upload, self.terms))
            except Refused as error:
                raise damaged(f"the journal of client {client_id!r}: {error}") from error
            del upload  # Before the next one is read.
        self.members = Members(self.ledger.members())
        self.ledger.reread()
        self._leaving: dict[str, tuple[bytes, int]] = {}  # client -> digest of its upload, steps of its rerun
        self._replaced: dict[str, tuple[str, int]] = {}  # of these, who stays: its fingerprint, and rows forgotten
        self._digest_before = ""

    def merge(self, client_id: str, upload: bytes, training: Training | None = None, node_key: str = "") -> Member:
        """Add a client's upload and make it a member; `node_key` as of `Ledger.set_node_key`.

        Raises:
            Refused: it is a member already, the capacity is reached, the upload is not valid, or a node sends that of
                a member with other data.
        """
        training = training or Training()
        read = Upload.from_bytes(upload, self.terms)
        member = Member.of(read, upload, training, self._checksum)
        self._check_joins([client_id])
        if node_key:
            self._check_copy(client_id, member)
        with self.ledger.transaction():
            self.ledger.insert_member(client_id, member, training.fingerprint)
            if node_key:
                self.ledger.set_node_key(client_id, node_key)
            self.ledger.append_journal(client_id, upload, member.digest)
            self._forget_vote()
        self.sums.add(read)
        self.members.add(client_id, member)
        self._journal_bytes += len(upload)
        if not self._leaving and self._journal_bytes > max(self.sums.nbytes, _LEAST_FOLD_BYTES):
            with suppress(sqlite3.OperationalError):  # The client is merged. On a full disk, the next one is told.
                self._fold()
        return member

    def merge_sums(self, partial: PartialSums) -> None:
        """Merge some clients whose contributions have been added up elsewhere, all of them or none.

        Raises:
            Refused: one is a member already, the capacity is reached, the sums are not those of these clients, or a
                removal is staged (the sums cannot be written before it is committed).
        """
        if self._leaving:
            raise Refused("a removal is staged; sums are merged before it or after it")
        self._check_joins(partial.members)
        partial.check(self._checksum)
        for (_, own), (_, added) in zip(self.sums.vectors(), partial.sums.vectors(), strict=True):
            own += added
        for client_id, member in partial.members.items():
            self.members.add(client_id, member)
        try:
            with self.ledger.transaction():
                for client_id, member in partial.members.items():
                    self.ledger.insert_member(client_id, member, partial.fingerprints[client_id])
                self._forget_vote()
                self._write_sums()
        except BaseException:
            self._follow_ledger()
            raise

    def _check_joins(self, joining: Collection[str]) -> None:
        for client_id in joining:
            if client_id in self.members:
                raise Refused(f"client {client_id!r} is a member already; it must be removed before it joins again")
        room = self.sums.capacity
        if len(self.members) + len(joining) > room:
            raise Refused(f"the sums have room for {counted(room, 'member')}; {len(joining)} more could overflow them")

    def _check_copy(self, client_id: str, member: Member) -> None:
        """Refuse a node of a deployment that sends on a member's upload: it would stay when its owner leaves.

        Where clients are simulated there is nobody who could; an empty mask, and equal rows, say nothing of a copy.
        """
        same = (self.members[each] for each in self.members.with_upload(member.digest))
        if member.mask_digest != self._empty_mask and any(each.data_digest != member.data_digest for each in same):
            raise Refused(
                f"client {client_id!r} sends the upload of a member with other data: a copy, or the same rows in "
                "another order"
            )

    def fold(self) -> bytes:
        """Write the sums and empty the journal, in one transaction; returns the state's digest."""
        self._fold()
        if self.ledger.owes_scrub:
            self.ledger.scrub(patient=False)
        return self.digest()

    def _fold(self) -> None:
        with self.ledger.transaction():
            self._write_sums()

    def stage_removal(
        self,
        client_id: str,
        upload: bytes,
        training: Training | None = None,
        replacement: Replacement | None = None,
    ) -> None:
        """Subtract a member's contribution, rerun by the member itself. `commit_removals` makes it last.

        With a `replacement` it stays a member, with that one.

        Raises:
            Refused: it is no member, or the rerun is not bit for bit what was merged, or was on other data, even if it
                came to the same upload; the message says what differs: the data, else the environment, else only the
                upload. Or the replacement is no valid upload.
        """
        training = training or Training()
        member = self._member(client_id)
        digest = hashlib.sha256(upload).digest()
        if digest != member.digest or training.data_digest != member.data_digest:
            there = self.ledger.fingerprint(member.environment)
            raise Refused(why_different(client_id, member, digest, training, there))
        read = replacement and Upload.from_bytes(replacement.upload, self.terms)
        if not self._leaving:
            self._digest_before = self.digest().hex()
        self.sums.subtract(Upload.from_bytes(upload, self.terms))
        self.members.remove(client_id)
        self._leaving[client_id] = digest, training.steps
        if replacement and read:
            self.sums.add(read)
            self.members.add(client_id, Member.of(read, *replacement[:2], self._checksum))
            self._replaced[client_id] = replacement.training.fingerprint, replacement.rows

    def commit_removals(self, facts: RunFacts | None = None) -> list[Receipt]:
        """Make all staged removals last, in one transaction that publishes one state; nothing of the members is left.

        Returns:
            A receipt for each, by client id, which says `facts` of the run.
        """
        if not self._leaving:
            return []
        digest = self.digest()
        try:
            with self.ledger.transaction():
                for client_id in self._leaving:
                    self.ledger.delete_member(client_id)
                for client_id, (fingerprint, _) in self._replaced.items():
                    self.ledger.insert_member(client_id, self.members[client_id], fingerprint)
                self._forget_vote()
                self._write_sums()
                states = self._digest_before, digest.hex()
                bodies = [self._body_of_removal(each, states, facts) for each in sorted(self._leaving)]
                receipts = [self.ledger.append_receipt(body) for body in bodies]
        except BaseException:
            self._follow_ledger()
            raise
        self._leaving, self._replaced = {}, {}
        self.ledger.scrub()
        return receipts

    def _body_of_removal(self, client_id: str, states: tuple[str, str], facts: RunFacts | None) -> ReceiptBody:
        stays = client_id in self._replaced
        verdict = Verdict.ROWS_BIT_EXACT if stays else Verdict.BIT_EXACT
        body = self.receipt_body(client_id, verdict, "", *self._leaving[client_id], states, facts)
        return replace(body, rows_forgotten=self._replaced[client_id][1]) if stays else body

    def remove(self, client_id: str, upload: bytes, training: Training | None = None) -> Receipt:
        """Remove one member at once: `stage_removal`, then `commit_removals`."""
        self.stage_removal(client_id, upload, training)
        return self.commit_removals()[-1]

    def refuse(self, client_id: str, reason: str, facts: RunFacts | None = None) -> Receipt:
        """Write the receipt of a removal that was refused; nothing else changes."""
        member, digest = self.members.get(client_id), self.digest().hex()
        merged = member.digest if member else b""
        with self.ledger.transaction():
            body = self.receipt_body(client_id, Verdict.REFUSED, reason, merged, 0, (digest, digest), facts)
            return self.ledger.append_receipt(body)

    def receipt_body(
        self,
        client_id: str,
        verdict: Verdict,
        reason: str,
        merged: bytes,
        steps: int,
        states: tuple[str, str],
        facts: RunFacts | None,
    ) -> ReceiptBody:
        """What a receipt written now says (`ReceiptBody`).

        `merged` is the digest of what was merged, empty for nothing; `states` are those before and after.
        """
        return ReceiptBody(
            client=client_id,
            verdict=verdict,
            reason=reason,
            commitment=commitment(merged) if merged else "",
            steps_retrained=steps,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            state_before=states[0],
            state_after=states[1],
            members_after=len(self.members),
            sign_seed=self.terms.sign_seed,
            **vars(facts or RunFacts()),
        )

    def _forget_vote(self) -> None:
        """What members chose is theirs who were members then."""
        if self.has_voted:
            self.ledger.set("blend", "")

    def _write_sums(self) -> None:
        """Write the sums, and empty the journal."""
        self.ledger.write_sums(self.sums)
        self.ledger.clear_journal()
        self._journal_bytes = 0
