"""`capture/tls/….handshake.json` (docs/spec/tls.md): the messages of one handshake, to be checked again by anybody."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import canonical_bytes, format_time, parse_canonical
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.x509.handshake import HandshakeMessage, Sender

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

FORMAT_NAME: Final = "tls-handshake"
FILE_LIMIT: Final = 4 << 20
SUFFIX: Final = ".handshake.json"
FOLDER: Final = "capture/tls/"
MESSAGE_COUNT: Final = 16
CERTIFICATE_COUNT: Final = 20
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeFile:
    """One handshake of a capture.

    `host` and `port` are those that the browser asked for; `address` is `ip:port` of the peer; `certificates` is the
    chain as the browser decoded it (DER, leaf first).
    """

    capture_id: str
    host: str
    port: int
    address: str | None
    time: datetime
    messages: tuple[HandshakeMessage, ...]
    certificates: tuple[bytes, ...]


def handshake_path(host: str, port: int) -> str:
    """Bundle path of the handshake with a host."""
    name = re.sub(r"[^A-Za-z0-9.-]", "_", host)[:120]
    return f"{FOLDER}{name}{'' if port == 443 else f'_{port}'}{SUFFIX}"  # noqa: PLR2004 (the port of https)


def format_handshake(file: HandshakeFile) -> bytes:
    """Write the file."""
    return canonical_bytes(
        {
            "address": file.address,
            "capture_id": file.capture_id,
            "certificates": _texts(file.certificates),
            "format": f"evidencekit/{FORMAT_NAME}",
            "host": file.host,
            "messages": [{"bytes": _text(each.data), "sender": each.sender.value} for each in file.messages],
            "port": file.port,
            "time": format_time(file.time),
            "version": 1,
        }
    )


def parse_handshake(data: bytes, what: str) -> HandshakeFile:
    """Read the file; `what` names it in messages.

    Raises:
        FormatError: not this format, or over a limit.
        UnknownVersionError: a newer major version.
    """
    fields = Fields(parse_canonical(data, limit=FILE_LIMIT, what=what), what)
    check_version(fields, FORMAT_NAME)
    messages = fields.items("messages")
    certificates = fields.texts("certificates")
    if len(messages) > MESSAGE_COUNT or len(certificates) > CERTIFICATE_COUNT:
        fields.refuse("messages", "holds more than a handshake has", "条数超过一次握手所有")
    host = fields.text("host", limit=253)
    if not _HOST.fullmatch(host):
        fields.refuse("host", "is no host", "不是主机名")
    return HandshakeFile(
        capture_id=fields.hex("capture_id", 16),
        host=host,
        port=fields.integer("port", 1, 65535),
        address=fields.optional("address", lambda name: fields.text(name, limit=64)),
        time=fields.time("time"),
        messages=tuple(_message(each) for each in messages),
        certificates=tuple(_bytes(text, what) for text in certificates),
    )


def _message(fields: Fields) -> HandshakeMessage:
    return HandshakeMessage(sender=fields.choice("sender", Sender), data=_bytes(fields.text("bytes"), fields.what))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _texts(items: Sequence[bytes]) -> list[str]:
    return [_text(item) for item in items]


def _bytes(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(
            f"{what}: a message or certificate is not base64", f"{what}：消息或证书不是 base64"
        ) from error
