"""What a sealed session is told in: facts from its files on disk, then certificate, report and instructions."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from evidencekit.bundle import paths
from evidencekit.capture.printing import Printing, PrintJob, printing_aside
from evidencekit.hashing.chainlog import CUSTODY, WORKLOG
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.manifest import parse_manifest
from evidencekit.hashing.process import PROCESS_ROLE, parse_process
from evidencekit.hashing.records import parse_records
from evidencekit.ledger.proof import check_proof
from evidencekit.report.certificate import footer_template, header_template, render_certificate
from evidencekit.report.chronology import stages_of
from evidencekit.report.compactpdf import compact
from evidencekit.report.fields import CertificateData, IssueFacts, LedgerFacts, ReportData, SignerFacts, TokenFacts
from evidencekit.report.forensic import render_report
from evidencekit.report.gathering import (
    artifact_facts,
    first_items,
    read_environment,
    read_log,
    session_facts,
    summarise_exchanges,
)
from evidencekit.report.hints import MAX_HINTS, date_hints, tls_hints
from evidencekit.report.instructions import VerifyFacts, render_verify_md
from evidencekit.report.page import verifier_page
from evidencekit.report.site import read_site
from evidencekit.signing.identity import key_id
from evidencekit.signing.signer import SignatureAlgorithm
from evidencekit.timestamp.check import check_token
from evidencekit.verify.outcome import overall
from evidencekit.verify.verifier import verify_bundle
from evidencekit.verify.wording import headline
from evidencekit.x509.certificate import load_certificates, public_key_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from cryptography import x509

    from evidencekit.capture.launcher import BrowserOptions
    from evidencekit.hashing.digest import KnownSm3
    from evidencekit.hashing.manifest import Manifest
    from evidencekit.model import VerificationReport
    from evidencekit.report.fields import Hint, SessionFacts, SiteFacts
    from evidencekit.signing.note import NoteVerifier

# What does not exist before the container is made, so that the certificate may not speak of it (design §3, step 12).
_LATER = ("container.", "sums.", "outer.", "custody.", "trust.", "policy.", "time.lasting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the documents need beside the bundle's files.

    `known` holds the SM3 of what this process hashed before; `printing` is a browser that prints, when one was started
    ahead.
    """

    signer: x509.Certificate
    algorithm: SignatureAlgorithm
    log: NoteVerifier
    attempts: int
    browser: BrowserOptions
    workdir: Path
    known: KnownSm3 | None = None
    printing: Printing | None = None
    seal_pdf: Callable[[bytes], bytes] | None = None


def write_documents(folder: Path, setting: Setting, *, at: datetime) -> None:
    """Write certificate (HTML and PDF), report, VERIFY.md in both languages and the offline verifier into `folder`.

    Args:
        folder: the bundle's files so far.
        setting: the rest.
        at: the time of issue.

    Raises:
        BrowserError: the certificate cannot be printed.
        StorageError: the disk refuses.
        FormatError: a file of ours is not what it should be.
    """
    ahead = setting.printing
    printer = printing_aside(workdir=setting.workdir, options=setting.browser) if ahead is None else nullcontext(ahead)
    with printer as printing:
        printing.begin()
        _write_documents(folder, setting, printing, at)


def _write_documents(folder: Path, setting: Setting, printing: Printing, at: datetime) -> None:
    manifest = parse_manifest(_read(folder, paths.MANIFEST))
    worklog = read_log(_read(folder, paths.WORKLOG), WORKLOG)
    custody = read_log(_read(folder, paths.CUSTODY), CUSTODY)
    certificate = _certificate_data(folder, manifest, setting, at)
    certificate = replace(certificate, stages=stages_of((*worklog, *custody), certificate.tokens))
    report = ReportData(
        certificate=certificate,
        worklog=worklog,
        custody=custody,
        exchanges=None if manifest.deposit else summarise_exchanges(_read(folder, paths.EXCHANGES)),
    )
    html = render_certificate(certificate)
    _write(folder, paths.CERTIFICATE_HTML, html.encode())
    job = PrintJob(
        html=html,
        header=str(header_template()),
        footer=str(footer_template(manifest.number)),
        out=folder / paths.CERTIFICATE_PDF,
    )
    printing.give(job)
    _write(folder, paths.REPORT_HTML, render_report(report).encode())
    _write(folder, paths.VERIFY_HTML, verifier_page())
    printing.wait()
    _write(folder, paths.CERTIFICATE_PDF, compact(_read(folder, paths.CERTIFICATE_PDF)))
    if setting.seal_pdf is not None:
        _write(folder, paths.CERTIFICATE_PDF, setting.seal_pdf(_read(folder, paths.CERTIFICATE_PDF)))
    facts = VerifyFacts(
        number=manifest.number,
        file=f"{manifest.number}.zip",
        tokens=tuple(_stamped(folder)),
        sm2=setting.algorithm is SignatureAlgorithm.SM2_SM3,
    )
    _write(folder, paths.VERIFY_EN, render_verify_md("en", facts).encode())
    _write(folder, paths.VERIFY_ZH, render_verify_md("zh", facts).encode())


