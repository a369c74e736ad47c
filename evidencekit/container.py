"""From the finished files of a session to its container: sums, outer seal, ZIP (design §3, steps 13 to 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.bundle.asic import SIGNATURE_TYPE, TIMESTAMP_TYPE, AsicReference, format_asic_manifest
from evidencekit.bundle.sums import parse_sha256sums
from evidencekit.bundle.writer import sums, write_bundle
from evidencekit.errors import TsaResponseError
from evidencekit.hashing.digest import digest_bytes, digest_file
from evidencekit.signing.cades import content_of, sign_detached
from evidencekit.timestamp.token import parse_response

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from evidencekit.hashing.digest import KnownSm3
    from evidencekit.signing.signer import Signer
    from evidencekit.stamping import Stamped, Stamper

_Members = dict[str, "Path | bytes"]


def seal_container(
    folder: Path, out: Path, signer: Signer, stamper: Stamper, *, at: datetime, known: KnownSm3 | None = None
) -> Stamped:
    """Write the container of all files in `folder` to `out`, which must not exist.

    Args:
        folder: mirrors the bundle; every regular file in it becomes a member.
        out: the ZIP.
        signer: the inner seal's signer.
        stamper: stamps the outer manifest.
        at: the signing time to claim.
        known: the SM3 of bytes that this process hashed before.

    Returns:
        What stamped the outer manifest, and what is owed.

    Raises:
        SigningError, TimestampError, StorageError: as their stages.
    """
    members: _Members = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    sha256, sm3 = sums(members, known)
    members |= {paths.SHA256SUMS: sha256, paths.SM3SUMS: sm3}
    listed = parse_sha256sums(sha256)
    digests = {
        name: bytes.fromhex(listed[name]) if name in listed else _sha256(source) for name, source in members.items()
    }

    def add(name: str, data: bytes) -> None:
        members[name], digests[name] = data, _sha256(data)

    first, signature, second, timestamp = (
        paths.asic_manifest(1),
        paths.asic_signature(1),
        paths.asic_manifest(2),
        paths.asic_timestamp(1),
    )
    manifest = _manifest(digests, signature, SIGNATURE_TYPE)
    add(first, manifest)
    add(signature, sign_detached(content_of(manifest), signer, at=at))
    add(second, _manifest(digests, timestamp, TIMESTAMP_TYPE))
    stamped = stamper.stamp(digests[second])
    token = parse_response(stamped.replies[0].response).token
    if token is None:
        raise TsaResponseError("the TSA granted no token; try again", "时间戳机构未给出时间戳;请重试")
    add(timestamp, token)
    members[paths.MIMETYPE] = paths.MIMETYPE_CONTENT
    write_bundle(members, out)
    return stamped


def _manifest(digests: dict[str, bytes], reference: str, kind: str) -> bytes:
    return format_asic_manifest(
        reference,
        kind,
        [AsicReference(uri=name, media_type=paths.media_type(name), sha256=digests[name]) for name in sorted(digests)],
    )


def _sha256(source: Path | bytes) -> bytes:
    digests = digest_bytes(source) if isinstance(source, bytes) else digest_file(source)[1]
    return bytes.fromhex(digests.sha256)
