"""Ask witnesses to cosign the ledger's newest checkpoint, and gather what they sign.

Each witness is asked in a thread of its own. Its last size is not believed from memory: a 409 with a size says where to
start from, and is the only answer that is tried again. A size larger than ours means that the ledger was set back.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError, LedgerError, LedgerRollbackError, TransportError
from evidencekit.ledger.checkpoint import open_checkpoint, parse_decimal
from evidencekit.ledger.policy import KeyLine, check_policy
from evidencekit.ledger.witness import SIZE_TYPE, AddCheckpoint, format_add_checkpoint
from evidencekit.model import Text
from evidencekit.signing.note import VerifierKey, format_vkey, parse_signature_line, signature_line
from evidencekit.transport.http import post

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.ledger.log import Ledger
    from evidencekit.ledger.policy import Policy
    from evidencekit.signing.note import NoteVerifier
    from evidencekit.transport.http import HttpReply

MAX_THREADS: Final = 16
MAX_REPLY_BYTES: Final = 64 * 1024
MAX_LINES: Final = 16
_OK: Final = 200
_CONFLICT: Final = 409
_TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """A checkpoint with the cosignatures that were had.

    Attributes:
        checkpoint: the note, the log's signature first.
        quorum_met: whether the policy's quorum cosigned it.
        witnesses: the policy's names of those who did.
        sizes: what each of them has now seen; give it again next time, and it saves a round trip.
        failures: why the others did not, by name.
    """

    checkpoint: bytes
    quorum_met: bool
    witnesses: tuple[str, ...]
    sizes: Mapping[str, int]
    failures: Mapping[str, Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessing:
    """Who must have seen a checkpoint before it counts as witnessed; `fail_open` publishes it all the same."""

    policy: Policy
    fail_open: bool = False


def gather_cosignatures(
    ledger: Ledger, policy: Policy, *, sizes: Mapping[str, int] | None = None, timeout_s: float = 10.0
) -> Witnessed:
    """Ask every witness of `policy` that has a URL to cosign the ledger's newest checkpoint.

    Args:
        ledger: the ledger.
        policy: the witnesses, their addresses and the quorum.
        sizes: what each witness has seen, from the last time.
        timeout_s: the most that one answer may take.

    Raises:
        LedgerRollbackError: a witness has seen more entries of this log than the ledger holds.
        LedgerCorruptError: the ledger's tiles are damaged.
    """
    data = ledger.checkpoint()
    policy = with_log(policy, ledger.verifier)
    known = sizes or {}
    asked = [witness for witness in policy.witnesses if witness.url]
    failures: dict[str, Text] = {}
    lines: list[bytes] = []
    cosigned: dict[str, int] = dict(known)
    size = open_checkpoint(data, []).checkpoint.size
    with ThreadPoolExecutor(max_workers=max(1, min(MAX_THREADS, len(asked)))) as pool:
        tasks = [
            (witness, pool.submit(_ask, ledger, witness, data, known.get(witness.name, 0), timeout_s))
            for witness in asked
        ]
        for witness, task in tasks:
            try:
                lines.append(task.result())
                cosigned[witness.name] = size
            except LedgerRollbackError:
                raise
            except (LedgerError, FormatError, TransportError) as error:
                failures[witness.name] = Text(en=error.en, zh=error.zh)
    note = data + b"".join(lines)
    check = check_policy(policy, note)
    return Witnessed(
        checkpoint=note,
        quorum_met=check.is_satisfied,
        witnesses=check.witnesses,
        sizes=cosigned,
        failures=failures,
    )


def with_log(policy: Policy, log: NoteVerifier) -> Policy:
    """Give the policy with this log in it, unless it names the log already."""
    if any(line.name == log.name for line in policy.logs) or not isinstance(log, VerifierKey):
        return policy
    return replace(policy, logs=(*policy.logs, KeyLine(name=log.name, vkey=format_vkey(log), verifier=log, url=None)))


def _ask(ledger: Ledger, witness: KeyLine, data: bytes, old_size: int, timeout_s: float) -> bytes:
    """Ask one witness; return its verified signature lines."""
    checkpoint = open_checkpoint(data, []).checkpoint
    for _ in range(_TRIES):
        if checkpoint.size < old_size <= ledger.size:
            raise LedgerError(
                f"The ledger grew meanwhile, and the witness {witness.name!r} has seen {old_size} entries; ask again.",
                f"账本已增长，见证者 {witness.name!r} 已见 {old_size} 条；请重新请求。",
            )
        if old_size > checkpoint.size:
            raise LedgerRollbackError(
                f"The witness {witness.name!r} has seen {old_size} entries, the ledger has {checkpoint.size}: it was "
                "restored from an old copy. Stop appending and restore the newest file.",
                f"见证者 {witness.name!r} 已见 {old_size} 条，而账本只有 {checkpoint.size} 条：账本由旧副本恢复。"
                "请停止登记并恢复最新文件。",
            )
        proof = ledger.prove_consistency_to(old_size, checkpoint.size)
        request = AddCheckpoint(old_size=old_size, proof=tuple(proof), checkpoint=data)
        reply = post(
            f"{(witness.url or '').rstrip('/')}/add-checkpoint",
            format_add_checkpoint(request),
            content_type="text/plain",
            limit=MAX_REPLY_BYTES,
            timeout_s=timeout_s,
        )
        if reply.status == _OK:
            return _verified_lines(witness, data, reply.body)
        old_size = _size_to_retry(witness, reply)
    raise LedgerError(
        f"The witness {witness.name!r} names another size at each try.", f"见证者 {witness.name!r} 每次给出不同的大小。"
    )


def _size_to_retry(witness: KeyLine, reply: HttpReply) -> int:
    if reply.status == _CONFLICT and reply.content_type.split(";")[0].strip() == SIZE_TYPE:
        return parse_decimal(reply.body.decode("ascii", "replace").removesuffix("\n"))
    said = reply.body[:200].decode("utf-8", "replace").strip()
    raise LedgerError(
        f"The witness {witness.name!r} answers {reply.status}: {said!r}.",
        f"见证者 {witness.name!r} 返回 {reply.status}:{said!r}。",
    )


def _verified_lines(witness: KeyLine, data: bytes, body: bytes) -> bytes:
    """Keep only the lines that the policy's key confirms: a witness must not smuggle anything into a note."""
    text = open_checkpoint(data, []).note.text
    kept: list[bytes] = []
    for line in body.removesuffix(b"\n").split(b"\n")[:MAX_LINES]:
        signature = parse_signature_line(line)
        key = (signature.name, signature.key_id)
        if key == (witness.verifier.name, witness.verifier.key_id) and witness.verifier.verify(
            text, signature.signature
        ):
            kept.append(signature_line(signature, signature.signature))
    if not kept:
        raise LedgerError(
            f"The witness {witness.name!r} did not sign with its own key.", f"见证者 {witness.name!r} 未以其密钥签名。"
        )
    return kept[0]
