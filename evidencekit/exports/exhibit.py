"""A bundle as an exhibit: verified, its facts read, its members copied out under the names they have inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.bundle.reader import Bundle, open_bundle
from evidencekit.errors import FormatError, StorageError
from evidencekit.hashing.canonical import parse_canonical
from evidencekit.hashing.digest import digest_file
from evidencekit.hashing.manifest import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from evidencekit.hashing.records import MAX_FILE_BYTES, parse_records
from evidencekit.model import Digests, Outcome, Text
from evidencekit.report.gathering import ENVIRONMENT_LIMIT, artifact_facts
from evidencekit.verify.trust import Trust
from evidencekit.verify.verifier import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from evidencekit.model import JsonValue, VerificationReport
    from evidencekit.report.fields import ArtifactFacts

MAX_PICTURE_BYTES: Final = 512 << 20


class FailedBundleError(FormatError):
    """A bundle does not verify, so nothing is made of it; `report` says why."""

    def __init__(self, report: VerificationReport) -> None:
        super().__init__(
            f"{report.bundle} does not verify, so nothing was exported: {report.headline.en}",
            f"{report.bundle} 未通过核验，未导出任何内容：{report.headline.zh}",
        )
        self.report = report


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One bundle that does not fail, and what it says: `source` is a ZIP or a folder, which has no digests.

    `trust` names the anchors that it was verified with.
    """

    source: Path
    number: str
    manifest: Manifest
    artifacts: tuple[ArtifactFacts, ...]
    report: VerificationReport
    trust: Text
    digests: Digests | None
    size: int

    @property
    def url(self) -> str:
        """The first page's address, empty when no page was captured."""
        return self.manifest.pages[0].requested_url if self.manifest.pages else ""


def read_exhibits(bundles: Sequence[Path], *, trust: Trust | None, at: datetime) -> tuple[Exhibit, ...]:
    """Verify bundles and read what they say.

    Raises:
        FailedBundleError: one of them is FAILED.
        FormatError: one is no bundle, or two have the same number.
        UsageError, StorageError: as `open_bundle`.
    """
    found = tuple(_read_exhibit(path, trust, at) for path in bundles)
    numbers = [exhibit.number for exhibit in found]
    twice = next((number for number in numbers if numbers.count(number) > 1), None)
    if twice is not None:
        raise FormatError(
            f"two bundles have the number {twice}; give each once", f"有两个证据包编号均为 {twice}；每个只需给出一次"
        )
    return found


def _read_exhibit(path: Path, trust: Trust | None, at: datetime) -> Exhibit:
    judged = trust or Trust.stranger()
    report = verify_bundle(path, trust=judged, at=at)
    if report.overall is Outcome.FAILED:
        raise FailedBundleError(report)
    with open_bundle(path) as bundle:
        manifest = parse_manifest(bundle.read(paths.MANIFEST, limit=MAX_MANIFEST_BYTES))
        records = parse_records(bundle.read(paths.RECORDS, limit=MAX_FILE_BYTES))
    size, digests = (0, None) if path.is_dir() else digest_file(path)
    return Exhibit(
        source=path,
        number=manifest.number,
        manifest=manifest,
        artifacts=artifact_facts(manifest, records),
        report=report,
        trust=Text(en=judged.describe("en"), zh=judged.describe("zh")),
        digests=digests,
        size=size,
    )


def environment_of(exhibit: Exhibit) -> Mapping[str, JsonValue]:
    """Give the environment report as it stands, empty when there is none.

    Raises:
        FormatError: it is not JSON.
    """
    with open_bundle(exhibit.source) as bundle:
        if paths.ENVIRONMENT not in bundle:
            return {}
        data = bundle.read(paths.ENVIRONMENT, limit=ENVIRONMENT_LIMIT)
    value = parse_canonical(data, limit=ENVIRONMENT_LIMIT, what=paths.ENVIRONMENT)
    return value if isinstance(value, Mapping) else {}


def copy_member(bundle: Bundle, name: str, out: Path) -> None:
    """Copy one member to a new file below an export folder; its name was found lawful when the bundle was opened.

    Raises:
        FormatError: the member is damaged.
        StorageError: the disk refuses.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("xb") as file:
            for piece in bundle.stream(name):
                file.write(piece)
    except OSError as error:
        raise refused(out, error) from error


def write_file(out: Path, data: bytes) -> None:
    """Write a new file.

    Raises:
        StorageError: the disk refuses.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise refused(out, error) from error


def refused(out: Path, error: OSError) -> StorageError:
    """Say that the disk does not take a file of the export."""
    reason = error.strerror or str(error)
    return StorageError(
        f"cannot write {out.name} of the export: {reason}; make room or name another folder",
        f"无法写入导出文件 {out.name}：{reason}；请腾出空间或另选文件夹",
    )
