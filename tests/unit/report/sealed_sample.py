"""A small sealed bundle, made member by member with the library's own signer, TSA, log and ZIP writer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from evidencekit.bundle.asic import SIGNATURE_TYPE, TIMESTAMP_TYPE, AsicReference, format_asic_manifest
from evidencekit.bundle.paths import media_type
from evidencekit.bundle.sums import format_sha256sums, format_sm3sums
from evidencekit.bundle.writer import write_zip
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.hashing.chainlog import NO_PREVIOUS, ChainHead, ChainWriter
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.manifest import (
    UNVERIFIED_CLOCK,
    CaptureStamp,
    LedgerReference,
    Manifest,
    ManifestArtifact,
    OpenEntry,
    OpenStamp,
    RecordTree,
    SealSigner,
    TokenReference,
    Tool,
    WorklogEnd,
    format_manifest,
)
from evidencekit.hashing.merkle import leaf_hash, prove_inclusion, root_of, salted_leaf
from evidencekit.hashing.records import (
    ArtifactOpening,
    RecordOpening,
    Records,
    artifact_descriptor,
    format_openings,
    record_descriptor,
)
from evidencekit.ledger.checkpoint import Checkpoint, format_checkpoint
from evidencekit.ledger.proof import TlogProof, format_proof
from evidencekit.model import Completeness, Operator, Text
from evidencekit.report.instructions import VerifyFacts, render_verify_md
from evidencekit.signing.cades import sign_detached
from evidencekit.signing.identity import (
    Identity,
    LedgerKey,
    create_ledger_key,
    create_sealing_identity,
    create_tsa_identity,
    key_id,
)
from evidencekit.signing.note import sign_note
from evidencekit.signing.signer import load_private_key
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.query import build_query
from evidencekit.timestamp.token import parse_response
from tests.unit.report.report_samples import page

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.model import JsonValue

NUMBER = "9F3C2026000000172K"
FILE = f"{NUMBER}.zip"
NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
CAPTURE_ID = "0f" * 16
TOKENS = (
    ("seal/open-1.tsr", "seal/open.json"),
    ("seal/capture-0001-1.tsr", "seal/capture-0001.json"),
    ("seal/seal-1.tsr", "seal/manifest.p7s"),
)
ENVIRONMENT = canonical_bytes(
    {
        "format": "evidencekit/environment",
        "version": 1,
        "capture_id": CAPTURE_ID,
        "summary": {"en": "No sign of forgery was seen.", "zh": "未发现伪造迹象。"},
        "counts": {"PASS": 1, "WARN": 0, "FAIL": 0, "NOT_PERFORMED": 0},
        "checks": [
            {
                "id": "hosts",
                "method": {"en": "/etc/hosts", "zh": "/etc/hosts"},
                "result": "PASS",
                "started": "2026-11-23T03:04:05.000000Z",
                "finished": "2026-11-23T03:04:05.100000Z",
                "observed": {},
                "raw": "127.0.0.1 localhost",
                "reason": {"en": "no entry for the target", "zh": "未发现目标条目"},
            }
        ],
    }
)


def exchange_line(number: int, *, good: bool) -> JsonValue:
    """One line of exchanges.jsonl, recorded or failed."""
    answer: JsonValue = {
        "status": 200,
        "status_text": "OK",
        "headers": [],
        "mime_type": "text/html",
        "body_size": 3,
        "encoded_size": 3,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
    }
    return {
        "id": f"{number:06d}",
        "page": "0001",
        "url": "https://shop.example.com/",
        "method": "GET",
        "resource_type": "Document",
        "initiator": "other",
        "target": "page",
        "outcome": "recorded" if good else "failed",
        "reason": None if good else "net::ERR_FAILED",
        "started": "2026-11-23T03:04:06.000000Z",
        "finished": "2026-11-23T03:04:07.000000Z",
        "after_t_capture": False,
        "from_cache": False,
        "from_service_worker": False,
        "redirected_from": None,
        "redirected_to": None,
        "protocol": "h2",
        "remote_address": "203.0.113.7:443",
        "security": None,
        "request": {"headers": [], "body_size": None, "body_retained": False},
        "response": answer if good else None,
        "withheld": [],
        "records": ["000001.response"] if good else [],
    }


_EXCHANGE_LINES: tuple[JsonValue, ...] = (
    {"capture_id": CAPTURE_ID, "count": 2, "format": "evidencekit/exchanges", "version": 1},
    exchange_line(1, good=True),
    exchange_line(2, good=False),
)
EXCHANGES = b"".join(canonical_bytes(line) + b"\n" for line in _EXCHANGE_LINES)
COMPLETENESS = Completeness(
    requests=2,
    recorded=1,
    partial=0,
    failed=1,
    withheld=0,
    not_retrievable=0,
    after_t_capture=0,
    body_bytes=3,
    reasons={"net::ERR_FAILED": 1},
)
ARTIFACTS = {
    "capture/environment.json": (ENVIRONMENT, "environment", "application/json"),
    "capture/exchanges.jsonl": (EXCHANGES, "exchanges", "application/x-ndjson"),
    "capture/pages/0001/dom-initial.html": (b"<h1>first</h1>", "dom.initial", "text/html"),
    "capture/pages/0001/dom.html": ("<h1>示例</h1>".encode() * 50, "dom", "text/html"),
    "capture/pages/0001/screenshot-initial.png": (b"\x89PNG first" * 40, "screenshot.initial", "image/png"),
    "capture/pages/0001/screenshot.png": (b"\x89PNG whole" * 400, "screenshot", "image/png"),
}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def both(data: bytes) -> dict[str, JsonValue]:
    return {"sha256": sha256(data), "sm3": hashlib.new("sm3", data).hexdigest()}


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Office:
    """Keys of one issuer in a folder, and a clock that the embedded TSA reads."""

    folder: Path
    sealing: Identity = field(init=False)
    stamping: Identity = field(init=False)
    log: LedgerKey = field(init=False)
    clock: datetime = NOW

    def __post_init__(self) -> None:
        born = NOW - timedelta(days=1)
        self.sealing = create_sealing_identity(self.folder, now=born)
        self.stamping = create_tsa_identity(self.folder, now=born)
        self.log = create_ledger_key(self.folder)

    def token(self, data: bytes, seconds: int) -> bytes:
        """A TimeStampResp over `data`, issued `seconds` after NOW."""
        key = load_private_key(self.stamping.key_file.read_bytes(), self.stamping.key_file)
        moment = NOW + timedelta(seconds=seconds)
        authority = Authority(key, self.stamping.signer.certificate, clock=lambda: moment)
        return authority.reply(build_query(hashlib.sha256(data).digest(), nonce=seconds + 1))

    def seal(self, data: bytes) -> bytes:
        return sign_detached(hashlib.sha256(data).digest(), self.sealing.signer, at=NOW + timedelta(seconds=60))

    def proof(self, leaves: list[bytes], index: int) -> bytes:
        checkpoint = Checkpoint(origin=self.log.signer.name, size=len(leaves), root=root_of(leaves))
        note = sign_note(format_checkpoint(checkpoint), self.log.signer)
        return format_proof(TlogProof(index=index, path=tuple(prove_inclusion(leaves, index)), checkpoint=note))


def write_log(folder: Path, name: str, previous: bytes, first_n: int) -> tuple[bytes, ChainHead]:
    """A hash-chained log of three lines."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    path.unlink(missing_ok=True)
    with ChainWriter(path, format_name=name, capture_id=CAPTURE_ID, previous=previous, first_n=first_n) as writer:
        for step in ("one", "two", "three"):
            writer.append(step)
        head = writer.head
    return path.read_bytes(), head


