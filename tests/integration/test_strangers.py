"""What people who were not there make of a real bundle: other accounts, forgers, thieves of secrets.

All of them get the bundle that the real write path made of a real page in a real browser.
"""

from __future__ import annotations

import base64
import email
import gzip
import html
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyrage
import pytest

from evidencekit.bundle import paths
from evidencekit.bundle.reader import open_bundle
from evidencekit.bundle.warc import read_blocks
from evidencekit.bundle.writer import write_zip
from evidencekit.errors import FormatError
from evidencekit.hashing.records import opening_is_true, parse_records
from evidencekit.model import Outcome
from evidencekit.report.machine import report_json, rfc3339
from evidencekit.verify.trust import Trust
from evidencekit.verify.verifier import verify_bundle
from tests.support.preserved import SECRETS, WORDS, Preserved, open_shop, preserve_shop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evidencekit.model import VerificationReport

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SEED = 20261123
SAMPLES = 8
NOBODY = "65534"


def pack(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    write_zip(members, out)
    return out.getvalue()


# --- another account ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class HandedOver:
    """Copies in a place that any account reads."""

    bundle: Path
    anchors: Path


@pytest.fixture
def handed_over(preserved: Preserved) -> Iterator[HandedOver]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle, anchors = folder / preserved.evidence.bundle.name, folder / "anchors"
        shutil.copyfile(preserved.evidence.bundle, bundle)
        shutil.copytree(preserved.anchors, anchors)
        for path in (folder, bundle, anchors, *anchors.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield HandedOver(bundle=bundle, anchors=anchors)


def stranger(bundle: Path, *options: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Verify in a fresh process that has no home and knows nothing of ours, as another account where root can."""
    command = [sys.executable, "-m", "evidencekit_cli", "verify", str(bundle), "--json", *options]
    if os.geteuid() == 0 and shutil.which("unshare") and shutil.which("setpriv"):
        # The capability only lets the other account read an interpreter that lies in root's folders.
        caps = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
        account = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *caps)
        return run(["unshare", "--net", *account, *before, *command])
    return run([*before, *command])


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    variables = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ} | {
        "HOME": "/nonexistent",
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", env=variables, cwd="/", timeout=120, check=False
    )


def test_another_account_gets_the_verdict_that_the_capture_gave(preserved: Preserved, handed_over: HandedOver) -> None:
    report = preserved.evidence.report
    process = stranger(handed_over.bundle, "--at", rfc3339(report.at))
    assert process.returncode == 3, process.stderr
    assert json.loads(process.stdout) == report_json(report)
    assert report.overall is Outcome.INDETERMINATE


def test_the_anchors_taken_elsewhere_make_it_pass(handed_over: HandedOver) -> None:
    process = stranger(handed_over.bundle, "--trust", str(handed_over.anchors))
    assert process.returncode == 0, process.stdout + process.stderr
    assert json.loads(process.stdout)["overall"] == "PASSED"


def test_verifying_makes_no_socket_call(handed_over: HandedOver) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed, so socket calls cannot be seen")
    trace = handed_over.bundle.with_name("trace")
    trace.touch()
    trace.chmod(0o666)
    watch = ("strace", "-f", "-qq", "-e", "trace=network", "-o", str(trace))
    probe = [*watch, sys.executable, "-c", "import socket; socket.socket()"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    assert "socket(" in trace.read_text()
    process = stranger(handed_over.bundle, "--trust", str(handed_over.anchors), before=watch)
    assert process.returncode == 0, process.stderr
    assert trace.read_text() == ""


# --- secrets -----------------------------------------------------------------------------------


def spelled_out(name: str, data: bytes, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give a member and all that is packed or encoded in it."""
    yield name, data
    kind = name.rpartition(".")[2]
    if kind in ("wacz", "zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for inner in archive.namelist():
                yield from spelled_out(f"{name}/{inner}", archive.read(inner), folder)
    elif kind == "gz":
        yield f"{name} unpacked", gzip.decompress(data)
    elif kind == "mhtml":
        yield from ((f"{name} part", part) for part in parts(data))
    elif kind == "pdf":
        yield from printed(name, data, folder)
    elif kind in ("html", "json", "jsonl"):
        found = re.findall(rb"[A-Za-z0-9+/]{40,}={0,2}", data)
        yield from ((f"{name} base64", base64.b64decode(each[: len(each) // 4 * 4])) for each in found)


def parts(data: bytes) -> list[bytes]:
    payloads = [part.get_payload(decode=True) for part in email.message_from_bytes(data).walk()]
    return [payload for payload in payloads if isinstance(payload, bytes)]


def printed(name: str, data: bytes, folder: Path) -> Iterator[tuple[str, bytes]]:
    file = folder / "printed.pdf"
    file.write_bytes(data)
    if shutil.which("qpdf"):
        yield f"{name} unpacked", subprocess.run(["qpdf", "--qdf", file, "-"], check=True, capture_output=True).stdout
    if shutil.which("pdftotext"):
        yield f"{name} text", subprocess.run(["pdftotext", file, "-"], check=True, capture_output=True).stdout


def secrets_in(members: Mapping[str, bytes], folder: Path) -> dict[str, list[str]]:
    """Tell for each seeded secret where it occurs, plainly or in base64."""
    found: dict[str, list[str]] = {secret: [] for secret in SECRETS}
    for member, whole in members.items():
        for place, data in spelled_out(member, whole, folder):
            for secret in SECRETS:
                if secret.encode() in data or base64.b64encode(secret.encode())[:-4] in data:
                    found[secret].append(place)
    return found


def test_no_secret_is_in_the_default_bundle(preserved: Preserved, tmp_path: Path) -> None:
    assert secrets_in(preserved.members, tmp_path) == {secret: [] for secret in SECRETS}
    manifest = json.loads(preserved.members[paths.MANIFEST])
    assert manifest["withheld"], "withheld secrets are counted"
    assert WORDS in preserved.members["capture/pages/0001/text.txt"].decode()


def test_secrets_are_kept_on_request_and_page_one_says_so(outspoken: Preserved, tmp_path: Path) -> None:
    found = secrets_in(outspoken.members, tmp_path)
    assert [secret for secret, places in found.items() if not any("data.warc.gz" in place for place in places)] == []
    said = "At the operator's request nothing was withheld"
    assert said in html.unescape(outspoken.members[paths.CERTIFICATE_HTML].decode())
    if shutil.which("pdftotext"):
        outspoken.unpack(tmp_path)
        command = ["pdftotext", "-l", "1", "-raw", str(tmp_path / paths.CERTIFICATE_PDF), "-"]
        page = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
        assert "".join(said.split()) in "".join(page.split())
    # The browser's network log is private whatever was asked for; nothing else was kept back.
    assert outspoken.evidence.private is not None


def test_the_private_archive_opens_with_the_homes_key_to_what_was_committed(preserved: Preserved) -> None:
    private = preserved.evidence.private
    assert private is not None
    identity = pyrage.x25519.Identity.from_str((preserved.home.path / "keys/holder.age").read_text().strip())
    with zipfile.ZipFile(io.BytesIO(pyrage.decrypt(private.read_bytes(), [identity]))) as archive:
        originals = {name: archive.read(name) for name in archive.namelist()}
    together = gzip.decompress(originals["withheld.warc.gz"])
    assert [secret for secret in SECRETS if secret.encode() not in together] == []
    openings = {each.id: each for each in parse_records(originals["withheld-records.jsonl"]).records}
    committed = {
        each.id: each.leaf for each in parse_records(preserved.members[paths.RECORDS]).records if each.withheld
    }
    assert {name: opening.leaf for name, opening in openings.items()} == committed
    assert all(opening_is_true(opening) for opening in openings.values())
    kept = {block.record_id: block for block in read_blocks(io.BytesIO(originals["withheld.warc.gz"]))}
    assert [name for name, opening in openings.items() if kept[name].digests != opening.digests] == []


# --- tampering ---------------------------------------------------------------------------------


def spans(data: bytes) -> dict[str, range]:
    """Give where each member's data lie."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        starts = {info.filename: info.header_offset + 30 + len(info.filename) for info in archive.infolist()}
        return {
            info.filename: range(starts[info.filename], starts[info.filename] + info.compress_size)
            for info in archive.infolist()
        }


def flipped(data: bytes, place: int, mask: int) -> bytes:
    return data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


def test_untouched_it_passes(preserved: Preserved, tmp_path: Path) -> None:
    report = preserved.judge(preserved.data, tmp_path)
    assert report is not None
    assert report.overall is Outcome.PASSED, report.headline.en


def test_no_flipped_bit_in_any_member_passes(preserved: Preserved, tmp_path: Path) -> None:
    dice = random.Random(SEED)
    wrong = []
    for name, span in spans(preserved.data).items():
        for place in dice.sample(span, min(SAMPLES, len(span))):
            report = preserved.judge(flipped(preserved.data, place, 1 << dice.randrange(8)), tmp_path)
            if report is not None and report.overall is Outcome.PASSED:
                wrong.append((name, place))
    assert wrong == []


def test_no_flipped_bit_of_the_zip_headers_passes(preserved: Preserved, tmp_path: Path) -> None:
    """Every byte. What the reader calls deviant leaves the required finding `container.form` open: it cannot pass."""
    inside = {place for span in spans(preserved.data).values() for place in span}
    headers = [place for place in range(len(preserved.data)) if place not in inside]
    dice = random.Random(SEED)
    file = tmp_path / "judged.zip"
    wrong = []
    for place in headers:
        data = flipped(preserved.data, place, 1 << dice.randrange(8))
        file.write_bytes(data)
        try:
            with open_bundle(file) as bundle:
                deviant = bundle.form_deviations != ()
        except FormatError:
            continue
        report = None if deviant else preserved.judge(data, tmp_path)
        if report is not None and report.overall is Outcome.PASSED:
            wrong.append(place)
    assert wrong == []
    assert len(headers) > 60 * len(preserved.members)


def test_a_deviant_container_does_not_pass(preserved: Preserved, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in preserved.members.items():
            archive.writestr(name, data)
    report = preserved.judge(out.getvalue(), tmp_path)
    assert report is not None
    assert report.overall is Outcome.INDETERMINATE
    assert "container.form" in {each.id for each in report.findings if each.outcome is Outcome.INDETERMINATE}


def test_no_member_can_be_left_out_or_renamed(preserved: Preserved, tmp_path: Path) -> None:
    for gone in preserved.members:
        left = {name: data for name, data in preserved.members.items() if name != gone}
        for changed in (left, left | {f"{gone}.x": preserved.members[gone]}):
            report = preserved.judge(pack(changed), tmp_path)
            assert report is None or report.overall is Outcome.FAILED, gone


@pytest.mark.parametrize(
    "name",
    ["extra.txt", "capture/pages/0001/extra.png", "proof/extra.json", "META-INF/signature002.p7s", "trust/x.pem"],
)
def test_no_member_can_be_added(preserved: Preserved, tmp_path: Path, name: str) -> None:
    report = preserved.judge(pack({**preserved.members, name: b"extra"}), tmp_path)
    assert report is not None
    assert report.overall is Outcome.FAILED


def test_nothing_can_be_transplanted_from_another_real_bundle(
    preserved: Preserved, outspoken: Preserved, tmp_path: Path
) -> None:
    """Both bundles come from the same keys and the same ledger; single members, and whole groups."""
    own, other = preserved.members, outspoken.members
    groups: list[tuple[str, ...]] = [(name,) for name in other if other[name] != own.get(name)]
    groups += [tuple(name for name in other if name.startswith(start)) for start in ("META-INF/", "seal/", "proof/")]
    for group in groups:
        report = preserved.judge(pack(own | {name: other[name] for name in group}), tmp_path)
        assert report is None or report.overall is Outcome.FAILED, group
    assert len(groups) > 30


# --- forgery -----------------------------------------------------------------------------------


def test_a_forgery_with_our_own_code_against_a_false_server_never_rises_above_integrity(
    preserved: Preserved, tmp_path: Path
) -> None:
    with open_shop(tmp_path, price="1") as false_shop:
        forged = preserve_shop(false_shop, tmp_path / "forged", tmp_path / "forger")
    assert "¥1\n" in forged.members["capture/pages/0001/text.txt"].decode()
    at = forged.evidence.report.at
    for trust in (Trust.stranger(), preserved.trust, Trust(self_bundle=True)):
        report: VerificationReport | None = verify_bundle(forged.evidence.bundle, trust=trust, at=at)
        assert report is not None
        assert report.overall is Outcome.INDETERMINATE, report.headline.en
        proven = {each.id for each in report.findings if each.outcome is Outcome.PASSED}
        if not trust.self_bundle:
            assert proven.isdisjoint(
                {"seal.identity", "time.open", "time.seal", "ledger.checkpoint", "time.independent"}
            )
    swapped = preserved.members | {name: data for name, data in forged.members.items() if name.startswith("trust/")}
    report = preserved.judge(pack(swapped), tmp_path)
    assert report is not None
    assert report.overall is Outcome.FAILED
