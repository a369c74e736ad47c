"""What `evidencekit timestamp verify` does: every step of the check, with its result and reason."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from evidencekit.errors import FormatError, StorageError, UsageError
from evidencekit.model import Outcome
from evidencekit.timestamp.check import TokenCheck, check_token
from evidencekit.timestamp.query import MAX_QUERY_BYTES, parse_query
from evidencekit.timestamp.token import MAX_TOKEN_BYTES, parse_response, parse_token
from evidencekit.verify.trust import load_trust
from evidencekit.x509.certificate import load_certificates, name_of
from evidencekit.x509.digests import digest_stream
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.output import Sentence, both, inert, table

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.model import JsonValue
    from evidencekit_cli.output import Session

_CHUNK_BYTES = 1 << 20
_PEM_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be checked, against what."""

    token: Path
    data: Path | None
    digest: str | None
    query: Path | None
    trust: tuple[str, ...]
    untrusted: tuple[Path, ...]
    at: str | None


def verify_token(session: Session, question: Question) -> ExitCode:
    """Check a token and tell every step."""
    if (question.data is None) == (question.digest is None):
        raise UsageError(
            "say what was stamped: --data FILE or --digest HEX, one of them",
            "请指明被盖时间戳的内容:--data 文件 或 --digest 十六进制,二者择一",
        )
    encoded = _read(question.token, MAX_TOKEN_BYTES)
    algorithm = _algorithm(encoded)
    trust = load_trust([spec if "=" in spec else f"tsa={spec}" for spec in question.trust])
    found = check_token(
        encoded,
        digest=_digest(question, algorithm),
        algorithm=algorithm,
        anchors=trust.tsas,
        at=_moment(question.at),
        nonce=None if question.query is None else parse_query(_read(question.query, MAX_QUERY_BYTES)).nonce,
        intermediates=[each for file in question.untrusted for each in load_certificates(_read(file, _PEM_BYTES))],
        crls=trust.crls_der,
    )
    _tell(session, found)
    if found.integrity is Outcome.FAILED or found.trusted is Outcome.FAILED:
        return ExitCode.FAILED
    return ExitCode.OK if found.trusted is Outcome.PASSED else ExitCode.UNDECIDED


def _algorithm(encoded: bytes) -> str:
    """The hash function of the imprint; SHA-256 where it cannot be read, which the check will say."""
    with suppress(FormatError):
        return parse_token(encoded).imprint.algorithm
    with suppress(FormatError):
        token = parse_response(encoded).token
        return "sha256" if token is None else parse_token(token).imprint.algorithm
    return "sha256"


def _digest(question: Question, algorithm: str) -> bytes:
    try:
        if question.digest is not None:
            return bytes.fromhex(question.digest)
        if question.data is None:
            return b""
        with question.data.open("rb") as file:
            return digest_stream(algorithm, iter(partial(file.read, _CHUNK_BYTES), b""))
    except FormatError:
        return b""  # a hash function that proves nothing: the check refuses it by name
    except ValueError as error:
        raise UsageError("--digest is no hexadecimal text", "--digest 不是十六进制文本") from error
    except OSError as error:
        raise _unreadable(question.data or question.token, error) from error


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - naive, refused below
    if moment.tzinfo is None:
        raise UsageError(
            f"--at {text!r} is no time with a time zone; write it as 2026-11-23T03:04:05Z",
            f"--at {text!r} 不是带时区的时间;请写成 2026-11-23T03:04:05Z 的形式",
        )
    return moment.astimezone(UTC)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > limit:
        raise FormatError(f"{path}: more than {limit} bytes", f"{path}:超过 {limit} 字节")
    return data


def _unreadable(path: Path, error: OSError) -> StorageError:
    reason = error.strerror or str(error)
    return StorageError(f"{path} cannot be read: {reason}; check the path", f"无法读取 {path}:{reason};请检查路径")


def _tell(session: Session, found: TokenCheck) -> None:
    if session.json:
        session.print_json(_as_json(found))
        return
    rows = [[step.outcome.value, step.id, inert(session.text(step.reason))] for step in found.checks]
    session.print(table(rows))
    for loose in found.unaccounted:
        session.say(Sentence(f"  unprotected: {inert(loose.en)}", f"  未受保护:{inert(loose.zh)}"))
    stated = found.gen_time.isoformat() if found.gen_time else "-"
    self_issued = (" (self-issued, not independent)", "(自行签发,不具独立性)") if found.self_issued else ("", "")
    session.say(
        Sentence(
            f"{found.trusted.value} - {stated}{self_issued[0]}: {inert(found.reason.en)}",
            f"{found.trusted.value} - {stated}{self_issued[1]}:{inert(found.reason.zh)}",
        )
    )


def _as_json(found: TokenCheck) -> dict[str, JsonValue]:
    token = found.token
    return {
        "format": "evidencekit/token-check",
        "version": 1,
        "integrity": found.integrity.value,
        "trusted": found.trusted.value,
        "reason": both(found.reason),
        "gen_time": found.gen_time.isoformat() if found.gen_time else None,
        "accuracy_s": found.accuracy.total_seconds() if found.accuracy is not None else None,
        "policy": token.policy if token else None,
        "serial": f"{token.serial:x}" if token else None,
        "self_issued": found.self_issued,
        "tsa": name_of(found.certificate) if found.certificate else None,
        "unprotected": [both(loose) for loose in found.unaccounted],
        "checks": [
            {"id": step.id, "outcome": step.outcome.value, "reason": both(step.reason)} for step in found.checks
        ],
    }