def commitments(members: dict[str, bytes]) -> tuple[tuple[ManifestArtifact, ...], bytes, dict[str, bytes]]:
    """Manifest lines, records.jsonl and leaves by path for the artifacts and one committed record."""
    listed: list[ManifestArtifact] = []
    openings: list[ArtifactOpening] = []
    leaves: dict[str, bytes] = {}
    log = members["capture/worklog.jsonl"]
    named = {**ARTIFACTS, "capture/worklog.jsonl": (log, "worklog", "application/x-ndjson")}
    for number, (path, (data, role, media)) in enumerate(sorted(named.items())):
        members[path] = data
        salt, digests = bytes([number]) * 32, digest_bytes(data)
        leaves[path] = salted_leaf(salt, artifact_descriptor(path, len(data), digests))
        page = "0001" if path.startswith("capture/pages/") else None
        listed.append(
            ManifestArtifact(
                path=path,
                media_type=media,
                role=role,
                page=page,
                derived_from=(),
                hashed_at=NOW + timedelta(seconds=30),
                leaf=leaves[path],
            )
        )
        openings.append(ArtifactOpening(path=path, size=len(data), digests=digests, salt=salt, leaf=leaves[path]))
    salt, digests = b"\x77" * 32, digest_bytes(b"abc")
    leaves["record"] = salted_leaf(salt, record_descriptor("000001.response", 3, digests))
    record = RecordOpening(id="000001.response", size=3, digests=digests, salt=salt, leaf=leaves["record"])
    records = Records(capture_id=CAPTURE_ID, artifacts=tuple(openings), records=(record,))
    return tuple(listed), format_openings(records), leaves