def strangers_view(folder: Path, *, at: datetime, known: KnownSm3 | None = None) -> VerificationReport:
    """Judge the record alone, before its container exists, as somebody who brought no anchors."""
    report = verify_bundle(folder, at=at, known=known)
    findings = tuple(finding for finding in report.findings if not finding.id.startswith(_LATER))
    verdict = overall(findings)
    return replace(report, findings=findings, overall=verdict, headline=headline(verdict, findings))


def _certificate_data(folder: Path, manifest: Manifest, setting: Setting, at: datetime) -> CertificateData:
    return CertificateData(
        session=_session(folder, manifest),
        manifest=digest_bytes(_read(folder, paths.MANIFEST)),
        report=strangers_view(folder, at=at, known=setting.known),
        signer=_signer_facts(setting.signer, setting.algorithm),
        issue=IssueFacts(issued_at=at, attempts=setting.attempts),
        tokens=tuple(_token_facts(folder, reply, stamped, at) for reply, stamped in _stamped(folder)),
        ledger=_ledger_facts(folder, setting.log),
        environment=None if manifest.deposit else read_environment(_read(folder, paths.ENVIRONMENT)),
        artifacts=artifact_facts(manifest, parse_records(_read(folder, paths.RECORDS))),
        hints=() if manifest.deposit else _hints(folder),
        second_signer=_second_signer(folder),
        site=None if manifest.deposit else _site(folder, manifest),
    )


def _site(folder: Path, manifest: Manifest) -> SiteFacts:
    """What texts and certificates of the record show of the site's operator; withheld texts are not there to read."""
    named = [folder / artifact.path for artifact in manifest.artifacts if artifact.role == "text"]
    texts = [file.read_text("utf-8", "replace") for file in named if file.is_file()]
    chains = [
        (f"capture/tls/{file.name}", file.read_bytes()) for file in sorted((folder / "capture/tls").glob("*.pem"))
    ]
    return read_site(texts, chains)


def _hints(folder: Path) -> tuple[Hint, ...]:
    """Times that others stated: in the TLS files, in `Date` headers."""
    files = ((f"capture/tls/{file.name}", file.read_bytes()) for file in sorted((folder / "capture/tls").glob("*")))
    found = (*tls_hints(files), *date_hints(_read(folder, paths.EXCHANGES)))
    return found[:MAX_HINTS]


def _second_signer(folder: Path) -> SignerFacts | None:
    file = folder / paths.TRUST_POST_QUANTUM
    if not file.exists():
        return None
    return _signer_facts(load_certificates(file.read_bytes())[0], SignatureAlgorithm.ML_DSA_65)


def _session(folder: Path, manifest: Manifest) -> SessionFacts:
    if manifest.deposit is None:
        done = [each.path for each in manifest.artifacts if each.role == PROCESS_ROLE]
        return session_facts(manifest, process=parse_process(_read(folder, done[0])) if done else None)
    with (folder / paths.ITEMS).open("rb") as lines:
        return session_facts(manifest, first_items(lines))


def _stamped(folder: Path) -> list[tuple[str, str]]:
    """Every time-stamp reply with the file that it stamps."""
    found: list[tuple[str, str]] = []
    for file in sorted((folder / "seal").glob("*.tsr")):
        stem = file.stem.rpartition("-")[0]
        found.append((f"seal/{file.name}", paths.SEAL if stem == "seal" else f"seal/{stem}.json"))
    order = {"open": 0, "capture": 1, "seal": 2}
    return sorted(found, key=lambda pair: (order.get(pair[0][5:].partition("-")[0], 3), pair[0]))


def _token_facts(folder: Path, reply: str, stamped: str, at: datetime) -> TokenFacts:
    digest = hashlib.sha256(_read(folder, stamped)).digest()
    check = check_token(_read(folder, reply), digest=digest, anchors=(), at=at)
    if check.token is None or check.certificate is None:
        raise AssertionError(f"{reply} was checked when it arrived")  # a defect: exit 70
    accuracy = check.accuracy
    return TokenFacts(
        role=reply[5:].partition("-")[0],
        path=reply,
        over=stamped,
        tsa=check.certificate.subject.rfc4514_string(),
        serial=f"{check.token.serial:x}",
        gen_time=check.token.gen_time,
        accuracy_s=None if accuracy is None else accuracy.total_seconds(),
        policy=check.token.policy,
        self_issued=check.self_issued,
    )


def _signer_facts(certificate: x509.Certificate, algorithm: SignatureAlgorithm) -> SignerFacts:
    key = public_key_of(certificate)
    described = algorithm.described
    if isinstance(key, ec.EllipticCurvePublicKey):
        described = described.replace("ECDSA", f"ECDSA P-{key.key_size}")
    return SignerFacts(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        algorithm=described,
        certificate_sha256=key_id(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        self_signed=certificate.subject == certificate.issuer,
    )


def _ledger_facts(folder: Path, log: NoteVerifier) -> LedgerFacts:
    proof = check_proof(_read(folder, paths.ENTRY_PROOF), _read(folder, paths.ENTRY), [log])
    return LedgerFacts(
        origin=proof.checkpoint.origin,
        key=_read(folder, paths.TRUST_LEDGER).decode("ascii").strip(),
        index=proof.index,
        size=proof.checkpoint.size,
        root=proof.checkpoint.root.hex(),
    )


def _read(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


def _write(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
