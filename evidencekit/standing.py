"""How a bundle's record stands in a newer copy of its log: read by whoever has it, judged by the offline verifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.bundle.reader import open_bundle
from evidencekit.hashing.manifest import MAX_MANIFEST_BYTES, parse_manifest
from evidencekit.hashing.merkle import leaf_hash
from evidencekit.ledger.amendment import Pin
from evidencekit.ledger.checkpoint import parse_checkpoint
from evidencekit.ledger.entry import MAX_ENTRY_BYTES
from evidencekit.ledger.proof import parse_proof
from evidencekit.ledger.standing import read_standing
from evidencekit.signing.note import parse_vkey, split_note

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evidencekit.ledger.amendment import Standing
    from evidencekit.ledger.source import Fetch
    from evidencekit.signing.note import NoteVerifier

_PROOF_BYTES = 1 << 20


def checkpoint_in(bundle: Path) -> bytes:
    """Read the checkpoint note that a bundle's proof ends in; it is not judged here.

    Raises:
        FormatError: no bundle, or no proof.
        StorageError: it cannot be read.
    """
    with open_bundle(bundle) as opened:
        return parse_proof(opened.read(paths.ENTRY_PROOF, limit=_PROOF_BYTES)).checkpoint


def standing_of(bundle: Path, fetch: Fetch, keys: Sequence[NoteVerifier]) -> Standing:
    """Read how the record of `bundle` stands in a published log.

    Args:
        bundle: the bundle; it is not judged here.
        fetch: reads the log (`evidencekit.ledger.source`).
        keys: the caller's log keys; when none is of the bundle's log, the key that the bundle names, which the
            verifier then says.

    Raises:
        FormatError: no bundle, or something is malformed.
        LedgerCorruptError, LedgerError, TransportError: see `read_standing`.
    """
    with open_bundle(bundle) as opened:
        manifest = parse_manifest(opened.read(paths.MANIFEST, limit=MAX_MANIFEST_BYTES))
        entry = opened.read(paths.ENTRY, limit=MAX_ENTRY_BYTES)
        proof = parse_proof(opened.read(paths.ENTRY_PROOF, limit=_PROOF_BYTES))
    checkpoint = parse_checkpoint(split_note(proof.checkpoint)[0])
    pin = Pin(index=proof.index, leaf=leaf_hash(entry), size=checkpoint.size, root=checkpoint.root)
    own = [key for key in keys if key.name == checkpoint.origin] or [parse_vkey(manifest.ledger.key)]
    return read_standing(fetch, own, pin)