def opening(office: Office, members: dict[str, bytes]) -> tuple[bytes, str]:
    """Writes seal/open.json with its token and the open entry; returns the entry and the salt."""
    salt = "5a" * 32
    members["seal/open.json"] = canonical_bytes(
        {"capture_id": CAPTURE_ID, "format": "evidencekit/open", "request": {}, "salt": salt, "version": 1}
    )
    members["seal/open-1.tsr"] = office.token(members["seal/open.json"], 1)
    commitment = sha256(b"\x00" + bytes.fromhex(salt) + CAPTURE_ID.encode())
    entry: dict[str, JsonValue] = {
        "commitment": commitment,
        "format": "evidencekit/entry",
        "key_id": key_id(office.sealing.signer.certificate),
        "kind": "open",
        "matter": None,
        "time": stamp(NOW),
        "version": 1,
    }
    return canonical_bytes(entry), salt


def manifest_of(office: Office, members: dict[str, bytes], entry: bytes, salt: str) -> bytes:
    members["capture/worklog.jsonl"], end = write_log(office.folder / "logs", "worklog", NO_PREVIOUS, 1)
    members["proof/custody.jsonl"], _ = write_log(office.folder / "logs", "custody", end.head, end.n + 1)
    listed, members["capture/records.jsonl"], leaves = commitments(members)
    shot = leaves["capture/pages/0001/screenshot-initial.png"]
    dom = leaves["capture/pages/0001/dom-initial.html"]
    members["seal/capture-0001.json"] = canonical_bytes(
        {
            "capture_id": CAPTURE_ID,
            "format": "evidencekit/capture-root",
            "initial_dom": dom.hex(),
            "initial_screenshot": shot.hex(),
            "page": "0001",
            "records": 1,
            "root": root_of([leaves["record"], shot, dom]).hex(),
            "version": 1,
        }
    )
    members["seal/capture-0001-1.tsr"] = office.token(members["seal/capture-0001.json"], 20)
    reference = TokenReference(path="seal/open-1.tsr", sha256=sha256(members["seal/open-1.tsr"]), self_issued=True)
    stamped = CaptureStamp(
        page="0001", document="seal/capture-0001.json", sha256=sha256(members["seal/capture-0001.json"])
    )
    certificate = office.sealing.signer.certificate.public_bytes(Encoding.DER)
    return format_manifest(
        Manifest(
            kind="capture",
            number=NUMBER,
            capture_id=CAPTURE_ID,
            tool=Tool(name="evidencekit", version="0.1.0"),
            matter=None,
            operator=Operator(),
            request={},
            started_at=NOW + timedelta(seconds=2),
            finished_at=NOW + timedelta(seconds=50),
            clock_source=UNVERIFIED_CLOCK,
            open=OpenEntry(
                index=4,
                entry=leaf_hash(entry),
                salt=bytes.fromhex(salt),
                attempt=1,
                attempts_note=Text(en="without a matter", zh="未指定案件"),
            ),
            t_open=OpenStamp(
                document="seal/open.json", sha256=sha256(members["seal/open.json"]), tokens=(reference,), pending=()
            ),
            t_capture=(stamped,),
            pages=(page("0001", "https://shop.example.com/", "示例"),),
            artifacts=listed,
            artifacts_root=root_of([line.leaf for line in listed]),
            records=RecordTree(count=1, root=root_of([leaves["record"]])),
            completeness=COMPLETENESS,
            transformations=(),
            withheld={},
            partial=(),
            not_performed=(),
            worklog=WorklogEnd(lines=end.lines, head=end.head),
            signer=SealSigner(certificate_sha256=sha256(certificate), self_signed=True),
            ledger=LedgerReference(origin=office.log.signer.name, key=office.log.vkey),
        )
    )


