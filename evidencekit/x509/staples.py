"""Times that third parties signed inside a TLS handshake: stapled OCSP responses and certificate timestamps (SCTs).

They date a certificate's status or its logging, never the page: whoever shows an old handshake again shows old times.
Signatures over them are not checked here, so they are hints.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509 import ocsp

from evidencekit.errors import FormatError
from evidencekit.x509 import der
from evidencekit.x509.certificate import MALFORMED
from evidencekit.x509.handshake import CERTIFICATE, COMPRESSED_CERTIFICATE
from evidencekit.x509.ocsp import MAX_OCSP_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evidencekit.x509.handshake import HandshakeMessage

MAX_STAMPS: Final = 16
_STATUS_REQUEST, _TIMESTAMPS = 5, 18  # RFC 6066 §8, RFC 6962 §3.3
_OCSP_TYPE: Final = 1
_ZLIB: Final = 1
_MOST_BYTES: Final = 1 << 20
_SCT_HEAD: Final = 41  # version, log id, milliseconds (RFC 6962 §3.2)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTime:
    """One time: `ocsp.produced`, `ocsp.this_update` or `sct`; `by` names the log (hex) or the responder."""

    kind: str
    by: str
    time: datetime


def stapled_times(messages: Sequence[HandshakeMessage]) -> tuple[SignedTime, ...]:
    """Read what the server stapled to its certificate; empty when nothing, or nothing readable, is there."""
    found: list[SignedTime] = []
    for message in messages:
        if message.kind in {CERTIFICATE, COMPRESSED_CERTIFICATE}:
            try:
                for kind, body in _leaf_extensions(message):
                    found += _times_of(kind, body)
            except FormatError:
                continue
    return tuple(found)


def embedded_times(certificate: x509.Certificate) -> tuple[SignedTime, ...]:
    """Read the timestamps of certificate transparency logs inside a certificate (RFC 6962 §3.3)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)
    except (x509.ExtensionNotFound, *MALFORMED):
        return ()
    return tuple(
        SignedTime(kind="sct", by=each.log_id.hex(), time=each.timestamp.replace(tzinfo=UTC))
        for each in list(extension.value)[:MAX_STAMPS]
    )


def _times_of(kind: int, body: bytes) -> Iterator[SignedTime]:
    if kind == _STATUS_REQUEST:
        if body[:1] == bytes([_OCSP_TYPE]):
            yield from _ocsp_times(_vector(body, 1, 3)[0])
    elif kind == _TIMESTAMPS:
        listed, at = _vector(body, 0, 2)[0], 0
        for _ in range(MAX_STAMPS):
            if at >= len(listed):
                return
            stamp, at = _vector(listed, at, 2)
            if len(stamp) > _SCT_HEAD and stamp[0] == 0:
                milliseconds = int.from_bytes(stamp[33:41], "big")
                if milliseconds < 1 << 43:
                    time = _EPOCH + timedelta(milliseconds=milliseconds)
                    yield SignedTime(kind="sct", by=stamp[1:33].hex(), time=time)


def _ocsp_times(data: bytes) -> Iterator[SignedTime]:
    try:
        der.parse(data, limit=MAX_OCSP_BYTES)
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return
        name = response.responder_name
        by = name.rfc4514_string() if name is not None else (response.responder_key_hash or b"").hex()
        yield SignedTime(kind="ocsp.produced", by=by, time=response.produced_at_utc)
        yield SignedTime(kind="ocsp.this_update", by=by, time=response.this_update_utc)
    except (FormatError, *MALFORMED):
        return


def _leaf_extensions(message: HandshakeMessage) -> list[tuple[int, bytes]]:
    """The extensions of the first entry of a Certificate message (RFC 8446 §4.4.2)."""
    body = message.data[4:]
    if message.kind == COMPRESSED_CERTIFICATE:
        if int.from_bytes(body[:2], "big") != _ZLIB:
            return []
        try:
            body = zlib.decompressobj().decompress(_vector(body, 5, 3)[0], _MOST_BYTES)
        except zlib.error:
            return []
    _, at = _vector(body, 0, 1)
    entries, _ = _vector(body, at, 3)
    _, at = _vector(entries, 0, 3)
    listed, _ = _vector(entries, at, 2)
    found, at = [], 0
    while at < len(listed):
        kind = int.from_bytes(listed[at : at + 2], "big")
        value, at = _vector(listed, at + 2, 2)
        found.append((kind, value))
    return found


def _vector(data: bytes, at: int, prefix: int) -> tuple[bytes, int]:
    """Read a vector with its length before it; gives it and where it ends."""
    start = at + prefix
    end = start + int.from_bytes(data[at:start], "big")
    if start > len(data) or end > len(data):
        raise FormatError("a handshake message ends too early")
    return data[start:end], end
