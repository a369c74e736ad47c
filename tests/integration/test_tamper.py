"""What is changed in a finished bundle without its keys never passes, and the report says what broke.

The bundle is judged with all the right anchors, the case in which a verifier has most to lose.
"""

from __future__ import annotations

import io
import random
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from evidencekit.bundle import paths
from evidencekit.errors import FormatError
from evidencekit.model import Finding, JsonValue, Outcome, VerificationReport
from evidencekit.verify.verifier import verify_bundle
from tests.support.assembly import AT, Keys, Members, Plan, make_keys, make_members, pack

if TYPE_CHECKING:
    from pathlib import Path

SEED = 20261123
CHUNKS = 48
SAMPLES = 200
EVERY_BYTE = (
    "META-INF/",
    "seal/",
    "proof/",
    paths.SHA256SUMS,
    paths.SM3SUMS,
    paths.MANIFEST,
    paths.MIMETYPE,
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A sealed bundle with its keys, and the spans of its members' data."""

    keys: Keys
    members: Members
    other: Members
    data: bytes
    spans: dict[str, range]

    def judge(self, data: bytes, folder: Path) -> VerificationReport | None:
        """Verify bytes in the bundle's place; None when there is nothing to verify."""
        path = folder / "tampered.zip"
        path.write_bytes(data)
        try:
            return verify_bundle(path, trust=self.keys.trust, at=AT)
        except FormatError:
            return None


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    folder = tmp_path_factory.mktemp("sealed")
    keys = make_keys(folder / "keys")
    members = make_members(Plan(keys=keys), folder)
    data = pack(members)
    spans = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            start = info.header_offset + 30 + len(info.filename)
            spans[info.filename] = range(start, start + info.compress_size)
    return Target(
        keys=keys, members=members, other=make_members(Plan(keys=keys, seed="two"), folder), data=data, spans=spans
    )


def positions(target: Target) -> list[tuple[int, str | None]]:
    """Choose what to flip: every byte of structure and of what proves, samples of what is proved."""
    chosen: list[tuple[int, str | None]] = []
    inside: set[int] = set()
    for name, span in target.spans.items():
        inside.update(span)
        every = name.startswith(EVERY_BYTE) or len(span) <= SAMPLES
        picked = span if every else random.Random(f"{SEED}{name}").sample(span, SAMPLES)
        chosen += [(place, name) for place in picked]
    chosen += [(place, None) for place in range(len(target.data)) if place not in inside]
    return chosen


def said(finding: Finding) -> str:
    notes: JsonValue = finding.details.get("notes", "")
    return f"{finding.subject} {finding.reason.en} {notes}"


def names(report: VerificationReport, member: str) -> bool:
    """Tell whether a finding that did not pass is about the member."""
    return any(member in said(finding) for finding in report.findings if finding.outcome is not Outcome.PASSED)


def test_untouched_bundle_passes(target: Target, tmp_path: Path) -> None:
    report = target.judge(target.data, tmp_path)
    assert report is not None
    assert report.overall is Outcome.PASSED, report.headline.en


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_flipped_byte_passes(target: Target, tmp_path: Path, chunk: int) -> None:
    mask = random.Random(SEED + chunk)
    wrong = []
    for place, member in positions(target)[chunk::CHUNKS]:
        data = bytearray(target.data)
        data[place] ^= mask.randrange(1, 256)
        report = target.judge(bytes(data), tmp_path)
        if report is None:
            continue
        if report.overall is Outcome.PASSED or (member is not None and not names(report, member)):
            wrong.append((place, member, report.headline.en))
    assert wrong == []


def test_no_member_can_be_left_out(target: Target, tmp_path: Path) -> None:
    for name in target.members:
        left = {path: data for path, data in target.members.items() if path != name}
        report = target.judge(pack(left), tmp_path)
        assert report is None or (report.overall is Outcome.FAILED and names(report, name)), name


def test_no_member_can_be_renamed(target: Target, tmp_path: Path) -> None:
    for name in target.members:
        renamed = {(f"{path}.x" if path == name else path): data for path, data in target.members.items()}
        report = target.judge(pack(renamed), tmp_path)
        assert report is None or (report.overall is Outcome.FAILED and names(report, name)), name


@pytest.mark.parametrize(
    "name",
    [
        "extra.txt",
        "capture/extra.bin",
        "capture/pages/0002/dom.html",
        "seal/seal-2.tsr",
        "seal/open-2.tsr",
        "proof/tsa/extra.crl",
        "trust/extra.pem",
        "META-INF/extra.xml",
        "META-INF/signature002.p7s",
        "META-INF/timestamp002.tst",
        "META-INF/ASiCManifest003.xml",
        "META-INF/ASiCManifest004.xml",
    ],
)
def test_no_member_can_be_added(target: Target, tmp_path: Path, name: str) -> None:
    for data in (b"", b"extra", target.members[paths.asic_manifest(2)]):
        report = target.judge(pack({**target.members, name: data}), tmp_path)
        assert report is not None
        assert report.overall is Outcome.FAILED
        assert names(report, name)


def test_no_two_members_can_change_places(target: Target, tmp_path: Path) -> None:
    for first, second in pairwise(sorted(target.members)):
        swapped = {**target.members, first: target.members[second], second: target.members[first]}
        report = target.judge(pack(swapped), tmp_path)
        assert report is None or report.overall is Outcome.FAILED, (first, second)


def test_nothing_can_be_transplanted_from_another_bundle_of_the_same_issuer(target: Target, tmp_path: Path) -> None:
    for name, data in target.other.items():
        if target.members[name] == data:
            continue
        report = target.judge(pack({**target.members, name: data}), tmp_path)
        assert report is None or (report.overall is Outcome.FAILED and names(report, name)), name


def test_outer_seal_of_another_bundle_does_not_fit(target: Target, tmp_path: Path) -> None:
    seal = {name: data for name, data in target.other.items() if name.startswith("META-INF/")}
    report = target.judge(pack({**target.members, **seal}), tmp_path)
    assert report is not None
    assert report.overall is Outcome.FAILED
    assert "outer.manifest" in report.headline.en


def test_repacked_bundle_keeps_its_content_findings(target: Target, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in target.members.items():
            archive.writestr(name, data)
    report = target.judge(out.getvalue(), tmp_path)
    assert report is not None
    assert report.overall is Outcome.INDETERMINATE
    required = [finding for finding in report.findings if finding.outcome is not Outcome.PASSED]
    assert {finding.id for finding in required} == {"container.form", "seal.revocation", "status.current"}


@pytest.mark.parametrize("extra", [b"\0", b"PK\x05\x06", b"trailing"])
def test_bytes_around_the_zip_are_seen(target: Target, tmp_path: Path, extra: bytes) -> None:
    for data in (target.data + extra, extra + target.data):
        report = target.judge(data, tmp_path)
        assert report is None or report.overall is not Outcome.PASSED


def test_cut_off_bundle_is_no_bundle(target: Target, tmp_path: Path) -> None:
    for place in random.Random(SEED).sample(range(len(target.data)), 60):
        report = target.judge(target.data[:place], tmp_path)
        assert report is None or report.overall is not Outcome.PASSED