def asic_manifest(reference: str, mime: str, members: dict[str, bytes]) -> bytes:
    return format_asic_manifest(
        reference,
        mime,
        [
            AsicReference(uri=name, media_type=media_type(name), sha256=hashlib.sha256(data).digest())
            for name, data in sorted(members.items())
        ],
    )


def log_entries(office: Office, members: dict[str, bytes], opened: bytes, size: int) -> None:
    entry: dict[str, JsonValue] = {
        "format": "evidencekit/entry",
        "key_id": key_id(office.sealing.signer.certificate),
        "kind": "capture",
        "manifest": both(members["manifest.json"]),
        "number": NUMBER,
        "open": 4,
        "seal": both(members["seal/manifest.p7s"]),
        "time": stamp(NOW),
        "timestamp": {"sha256": sha256(members["seal/seal-1.tsr"])},
        "version": 1,
    }
    members["proof/open.json"], members["proof/entry.json"] = opened, canonical_bytes(entry)
    leaves = [leaf_hash(b"other %d" % number) for number in range(size)]
    leaves[4], leaves[6] = leaf_hash(opened), leaf_hash(members["proof/entry.json"])
    members["proof/open.tlog-proof"] = office.proof(leaves, 4)
    members["proof/entry.tlog-proof"] = office.proof(leaves, 6)


def sealed_members(folder: Path, *, size: int = 11) -> dict[str, bytes]:
    """All members of a sound bundle; `size` is that of the log's tree (at least 7)."""
    office, members = Office(folder), dict[str, bytes]()
    opened, salt = opening(office, members)
    members["manifest.json"] = manifest_of(office, members, opened, salt)
    members["seal/manifest.p7s"] = office.seal(members["manifest.json"])
    members["seal/seal-1.tsr"] = office.token(members["seal/manifest.p7s"], 61)
    log_entries(office, members, opened, size)
    members["trust/signer.pem"] = office.sealing.certificate_file.read_bytes()
    members["trust/tsa.pem"] = office.stamping.certificate_file.read_bytes()
    members["trust/ledger.vkey"] = office.log.vkey.encode() + b"\n"
    facts = VerifyFacts(number=NUMBER, file=FILE, tokens=TOKENS)
    members["VERIFY.md"] = render_verify_md("en", facts).encode()
    members["VERIFY.zh-CN.md"] = render_verify_md("zh", facts).encode()
    return close(office, members)


def close(office: Office, members: dict[str, bytes]) -> dict[str, bytes]:
    """Adds SUMS and META-INF over everything that is there."""
    digests = {name: digest_bytes(data) for name, data in members.items()}
    members |= {"SHA256SUMS": format_sha256sums(digests), "SM3SUMS": format_sm3sums(digests)}
    first = asic_manifest("META-INF/signature001.p7s", SIGNATURE_TYPE, members)
    outer = {"META-INF/ASiCManifest001.xml": first, "META-INF/signature001.p7s": office.seal(first)}
    second = asic_manifest("META-INF/timestamp001.tst", TIMESTAMP_TYPE, {**members, **outer})
    token = parse_response(office.token(second, 70)).token
    assert token is not None
    outer |= {"META-INF/ASiCManifest002.xml": second, "META-INF/timestamp001.tst": token}
    return {"mimetype": b"application/vnd.etsi.asic-e+zip", **members, **outer}


def write_file(members: dict[str, bytes], path: Path) -> Path:
    """Writes the members as the ZIP of docs/spec/bundle.md."""
    with path.open("wb") as out:
        write_zip(members, out)
    return path
