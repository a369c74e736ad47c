"""Large bundles that verify in every part, for benchmarks and for tests of memory."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.bundle.asic import SIGNATURE_TYPE, TIMESTAMP_TYPE, AsicReference, format_asic_manifest
from evidencekit.bundle.sums import format_sha256sums, format_sm3sums
from evidencekit.bundle.writer import write_zip
from evidencekit.hashing.digest import digest_bytes, digest_file
from evidencekit.signing.cades import sign_detached
from tests.support.assembly import NOW, Keys, Members, Plan, bare_token, make_keys, make_members

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
LARGE = "proof/checkpoints/large.bin"
_BODY = 4 * MIB


def write_deposit_bundle(out: Path, large: Path) -> Keys:
    """Write a bundle with the file `large` as one stored member beside the usual ones; memory stays flat."""
    keys = make_keys(out.with_suffix(".keys"))
    members: Members = make_members(Plan(keys=keys), _scratch(out))
    content = {name: data for name, data in members.items() if not name.startswith(paths.META_INF)}
    for name in (paths.SHA256SUMS, paths.SM3SUMS):
        del content[name]
    digests = {name: digest_bytes(data) for name, data in content.items()} | {LARGE: digest_file(large)[1]}
    listed = {name: found for name, found in digests.items() if paths.in_sums(name)}
    content[paths.SHA256SUMS], content[paths.SM3SUMS] = format_sha256sums(listed), format_sm3sums(listed)
    hashes = {name: bytes.fromhex(found.sha256) for name, found in digests.items() if name != paths.MIMETYPE}
    for name in (paths.SHA256SUMS, paths.SM3SUMS):
        hashes[name] = hashlib.sha256(content[name]).digest()

    def add(name: str, data: bytes) -> bytes:
        content[name], hashes[name] = data, hashlib.sha256(data).digest()
        return data

    add(paths.asic_manifest(1), _manifest(hashes, paths.asic_signature(1), SIGNATURE_TYPE))
    add(paths.asic_signature(1), sign_detached(hashes[paths.asic_manifest(1)], keys.signer, at=NOW))
    second = add(paths.asic_manifest(2), _manifest(hashes, paths.asic_timestamp(1), TIMESTAMP_TYPE))
    add(paths.asic_timestamp(1), bare_token(second, keys, NOW))
    with out.open("wb") as file:
        write_zip({**content, LARGE: large}, file)
    return keys


def write_archive_bundle(out: Path, size: int) -> Keys:
    """Write a bundle whose WACZ holds about `size` bytes of pictures that do not compress."""
    keys = make_keys(out.with_suffix(".keys"))
    count = max(1, size // _BODY)
    block = hashlib.shake_256(b"picture").digest(min(_BODY, size) - 8)
    bulk = tuple(number.to_bytes(8, "big") + block for number in range(count))
    with out.open("wb") as file:
        write_zip(make_members(Plan(keys=keys, bulk=bulk), _scratch(out)), file)
    return keys


def _scratch(out: Path) -> Path:
    folder = out.with_suffix(".work")
    folder.mkdir()
    return folder


def _manifest(hashes: dict[str, bytes], reference: str, kind: str) -> bytes:
    return format_asic_manifest(
        reference,
        kind,
        [AsicReference(uri=n, media_type=paths.media_type(n), sha256=hashes[n]) for n in sorted(hashes)],
    )
