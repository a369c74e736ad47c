"""Let a sealed bundle grow: a new file with the same members and one more proof over all of them (design §5).

What is there never changes. Added are pairs in `META-INF/`: an ASiC manifest that lists every member but `mimetype`,
and the signature, time-stamp or evidence record over it, numbered by kind (docs/spec/bundle.md, "Growth"). A bundle
whose last manifest disagrees with its members is not built upon.
"""

from __future__ import annotations

import hashlib
import re
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from evidencekit.bundle import paths
from evidencekit.bundle.asic import (
    EVIDENCE_RECORD_TYPE,
    SIGNATURE_TYPE,
    TIMESTAMP_TYPE,
    AsicReference,
    format_asic_manifest,
    parse_asic_manifest,
)
from evidencekit.bundle.writer import write_bundle
from evidencekit.errors import FormatError, UsageError
from evidencekit.x509.digests import digest_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from evidencekit.bundle.reader import Bundle

    _Source: TypeAlias = bytes | Callable[[], Iterable[bytes]]
    Prove: TypeAlias = Callable[[bytes], bytes]
    """Makes a signature or a bare time-stamp token over a SHA-256 digest."""

_MAX_NUMBER: Final = 999
_MAX_MANIFEST_BYTES: Final = 64 << 20
_GENERATION: Final = re.compile(r"(.*)\.r([1-9][0-9]{0,8})")
_MANIFEST: Final = re.compile(r"META-INF/ASiC(?:EvidenceRecord)?Manifest[0-9]{3}\.xml")


class Growth:
    """The members of an open bundle and what is added to them.

    Args:
        bundle: stays open until `write` returns.

    Raises:
        FormatError: it is damaged, or its manifests do not list what is there.
        StorageError: it cannot be read.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._sources: dict[str, _Source] = {name: partial(bundle.stream, name) for name in bundle.names()}
        if paths.MIMETYPE in bundle:
            self._sources[paths.MIMETYPE] = bundle.read(paths.MIMETYPE, limit=len(paths.MIMETYPE_CONTENT))
        self._digests = {name: _digest_of(partial(bundle.stream, name), "sha256") for name in bundle.names()}
        self._check_manifests(bundle)

    @property
    def digests(self) -> dict[str, bytes]:
        """The SHA-256 of every member that a further proof must cover, by name, sorted."""
        return {name: self._digests[name] for name in sorted(self._digests) if name != paths.MIMETYPE}

    def digests_with(self, algorithm: str) -> tuple[bytes, ...]:
        """Hash every such member with the named function, in the order of `digests`.

        Raises:
            FormatError: a function that this library does not compute, or a damaged member.
            StorageError: the bundle cannot be read.
        """
        if algorithm == "sha256":
            return tuple(self.digests.values())
        return tuple(_digest_of(self._sources[name], algorithm) for name in self.digests)

    def add_signature(self, sign: Prove) -> str:
        """Add a manifest and a signature over it; gives the signature's name."""
        return self._add(SIGNATURE_TYPE, paths.asic_manifest, paths.asic_signature, _over_digest(sign))

    def add_seal(self, sign: Callable[[bytes], bytes]) -> str:
        """Add a manifest and a signature by what is given the manifest itself, for hashes other than SHA-256."""
        return self._add(SIGNATURE_TYPE, paths.asic_manifest, paths.asic_signature, sign)

    def add_timestamp(self, stamp: Prove) -> str:
        """Add a manifest and a time-stamp over it; gives the token's name."""
        return self._add(TIMESTAMP_TYPE, paths.asic_manifest, paths.asic_timestamp, _over_digest(stamp))

    def add_record(self, record: bytes) -> str:
        """Add an evidence record over `digests` as they were before, and its manifest; gives the record's name."""
        return self._add(
            EVIDENCE_RECORD_TYPE, paths.evidence_record_manifest, paths.evidence_record, lambda _data: record
        )

    def write(self, out: Path) -> None:
        """Write the grown bundle.

        Raises:
            StorageError: `out` exists (it is never overwritten), or the disk refuses.
        """
        write_bundle(self._sources, out)

    def _add(
        self, kind: str, manifest: Callable[[int], str], proof: Callable[[int], str], prove: Callable[[bytes], bytes]
    ) -> str:
        first, second = self._free(manifest), self._free(proof)
        listed = [
            AsicReference(uri=name, media_type=paths.media_type(name), sha256=digest)
            for name, digest in self.digests.items()
        ]
        data = format_asic_manifest(second, kind, listed)
        proved = prove(data)
        for name, member in ((first, data), (second, proved)):
            self._sources[name], self._digests[name] = member, hashlib.sha256(member).digest()
        return second

    def _free(self, name: Callable[[int], str]) -> str:
        number = next((n for n in range(1, _MAX_NUMBER + 1) if name(n) not in self._digests), None)
        if number is None:
            raise UsageError(
                f"the bundle holds {_MAX_NUMBER} proofs of this kind already; no more can be added",
                f"证据包中此类证明已有 {_MAX_NUMBER} 项，不能再增加",
            )
        return name(number)

    def _check_manifests(self, bundle: Bundle) -> None:
        names = [name for name in bundle.names() if _MANIFEST.fullmatch(name)]
        if paths.asic_manifest(1) not in names or paths.asic_manifest(2) not in names:
            raise FormatError(
                "the bundle has no outer seal, so it cannot grow; verify it first",
                "证据包没有外层封缄，不能扩充；请先核验",
            )
        for name in names:
            _check_listed(parse_asic_manifest(bundle.read(name, limit=_MAX_MANIFEST_BYTES)).members, self._digests)


def grown_path(bundle: Path, *, folder: Path | None = None) -> Path:
    """Name the file that `bundle` grows to: `<number>.r1.zip` after `<number>.zip`, then `.r2.zip` and so on."""
    stem = bundle.name if bundle.is_dir() else bundle.name.removesuffix(".zip")
    match = _GENERATION.fullmatch(stem)
    base, number = (match[1], int(match[2])) if match else (stem, 0)
    return (folder or bundle.parent) / f"{base}.r{number + 1}.zip"


def latest(bundle: Path) -> Path:
    """Give the youngest file that the bundle grew to, itself when it did not."""
    while (after := grown_path(bundle)).is_file():
        bundle = after
    return bundle


def _over_digest(prove: Prove) -> Callable[[bytes], bytes]:
    return lambda data: prove(hashlib.sha256(data).digest())


def _check_listed(members: Sequence[AsicReference], digests: dict[str, bytes]) -> None:
    for member in members:
        if digests.get(member.uri) != member.sha256:
            raise FormatError(
                f"{member.uri} is not what the bundle's manifests list, so nothing is built upon it; verify the bundle",
                f"{member.uri} 与证据包清单不符，不在其上扩充；请核验该证据包",
            )


def _digest_of(source: _Source, algorithm: str) -> bytes:
    return digest_stream(algorithm, (source,) if isinstance(source, bytes) else source())
