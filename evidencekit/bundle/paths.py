"""Every member name of a bundle, named once (docs/spec/bundle.md), and which names are lawful."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

MIMETYPE = "mimetype"
MIMETYPE_CONTENT = b"application/vnd.etsi.asic-e+zip"
VERIFY_EN = "VERIFY.md"
VERIFY_ZH = "VERIFY.zh-CN.md"
CERTIFICATE_PDF = "certificate.pdf"
CERTIFICATE_HTML = "certificate.html"
REPORT_HTML = "report.html"
VERIFY_HTML = "verify.html"
SHA256SUMS = "SHA256SUMS"
SM3SUMS = "SM3SUMS"
MANIFEST = "manifest.json"
SEAL = "seal/manifest.p7s"
POST_QUANTUM_SEAL = "seal/manifest.ml-dsa-65.p7s"
OPEN_DOCUMENT = "seal/open.json"
RECORDS = "capture/records.jsonl"
EXCHANGES = "capture/exchanges.jsonl"
WORKLOG = "capture/worklog.jsonl"
ENVIRONMENT = "capture/environment.json"
NETWORK = "capture/network.json"
CORROBORATION = "capture/corroboration.json"
ARCHIVE = "capture/page.wacz"
ITEMS = "deposit/items.jsonl"
ARCHIVE_EDITION = "capture/page.redacted.wacz"
EXCHANGES_EDITION = "capture/exchanges.redacted.jsonl"
REDACTION = "redaction.json"
ENTRY = "proof/entry.json"
ENTRY_PROOF = "proof/entry.tlog-proof"
OPEN_ENTRY = "proof/open.json"
OPEN_PROOF = "proof/open.tlog-proof"
POLICY = "proof/policy.txt"
CUSTODY = "proof/custody.jsonl"
TRUST_SIGNER = "trust/signer.pem"
TRUST_POST_QUANTUM = "trust/signer.ml-dsa-65.pem"
TRUST_TSA = "trust/tsa.pem"
TRUST_LEDGER = "trust/ledger.vkey"
ANCHORS = "proof/anchors/"
META_INF = "META-INF/"

MAX_NAME_CHARS = 240
# Windows opens these as devices in every folder, with any extension.
_DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))})
_NAME = re.compile(r"[A-Za-z0-9._/-]+")

_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}")

_MEDIA_TYPES = {
    ".crl": "application/pkix-crl",
    ".gz": "application/gzip",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".md": "text/markdown",
    ".mhtml": "multipart/related",
    ".mp4": "video/mp4",
    ".ocsp": "application/ocsp-response",
    ".p7s": "application/pkcs7-signature",
    ".pdf": "application/pdf",
    ".pem": "application/x-pem-file",
    ".png": "image/png",
    ".tsq": "application/timestamp-query",
    ".tsr": "application/timestamp-reply",
    ".tst": "application/vnd.etsi.timestamp-token",
    ".txt": "text/plain",
    ".wacz": "application/wacz",
    ".xml": "text/xml",
    ".zip": "application/zip",
}


def open_token(n: int) -> str:
    """Name the n-th T_open reply, from 1."""
    return f"seal/open-{n}.tsr"


def capture_document(page: str) -> str:
    """Name the document that T_capture of a page stamps."""
    return f"seal/capture-{page}.json"


def capture_token(page: str, n: int) -> str:
    """Name the n-th T_capture reply of a page, from 1."""
    return f"seal/capture-{page}-{n}.tsr"


def deposited(n: int, name: str) -> str:
    """Name the n-th deposited file, from 1; it keeps the extension of `name` when that is plain."""
    extension = PurePosixPath(name).suffix.lower()
    return f"deposit/{n:06d}{extension if _EXTENSION.fullmatch(extension) else ''}"


def link_entry(n: int) -> str:
    """Name the entry of the n-th record that a deposit rests on, from 1."""
    return f"proof/links/{n:04d}.json"


def link_proof(n: int) -> str:
    """Name the inclusion proof of the n-th record that a deposit rests on, from 1."""
    return f"proof/links/{n:04d}.tlog-proof"


def anchor_receipt(name: str) -> str:
    """Name the receipt of an anchor for the checkpoint of the entry's proof."""
    return f"{ANCHORS}{name}.json"


def seal_token(n: int) -> str:
    """Name the n-th T_seal reply, from 1."""
    return f"seal/seal-{n}.tsr"


def query_of(token: str) -> str:
    """Name the request that a reply answers: `proof/tsa/open-1.tsq` for `seal/open-1.tsr`."""
    return f"proof/tsa/{PurePosixPath(token).stem}.tsq"


def asic_manifest(n: int) -> str:
    """Name the n-th ASiC manifest, from 1; 1 is signed, 2 is time-stamped, later ones grow the bundle."""
    return f"META-INF/ASiCManifest{n:03d}.xml"


def asic_signature(n: int) -> str:
    """Name the n-th signature over an ASiC manifest, from 1."""
    return f"META-INF/signature{n:03d}.p7s"


def asic_timestamp(n: int) -> str:
    """Name the n-th time-stamp over an ASiC manifest, from 1."""
    return f"META-INF/timestamp{n:03d}.tst"


def evidence_record_manifest(n: int) -> str:
    """Name the manifest of the n-th evidence record (RFC 4998), from 1."""
    return f"META-INF/ASiCEvidenceRecordManifest{n:03d}.xml"


def evidence_record(n: int) -> str:
    """Name the n-th evidence record (RFC 4998), from 1."""
    return f"META-INF/evidencerecord{n:03d}.ers"


def lawful_name(name: str) -> bool:
    """Tell whether a member may have this name: safe to unpack on every system, and written one way only."""
    if len(name) > MAX_NAME_CHARS or not _NAME.fullmatch(name):
        return False
    return all(_lawful_segment(segment) for segment in name.split("/"))


def _lawful_segment(segment: str) -> bool:
    # A final dot is dropped by Windows, so two names would become one; `.` and `..` fall under it.
    return segment != "" and not segment.endswith(".") and segment.partition(".")[0].upper() not in _DEVICES


def in_sums(name: str) -> bool:
    """Tell whether SHA256SUMS and SM3SUMS list this member."""
    return name not in {MIMETYPE, SHA256SUMS, SM3SUMS} and not name.startswith(META_INF)


def container_order(name: str) -> tuple[bool, str]:
    """Give the sort key of a member's place in the ZIP: `mimetype` first, then by bytes."""
    return name != MIMETYPE, name


def media_type(name: str) -> str:
    """Give the media type that ASiC manifests state for a member, by its extension."""
    return _MEDIA_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
