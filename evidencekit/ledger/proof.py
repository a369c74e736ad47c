"""Offline proofs of inclusion: C2SP tlog-proof, the file that a bundle carries as `proof/entry.tlog-proof`.

```
c2sp.org/tlog-proof@v1
extra <base64>                    optional, not authenticated
index <decimal>
<base64 hash>                     sibling hashes from the leaf to the root, at most 63
<empty line>
<checkpoint note, verbatim>
```
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError
from evidencekit.hashing.merkle import HASH_BYTES, check_inclusion, leaf_hash
from evidencekit.ledger.checkpoint import Checkpoint, open_checkpoint, parse_decimal
from evidencekit.signing.note import MAX_NOTE_BYTES, decode_base64, format_note, split_note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evidencekit.signing.note import NoteSignature, NoteVerifier

MAX_PATH: Final = 63
MAX_EXTRA_BYTES: Final = 65_535
_HEADER: Final = b"c2sp.org/tlog-proof@v1"
_HASH_LINE: Final = 44
_MAX_HEAD_BYTES: Final = 256 + MAX_EXTRA_BYTES * 4 // 3 + MAX_PATH * (_HASH_LINE + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    """The parts of a proof file; `checkpoint` is a whole note, `extra` is authenticated by nothing."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofCheck:
    """What a proof proves of an entry.

    Attributes:
        checkpoint: what the log claims: origin, size, root.
        index: where the entry stands, if `included`.
        leaf: the entry's leaf hash.
        included: the path leads from the entry to the checkpoint's root.
        log_signed: a key that the caller gave, of the origin's name, signed the checkpoint, and no known key's
            signature is bad.
        witnesses: names of the caller's other keys that cosigned.
        unverified: signatures by keys the caller did not give; they prove nothing, and nothing protects their bytes.
        invalid: signatures by the caller's keys that are wrong.
        extra: unauthenticated data of the file, or None.
    """

    checkpoint: Checkpoint
    index: int
    leaf: bytes
    included: bool
    log_signed: bool
    witnesses: tuple[str, ...]
    unverified: tuple[NoteSignature, ...]
    invalid: tuple[NoteSignature, ...]
    extra: bytes | None

    @property
    def proves(self) -> bool:
        """Whether the entry is in a tree that the log signed."""
        return self.included and self.log_signed


def format_proof(proof: TlogProof) -> bytes:
    """Write a proof file."""
    lines = [_HEADER]
    if proof.extra is not None:
        lines.append(b"extra " + base64.b64encode(proof.extra))
    lines.append(b"index %d" % proof.index)
    lines += [base64.b64encode(sibling) for sibling in proof.path]
    return b"\n".join(lines) + b"\n\n" + proof.checkpoint


def parse_proof(data: bytes) -> TlogProof:
    """Read a proof file; the checkpoint stays as bytes.

    Raises:
        FormatError: not a proof file, or over its limits.
    """
    head, separator, checkpoint = data.partition(b"\n\n")
    if not separator or len(head) > _MAX_HEAD_BYTES or len(checkpoint) > MAX_NOTE_BYTES:
        raise FormatError("A tlog-proof has no checkpoint, or is too long.", "证明文件缺少检查点或过长。")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise FormatError(
            "A tlog-proof is not ASCII before its checkpoint.", "证明文件的检查点之前不是 ASCII。"
        ) from error
    if lines.pop(0) != _HEADER.decode():
        raise FormatError("This is not a c2sp.org/tlog-proof@v1 file.", "这不是 c2sp.org/tlog-proof@v1 文件。")
    extra = decode_base64(lines.pop(0)[len("extra ") :]) if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise FormatError("A tlog-proof has no index line.", "证明文件缺少 index 行。")
    index = parse_decimal(lines.pop(0)[len("index ") :])
    path = tuple(decode_base64(line) for line in lines)
    if len(path) > MAX_PATH or any(len(sibling) != HASH_BYTES for sibling in path):
        raise FormatError("A tlog-proof's path is not at most 63 hashes.", "证明路径不是至多 63 个哈希。")
    return TlogProof(index=index, path=path, checkpoint=checkpoint, extra=extra)


def check_proof(proof: bytes, entry: bytes, verifiers: Iterable[NoteVerifier]) -> ProofCheck:
    """Check a proof file for the bytes of an entry against the keys that the caller trusts.

    Raises:
        FormatError: the file, its checkpoint or the note is malformed, or the note is not in canonical base64, so that
            no byte of a proof can change unseen. A proof that does not hold is a result.
    """
    parsed = parse_proof(proof)
    if format_note(*split_note(parsed.checkpoint)) != parsed.checkpoint:
        raise FormatError("The proof's checkpoint is not written canonically.", "证明中的检查点不是规范形式。")
    opened = open_checkpoint(parsed.checkpoint, verifiers)
    checkpoint = opened.checkpoint
    leaf = leaf_hash(entry)
    return ProofCheck(
        checkpoint=checkpoint,
        index=parsed.index,
        leaf=leaf,
        included=check_inclusion(leaf, parsed.index, checkpoint.size, parsed.path, checkpoint.root),
        log_signed=opened.is_log_signed,
        witnesses=opened.witnesses,
        unverified=opened.note.unverified,
        invalid=opened.note.invalid,
        extra=parsed.extra,
    )
