"""An earlier record that a deposit rests on: read from its bundle, verified, and proved again where the log is ours."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.bundle.reader import open_bundle
from evidencekit.errors import FormatError, LedgerCorruptError
from evidencekit.hashing.deposit import Link
from evidencekit.hashing.manifest import MAX_MANIFEST_BYTES, parse_manifest
from evidencekit.hashing.merkle import leaf_hash
from evidencekit.ledger.entry import MAX_ENTRY_BYTES
from evidencekit.ledger.proof import parse_proof
from evidencekit.model import Outcome
from evidencekit.verify.verifier import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evidencekit.ledger.log import Ledger

_PROOF_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """A link, and what proves it: the entry's bytes and the proof that its own bundle holds."""

    link: Link
    entry: bytes
    proof: bytes

    def write(self, write: Callable[[str, bytes], None], ledger: Ledger, place: int) -> None:
        """Write entry and proof of link number `place`; in our own log, the proof is made anew.

        Raises:
            LedgerCorruptError: our ledger does not hold what the bundle proves to be in it.
            StorageError: the disk refuses.
        """
        proof = self.proof
        if self.link.origin == ledger.origin:
            if self.link.index >= ledger.size or ledger.entry(self.link.index) != self.entry:
                raise LedgerCorruptError(
                    f"{self.link.number} is entered as {self.link.index} in its bundle, but not in this ledger: "
                    "the ledger was set back or has two histories",
                    f"{self.link.number} 的证据包载明其为第 {self.link.index} 条，而本账本并非如此："
                    "账本被退回或存在两个历史",
                )
            proof = ledger.prove(self.link.index)
        write(paths.link_entry(place), self.entry)
        write(paths.link_proof(place), proof)


def link_record(path: Path) -> Linked:
    """Read and verify the bundle of an earlier record.

    Raises:
        UsageError: there is nothing at `path`.
        FormatError: it is no bundle, or it does not verify.
    """
    report = verify_bundle(path)
    if report.overall is Outcome.FAILED:
        raise FormatError(
            f"{path} does not verify ({report.headline.en}); a record can rest on a true one alone",
            f"{path} 未通过核验({report.headline.zh})；只能关联真实的记录",
        )
    with open_bundle(path) as bundle:
        data = bundle.read(paths.MANIFEST, limit=MAX_MANIFEST_BYTES)
        entry = bundle.read(paths.ENTRY, limit=MAX_ENTRY_BYTES)
        proof = bundle.read(paths.ENTRY_PROOF, limit=_PROOF_BYTES)
    manifest = parse_manifest(data)
    return Linked(
        link=Link(
            number=manifest.number,
            kind=manifest.deposit.kind.value if manifest.deposit else manifest.kind,
            origin=manifest.ledger.origin,
            index=parse_proof(proof).index,
            leaf=leaf_hash(entry),
            manifest_sha256=hashlib.sha256(data).hexdigest(),
        ),
        entry=entry,
        proof=proof,
    )
