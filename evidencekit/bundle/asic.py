"""ASiC manifests: XML lists of members and their digests (ETSI EN 319 162-1 V1.1.1, annex A.4).

The form is fixed to the byte, so that reading needs no XML: `parse_asic_manifest` accepts what `format_asic_manifest`
writes and nothing else. No declaration, entity, comment or white space can therefore say something else to another
reader. Lines end with LF; one member a line; digests are SHA-256 in base 64.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.bundle.paths import lawful_name
from evidencekit.errors import FormatError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

SIGNATURE_TYPE = "application/pkcs7-signature"
TIMESTAMP_TYPE = "application/vnd.etsi.timestamp-token"
EVIDENCE_RECORD_TYPE = "application/octet-stream"
"""RFC 4998 registers no media type for evidence records."""
_KINDS = (SIGNATURE_TYPE, TIMESTAMP_TYPE, EVIDENCE_RECORD_TYPE)
MAX_ASIC_BYTES = 64 << 20
SHA256_BYTES = 32

_WHAT = "ASiC manifest"
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#"'
    ' xmlns:ds="http://www.w3.org/2000/09/xmldsig#">\n'
)
_SIGNATURE = '<asic:SigReference URI="{name}" MimeType="{media_type}"/>\n'
_MEMBER = (
    '<asic:DataObjectReference URI="{name}" MimeType="{media_type}">'
    '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
    "<ds:DigestValue>{digest}</ds:DigestValue>"
    "</asic:DataObjectReference>\n"
)
_TAIL = "</asic:ASiCManifest>\n"

_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}")
_ATTRIBUTES = r'URI="([^"<&\n]{1,240})" MimeType="([^"<&\n]{1,129})"'
_SIGNATURE_LINE = re.compile(f"<asic:SigReference {_ATTRIBUTES}/>")
_MEMBER_LINE = re.compile(
    f"<asic:DataObjectReference {_ATTRIBUTES}>"
    r'<ds:DigestMethod Algorithm="http://www\.w3\.org/2001/04/xmlenc#sha256"/>'
    r"<ds:DigestValue>([A-Za-z0-9+/]{43}=)</ds:DigestValue></asic:DataObjectReference>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsicReference:
    """One member: its name, media type and SHA-256 (32 bytes)."""

    uri: str
    media_type: str
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AsicManifest:
    """What is signed or stamped, and by which member: a signature, a time-stamp token or an evidence record."""

    sig_reference: str
    sig_media_type: str
    members: tuple[AsicReference, ...]


def format_asic_manifest(sig_reference: str, sig_media_type: str, members: Iterable[AsicReference]) -> bytes:
    """Write an ASiC manifest; members keep their order.

    Args:
        sig_reference: name of the signature or time-stamp over these bytes.
        sig_media_type: `SIGNATURE_TYPE`, `TIMESTAMP_TYPE` or `EVIDENCE_RECORD_TYPE`.
        members: what is covered, at least one.

    Raises:
        UsageError: a name or media type that must not stand there, a digest of another size, or no member.
    """
    _check_reference(sig_reference, sig_media_type)
    if sig_media_type not in _KINDS:
        raise UsageError(
            f"{sig_media_type!r} is no signature, time-stamp or evidence record; use one of {', '.join(_KINDS)}",
            f"{sig_media_type!r} 不是签名、时间戳或证据记录；请使用 {'、'.join(_KINDS)} 之一",
        )
    parts = [_HEAD, _SIGNATURE.format(name=sig_reference, media_type=sig_media_type)]
    names: set[str] = set()
    for member in members:
        _check_reference(member.uri, member.media_type)
        if len(member.sha256) != SHA256_BYTES or member.uri in names:
            raise UsageError(
                f"{member.uri} needs one SHA-256 of 32 bytes; give every member once",
                f"{member.uri} 须有且仅有一个 32 字节的 SHA-256；每个成员只列一次",
            )
        names.add(member.uri)
        digest = base64.b64encode(member.sha256).decode("ascii")
        parts.append(_MEMBER.format(name=member.uri, media_type=member.media_type, digest=digest))
    if not names:
        raise UsageError(
            "an ASiC manifest needs at least one member; list some", "ASiC 清单至少须有一个成员；请列出成员"
        )
    return "".join([*parts, _TAIL]).encode("ascii")


def parse_asic_manifest(data: bytes) -> AsicManifest:
    """Read an ASiC manifest.

    Raises:
        FormatError: anything but what `format_asic_manifest` writes.
    """
    if len(data) > MAX_ASIC_BYTES:
        raise FormatError(
            f"{_WHAT}: over the limit of {MAX_ASIC_BYTES} bytes", f"{_WHAT}：超过 {MAX_ASIC_BYTES} 字节的上限"
        )
    head, tail = _HEAD.encode("ascii"), _TAIL.encode("ascii")
    if not data.isascii() or not data.startswith(head) or not data.endswith(tail):
        raise FormatError(f"{_WHAT}: not in the fixed form", f"{_WHAT}：不是规定的形式")
    first, *lines = data[len(head) : len(data) - len(tail)].decode("ascii").split("\n")
    signature = _SIGNATURE_LINE.fullmatch(first)
    if signature is None:
        raise FormatError(f"{_WHAT}: no SigReference in its place", f"{_WHAT}:SigReference 不在规定位置")
    members: list[AsicReference] = []
    for line in lines[:-1]:
        match = _MEMBER_LINE.fullmatch(line)
        if match is None:
            raise FormatError(f"{_WHAT}: line {line[:80]!r} is not a member", f"{_WHAT}:{line[:80]!r} 不是成员行")
        members.append(AsicReference(uri=match[1], media_type=match[2], sha256=base64.b64decode(match[3])))
    manifest = AsicManifest(sig_reference=signature[1], sig_media_type=signature[2], members=tuple(members))
    try:
        again = format_asic_manifest(manifest.sig_reference, manifest.sig_media_type, manifest.members)
    except UsageError as error:
        raise FormatError(f"{_WHAT}: {error.en}", f"{_WHAT}:{error.zh}") from error
    if again != data:
        raise FormatError(f"{_WHAT}: not in the fixed form", f"{_WHAT}：不是规定的形式")
    return manifest


def _check_reference(name: str, media_type: str) -> None:
    if not lawful_name(name):
        raise UsageError(f"{name[:60]!r} cannot name a member; rename it", f"{name[:60]!r} 不能用作成员名称；请改名")
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise UsageError(
            f"{media_type[:60]!r} of {name} is not a media type; use one like text/html",
            f"{name} 的 {media_type[:60]!r} 不是媒体类型；请使用形如 text/html 的类型",
        )
