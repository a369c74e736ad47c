r"""A witness: C2SP tlog-witness v1.0.0. It cosigns a checkpoint only if the log grew from the one it cosigned before.

```
POST add-checkpoint       old <size>\\n ‖ up to 63 base64 hashes, a line each ‖ \\n ‖ checkpoint note
200  the witness's signature lines          400 malformed, or old is larger than the checkpoint
403  no signature of the log's key          404 unknown origin
409  old is not the size it remembers; Content-Type text/x.tlog.size, the size and LF as the body
422  the proof does not hold, or another root at the same size
GET <hex SHA-256 of the origin>/checkpoint  the last cosigned checkpoint
```

What it remembers is on disk before it answers, and comparing and storing is one step: two answers can never vouch for
two histories.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import EvidenceError, FormatError, UsageError
from evidencekit.hashing.merkle import EMPTY_ROOT, check_consistency
from evidencekit.ledger.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, parse_checkpoint, parse_decimal
from evidencekit.ledger.durable import replace_file
from evidencekit.ledger.filelock import FileLock
from evidencekit.signing.note import decode_base64, signature_line, split_note

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evidencekit.signing.note import NoteSigner, NoteVerifier

MAX_BODY_BYTES: Final = 1 << 20
MAX_HASHES: Final = 63
SIZE_TYPE: Final = "text/x.tlog.size"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
_MAX_HEAD_BYTES: Final = 64 + MAX_HASHES * 45
_LOCK_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """An add-checkpoint request: the size it starts from, the consistency proof, and the checkpoint note."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a witness answers over HTTP."""

    status: int
    body: bytes
    content_type: str = TEXT_TYPE


def format_add_checkpoint(request: AddCheckpoint) -> bytes:
    """Write the body of an add-checkpoint request."""
    hashes = b"".join(base64.b64encode(node) + b"\n" for node in request.proof)
    return b"old %d\n" % request.old_size + hashes + b"\n" + request.checkpoint


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Read the body of an add-checkpoint request.

    Raises:
        FormatError: malformed, or over its limits.
    """
    head, separator, checkpoint = body.partition(b"\n\n")
    if len(body) > MAX_BODY_BYTES or not separator or len(head) > _MAX_HEAD_BYTES:
        raise FormatError("An add-checkpoint request has no checkpoint or is too long.", "请求缺少检查点或过长。")
    try:
        first, *hashes = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise FormatError("An add-checkpoint request is not ASCII.", "请求不是 ASCII。") from error
    proof = tuple(decode_base64(line) for line in hashes)
    if not first.startswith("old ") or len(proof) > MAX_HASHES or any(len(node) != len(EMPTY_ROOT) for node in proof):
        raise FormatError("An add-checkpoint request is malformed.", "请求格式错误。")
    return AddCheckpoint(old_size=parse_decimal(first.removeprefix("old ")), proof=proof, checkpoint=checkpoint)


class Witness:
    """Cosigns for the logs it was given; remembers one checkpoint a log in `directory`, for several processes too."""

    __slots__ = ("_directory", "_file_lock", "_lock", "_logs", "_signers")

    def __init__(self, directory: Path, logs: Sequence[NoteVerifier], signers: Sequence[NoteSigner]) -> None:
        """Witness `logs` with `signers` (types 0x04 and 0x06), keeping state in an existing `directory`.

        Raises:
            UsageError: two keys for one origin, or nobody signs.
            StorageError: the directory cannot be used.
        """
        self._logs = {log.name: log for log in logs}
        if len(self._logs) != len(logs) or not signers:
            raise UsageError(
                "A witness needs a signer and one key for each log.", "见证者须有签名者，且每个日志一个密钥。"
            )
        self._directory = directory
        self._signers = tuple(signers)
        self._lock = threading.Lock()
        self._file_lock = FileLock(directory / "witness.lock", timeout_s=_LOCK_S)

    def close(self) -> None:
        """Give the state up."""
        self._file_lock.close()

    def add_checkpoint(self, body: bytes) -> Reply:
        """Answer an add-checkpoint request.

        Raises:
            StorageError: what it would vouch for cannot be kept; it then vouches for nothing.
            LedgerLockedError: another process holds the state for too long.
        """
        try:
            request = parse_add_checkpoint(body)
            origin = parse_checkpoint(split_note(request.checkpoint)[0]).origin
            log = self._logs.get(origin)
            if log is None:
                return _text(404, "unknown log")
            signed = open_checkpoint(request.checkpoint, [log])
        except FormatError as error:
            return _text(400, error.en)
        if not signed.is_log_signed:
            return _text(403, "invalid signature: no signature of the log's key verifies")
        if request.old_size > signed.checkpoint.size:
            return _text(400, "old size is larger than the checkpoint")
        with self._lock, self._file_lock.held():
            return self._judge(request, signed)

    def last(self, origin_hash: str) -> Reply:
        """Answer for the last cosigned checkpoint of the log whose origin has this SHA-256 in hex."""
        for origin in self._logs:
            path = self._state(origin)
            if path.name == origin_hash and path.exists():
                return Reply(status=200, body=path.read_bytes())
        return _text(404, "nothing cosigned")

    def _judge(self, request: AddCheckpoint, signed: SignedCheckpoint) -> Reply:
        new = signed.checkpoint
        known = self._known(new.origin)
        if request.old_size != known.size:
            return Reply(status=409, body=b"%d\n" % known.size, content_type=SIZE_TYPE)
        if not check_consistency(known.size, new.size, known.root, new.root, request.proof):
            return _text(422, "the consistency proof does not hold")
        text = signed.note.text
        lines = b"".join(signature_line(signer, signer.sign(text)) for signer in self._signers)
        own = b"".join(signature_line(line, line.signature) for line in signed.note.verified)
        replace_file(self._state(new.origin), text + b"\n" + own + lines)
        return Reply(status=200, body=lines)

    def _known(self, origin: str) -> Checkpoint:
        path = self._state(origin)
        if not path.exists():
            return Checkpoint(origin=origin, size=0, root=EMPTY_ROOT)
        # Its own file, written by replace_file: if it does not read, nothing may be vouched for.
        return parse_checkpoint(split_note(path.read_bytes())[0])

    def _state(self, origin: str) -> Path:
        return self._directory / hashlib.sha256(origin.encode()).hexdigest()


def _text(status: int, message: str) -> Reply:
    return Reply(status=status, body=message.encode() + b"\n")


def describe(error: EvidenceError) -> Reply:
    """Answer for an error of the witness itself; nothing was cosigned."""
    return _text(500, f"the witness cannot answer ({error.code})")
