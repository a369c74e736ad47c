"""A small bundle made by the library's own functions, step by step in the order of the design, with a hook at each.

A hook may change what a step hands to the next, so that a forger's bundle can be made that is signed, stamped and
logged like a true one: every later digest is right, only the one thing is wrong.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import uuid
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from evidencekit.bundle import paths
from evidencekit.bundle.asic import SIGNATURE_TYPE, TIMESTAMP_TYPE, AsicReference, format_asic_manifest
from evidencekit.bundle.writer import sums, write_zip
from evidencekit.hashing.assembly import Circumstances, build_manifest
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.hashing.chainlog import CUSTODY, WORKLOG, ChainHead, ChainWriter, Clock
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.manifest import (
    CaptureStamp,
    LedgerReference,
    Manifest,
    OpenEntry,
    OpenStamp,
    SealSigner,
    TokenReference,
    format_manifest,
)
from evidencekit.hashing.merkle import leaf_hash, prove_inclusion, root_of, salted_leaf
from evidencekit.hashing.records import (
    Records,
    artifact_descriptor,
    format_openings,
    open_artifact,
    open_record,
    record_descriptor,
)
from evidencekit.ledger.checkpoint import Checkpoint, format_checkpoint
from evidencekit.ledger.entry import CaptureEntry, format_capture_entry, format_open_entry, open_commitment
from evidencekit.ledger.entry import OpenEntry as LedgerOpenEntry
from evidencekit.ledger.proof import TlogProof, format_proof
from evidencekit.model import (
    Artifact,
    Capture,
    CaptureRoot,
    Completeness,
    JsonValue,
    Operator,
    PageResult,
    Record,
    Text,
)
from evidencekit.signing.cades import content_of, sign_detached
from evidencekit.signing.identity import create_sealing_identity, create_tsa_identity, key_id
from evidencekit.signing.note import NoteSigner, format_vkey, sign_note
from evidencekit.signing.notesigner import CosignatureSigner, Ed25519NoteSigner
from evidencekit.signing.signer import KeySigner, load_private_key
from evidencekit.timestamp.authority import SELF_ISSUED_POLICY, Authority
from evidencekit.timestamp.query import build_query
from evidencekit.timestamp.token import parse_response
from evidencekit.verify.trust import Trust
from evidencekit.x509.handshakefile import HandshakeFile, format_handshake
from tests.support.handshakes import handshake, server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cryptography import x509

    from evidencekit.hashing.deposit import Deposit

NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
AT = NOW + timedelta(days=1)
NUMBER = "9F3C2026000000172K"
FOREIGN_POLICY = "1.3.6.1.4.1.99999.1"
Members = dict[str, bytes]


def _same_manifest(manifest: Manifest) -> Manifest:
    return manifest


def _same_records(records: Records) -> Records:
    return records


def _same_bytes(data: bytes) -> bytes:
    return data


def _same_entry(entry: CaptureEntry) -> CaptureEntry:
    return entry


def _same_members(members: Members) -> Members:
    return members


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What a forger changes; each default changes nothing. `files` are committed to, `artifacts` come after that."""

    manifest: Callable[[Manifest], Manifest] = _same_manifest
    manifest_bytes: Callable[[bytes], bytes] = _same_bytes
    records: Callable[[Records], Records] = _same_records
    entry: Callable[[CaptureEntry], CaptureEntry] = _same_entry
    warc: Callable[[bytes], bytes] = _same_bytes
    wacz: Callable[[bytes], bytes] = _same_bytes
    files: Callable[[Members], Members] = _same_members
    artifacts: Callable[[Members], Members] = _same_members
    capture_root: Callable[[bytes], bytes] = _same_bytes
    before_sums: Callable[[Members], Members] = _same_members
    before_asic: Callable[[Members], Members] = _same_members
    checkpoint_signers: Callable[[Keys], tuple[NoteSigner, ...]] | None = None


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Who makes a bundle: seal, own and foreign TSA, log, witness."""

    signer: KeySigner
    tsa_certificate: x509.Certificate
    tsa_key: ec.EllipticCurvePrivateKey
    log: Ed25519NoteSigner
    witness: CosignatureSigner

    @property
    def trust(self) -> Trust:
        """What somebody trusts who knows all of them."""
        return Trust(
            signers=(self.signer.certificate,),
            tsas=(self.tsa_certificate,),
            logs=(self.log.verifier, self.witness.verifier),
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One bundle to make: its seed makes ids and salts, `policy` the TSA's independence, times in seconds."""

    keys: Keys
    seed: str = "one"
    hooks: Hooks = field(default_factory=Hooks)
    policy: str = FOREIGN_POLICY
    open_s: int = 0
    capture_s: int = 10
    seal_s: int = 20
    outer_s: int = 30
    withhold: bool = True
    stamp_open: bool = True
    stamp_capture: bool = True
    stamp_seal: bool = True
    witnessed: bool = True
    bulk: tuple[bytes, ...] = ()
    """Bodies of further responses, for large archives."""
    older: bytes = b"older"
    """The log's entry 0, before this bundle's own."""


def make_keys(folder: Path) -> Keys:
    """Make a fresh set of keys under `folder`."""
    seal = create_sealing_identity(folder / "seal", common_name="Test Sealer", now=NOW - timedelta(days=30))
    tsa = create_tsa_identity(folder / "tsa", common_name="Test TSA", now=NOW - timedelta(days=30))
    key = load_private_key(tsa.key_file.read_bytes(), tsa.key_file)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = hashlib.sha256(tsa.key_file.read_bytes()).hexdigest()[:16]
    return Keys(
        signer=seal.signer,
        tsa_certificate=tsa.signer.certificate,
        tsa_key=key,
        log=Ed25519NoteSigner(f"evidencekit/{name}", hashlib.sha256(b"log" + name.encode()).digest()),
        witness=CosignatureSigner(
            f"witness.test/{name}", hashlib.sha256(b"witness" + name.encode()).digest(), clock=lambda: 1_795_000_000
        ),
    )


class _Assembly:
    """The steps of one bundle."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.keys = plan.keys
        self.folder = folder
        self.capture_id = hashlib.sha256(plan.seed.encode()).hexdigest()[:32]
        self.members: Members = {}

    def moment(self, seconds: int) -> datetime:
        return NOW + timedelta(seconds=seconds)

    def salt(self, name: str) -> bytes:
        return hashlib.sha256(f"{self.plan.seed}/{name}".encode()).digest()

    def stamp(self, data: bytes, seconds: int) -> bytes:
        tsa = Authority(
            self.keys.tsa_key,
            self.keys.tsa_certificate,
            policy=self.plan.policy,
            clock=lambda: self.moment(seconds),
        )
        return tsa.reply(build_query(hashlib.sha256(data).digest()))

    def log_file(self, kind: str, previous: bytes, first_n: int, start: int, steps: tuple[str, ...]) -> ChainHead:
        seconds = iter(range(start, start + 100))
        clock = Clock(now=lambda: self.moment(next(seconds)), monotonic_ms=lambda: 1000 * start)
        path = self.folder / f"{self.plan.seed}-{kind}.jsonl"
        with ChainWriter(
            path, format_name=kind, capture_id=self.capture_id, previous=previous, first_n=first_n, clock=clock
        ) as log:
            for step in steps:
                log.append(step, object="https://shop.test/")
            head = log.close()
        self.members["capture/worklog.jsonl" if kind == WORKLOG else paths.CUSTODY] = path.read_bytes()
        return head


def make_members(plan: Plan, folder: Path) -> Members:
    """Make all members of a bundle, outer seal included."""
    work = _Assembly(plan, folder)
    blocks = _blocks(plan)
    worklog = work.log_file(WORKLOG, bytes(32), 1, 1, ("environment", "navigate", "drained"))
    records = tuple(_record(work, name, block) for name, block in blocks.items())
    records += tuple(
        replace(_record(work, name.removesuffix(".public"), b"secret " + block), withheld=("cookie",))
        for name, block in blocks.items()
        if name.endswith(".public")
    )
    artifacts = _artifacts(work, blocks)
    by_path = {artifact.path: artifact for artifact in artifacts}
    root = _capture_root(records, by_path)
    document = _stamp_documents(work, root)
    manifest = _manifest(work, _capture(work, artifacts, records, root), worklog, document)
    _openings(work, artifacts, records)
    _seal(work, manifest)
    _enter(work, manifest)
    _finish(work, manifest, worklog)
    return work.members


def pack(members: Mapping[str, bytes]) -> bytes:
    """Write the ZIP."""
    out = io.BytesIO()
    write_zip(members, out)
    return out.getvalue()


def reseal(members: Mapping[str, bytes], keys: Keys, *, policy: str = FOREIGN_POLICY) -> Members:
    """Make SUMS and the outer seal anew, as whoever holds the keys can."""
    content = {name: data for name, data in members.items() if not name.startswith("META-INF/")}
    content.pop(paths.SHA256SUMS, None)
    content.pop(paths.SM3SUMS, None)
    return seal_outside(_with_sums(content), keys, NOW + timedelta(seconds=30), policy)


def _with_sums(content: Members) -> Members:
    sha256, sm3 = sums(content)
    return content | {paths.SHA256SUMS: sha256, paths.SM3SUMS: sm3}


def seal_outside(content: Members, keys: Keys, at: datetime, policy: str) -> Members:
    """Add the two ASiC manifests, the signature and the time-stamp."""
    members = dict(content)
    names = sorted(name for name in members if name != paths.MIMETYPE)
    first = _asic(members, names, paths.asic_signature(1), SIGNATURE_TYPE)
    members[paths.asic_manifest(1)] = first
    members[paths.asic_signature(1)] = sign_detached(content_of(first), keys.signer, at=at)
    names = sorted(name for name in members if name != paths.MIMETYPE)
    second = _asic(members, names, paths.asic_timestamp(1), TIMESTAMP_TYPE)
    members[paths.asic_manifest(2)] = second
    members[paths.asic_timestamp(1)] = bare_token(second, keys, at, policy)
    return members


def bare_token(data: bytes, keys: Keys, at: datetime, policy: str = FOREIGN_POLICY) -> bytes:
    """Stamp data and give the token without its response."""
    tsa = Authority(keys.tsa_key, keys.tsa_certificate, policy=policy, clock=lambda: at)
    token = parse_response(tsa.reply(build_query(hashlib.sha256(data).digest()))).token
    assert token is not None
    return token


def _asic(members: Members, names: list[str], reference: str, kind: str) -> bytes:
    return format_asic_manifest(
        reference,
        kind,
        [
            AsicReference(uri=name, media_type=paths.media_type(name), sha256=hashlib.sha256(members[name]).digest())
            for name in names
        ],
    )


def _blocks(plan: Plan) -> dict[str, bytes]:
    request = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<h1>" + plan.seed.encode() + b"</h1>"
    name = "000001.request.public" if plan.withhold else "000001.request"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n"
    bulk = {f"{number:06d}.response": head + body for number, body in enumerate(plan.bulk, 3)}
    return {name: request, "000001.response": response, **bulk}


def _record(work: _Assembly, name: str, block: bytes) -> Record:
    digests, salt = digest_bytes(block), work.salt(name)
    leaf = salted_leaf(salt, record_descriptor(name, len(block), digests))
    return Record(id=name, size=len(block), digests=digests, salt=salt, leaf=leaf)


def _warc(work: _Assembly, blocks: Mapping[str, bytes]) -> bytes:
    records = [_warc_record(work, "warcinfo", None, b"software: evidencekit\r\n")]
    for name, block in blocks.items():
        records.append(_warc_record(work, name.split(".")[1], name, block))
    return b"".join(records)


def _warc_record(work: _Assembly, kind: str, name: str | None, block: bytes) -> bytes:
    identifier = uuid.UUID(bytes=work.salt(f"warc {name}")[:16])
    head = [
        "WARC/1.1",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:uuid:{identifier}>",
        "WARC-Date: 2026-11-23T03:04:10Z",
        f"Content-Length: {len(block)}",
        f"WARC-Block-Digest: sha256:{hashlib.sha256(block).hexdigest()}",
    ]
    if name is not None:
        head += [f"WARC-Evidence-Record: {name}", "WARC-Target-URI: https://shop.test/"]
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    data = "\r\n".join(head).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"
    return packer.compress(data) + packer.flush()


def make_wacz(warc: bytes, *, extra: Mapping[str, bytes] | None = None, signed: JsonValue = None) -> bytes:
    """Write a WACZ 1.1.1 around one WARC file."""
    members = {
        "archive/data.warc.gz": warc,
        "indexes/index.cdxj": b'test,shop)/ 20261123030410 {"filename":"data.warc.gz","offset":"0"}\n',
        "pages/pages.jsonl": b'{"format":"json-pages-1.0","id":"pages","title":"All Pages"}\n',
        **(extra or {}),
    }
    resources = [
        {
            "name": name.rpartition("/")[2],
            "path": name,
            "hash": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "bytes": len(data),
        }
        for name, data in members.items()
    ]
    package = json.dumps({"profile": "data-package", "wacz_version": "1.1.1", "resources": resources}).encode()
    digest: dict[str, JsonValue] = {
        "path": "datapackage.json",
        "hash": f"sha256:{hashlib.sha256(package).hexdigest()}",
    }
    if signed is not None:
        digest["signedData"] = signed
    members |= {"datapackage.json": package, "datapackage-digest.json": json.dumps(digest).encode()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


_ROLES = {
    "capture/page.wacz": ("archive", None),
    "capture/exchanges.jsonl": ("exchanges", None),
    "capture/environment.json": ("environment", None),
    "capture/worklog.jsonl": ("worklog", None),
    "capture/network.json": ("other", None),
    "capture/corroboration.json": ("other", None),
    "capture/tls/shop.test.handshake.json": ("tls", None),
    "capture/process.json": ("process", None),
    "capture/session.mp4": ("video", None),
    "capture/pages/0001/screenshot-initial.png": ("screenshot.initial", "0001"),
    "capture/pages/0001/screenshot.png": ("screenshot", "0001"),
    "capture/pages/0001/dom.html": ("dom.initial", "0001"),
    "capture/pages/0001/painted.json": ("other", "0001"),
}


def _role(path: str) -> tuple[str, str | None]:
    return ("other", None) if path.startswith("capture/film/") else _ROLES[path]


def _artifacts(work: _Assembly, blocks: Mapping[str, bytes]) -> tuple[Artifact, ...]:
    hooks, page = work.plan.hooks, "capture/pages/0001/"
    files: Members = {
        "capture/page.wacz": hooks.wacz(make_wacz(hooks.warc(_warc(work, blocks)))),
        "capture/exchanges.jsonl": _exchanges(work),
        "capture/environment.json": _environment(work),
        "capture/worklog.jsonl": work.members["capture/worklog.jsonl"],
        "capture/network.json": _network(work),
        "capture/tls/shop.test.handshake.json": _handshake(work),
        f"{page}screenshot-initial.png": make_png(32, 32, "first " + work.plan.seed),
        f"{page}screenshot.png": make_png(32, 64, "full " + work.plan.seed),
        f"{page}dom.html": f"<html><h1>{work.plan.seed}</h1></html>".encode(),
    }
    files = hooks.files(files)
    found = []
    for path, data in files.items():
        digests, salt, (role, of_page) = digest_bytes(data), work.salt(path), _role(path)
        found.append(
            Artifact(
                path=path,
                file=work.folder / "unused",
                media_type=paths.media_type(path),
                role=role,
                size=len(data),
                digests=digests,
                salt=salt,
                leaf=salted_leaf(salt, artifact_descriptor(path, len(data), digests)),
                hashed_at=work.moment(12),
                page=of_page,
            )
        )
    # What is changed here no longer equals what was committed.
    work.members |= hooks.artifacts(files)
    return tuple(found)


def make_png(width: int, height: int, note: str = "", colour: bytes = b"\xee\xdd\xcc") -> bytes:
    """Write a picture of one colour as Chromium writes it: 8-bit truecolour, rows filtered against the one above."""
    first = b"\0" + colour * width
    rows = first + (b"\2" + bytes(3 * width)) * (height - 1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"tEXt", b"Comment\0" + note.encode()), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _exchanges(work: _Assembly) -> bytes:
    ids = ["000001.request", "000001.response", *(["000001.request.public"] if work.plan.withhold else [])]
    header: JsonValue = {
        "capture_id": work.capture_id,
        "count": 2 + len(work.plan.bulk),
        "format": "evidencekit/exchanges",
        "version": 1,
    }
    common: dict[str, JsonValue] = {
        "after_t_capture": False,
        "page": "0001",
        "redirected_from": None,
        "redirected_to": None,
        "url": "https://shop.test/",
    }
    lines: list[JsonValue] = [
        header,
        common
        | {
            "id": "000001",
            "outcome": "recorded",
            "records": ids,
            "remote_address": "203.0.113.7:443",
            "response": {"status": 200},
        },
        common | {"id": "000002", "outcome": "failed", "records": [], "reason": "net::ERR_NAME_NOT_RESOLVED"},
    ]
    lines += [
        common | {"id": f"{number:06d}", "outcome": "recorded", "records": [f"{number:06d}.response"]}
        for number, _ in enumerate(work.plan.bulk, 3)
    ]
    return b"".join(canonical_bytes(line) + b"\n" for line in lines)


def _network(work: _Assembly) -> bytes:
    request: JsonValue = {"address": "203.0.113.7:443", "exchange": "000001", "status": 200}
    return canonical_bytes(
        {
            "capture_id": work.capture_id,
            "format": "evidencekit/network",
            "only_here": [],
            "requests": [request],
            "unmatched": [],
            "version": 1,
        }
    )


def _handshake(work: _Assembly) -> bytes:
    who = server()
    return format_handshake(
        HandshakeFile(
            capture_id=work.capture_id,
            host="shop.test",
            port=443,
            address="203.0.113.7:443",
            time=work.moment(5),
            messages=tuple(handshake(who)),
            certificates=(who.certificate,),
        )
    )


def _environment(work: _Assembly) -> bytes:
    checks: list[JsonValue] = [
        {"id": name, "result": "PASS", "reason": {"en": "no sign of it was seen", "zh": "未发现迹象"}}
        for name in ("hosts", "devtools.exclusive")
    ]
    return canonical_bytes(
        {
            "capture_id": work.capture_id,
            "checks": checks,
            "counts": {"FAIL": 0, "NOT_PERFORMED": 0, "PASS": 2, "WARN": 0},
            "format": "evidencekit/environment",
            "version": 1,
        }
    )


def _capture_root(records: tuple[Record, ...], artifacts: Mapping[str, Artifact]) -> CaptureRoot:
    screenshot = artifacts["capture/pages/0001/screenshot-initial.png"].leaf
    dom = artifacts["capture/pages/0001/dom.html"].leaf
    leaves = [record.leaf for record in records]
    return CaptureRoot(
        page="0001",
        records=len(leaves),
        initial_screenshot=screenshot,
        initial_dom=dom,
        root=root_of([*leaves, screenshot, dom]),
    )


_REQUEST: JsonValue = {"mode": "standard", "urls": ["https://shop.test/"]}


def _stamp_documents(work: _Assembly, root: CaptureRoot | None) -> tuple[OpenStamp, tuple[CaptureStamp, ...]]:
    """Stamp the request, and the root of the one page where there is one."""
    plan = work.plan
    opened = canonical_bytes(
        {
            "capture_id": work.capture_id,
            "format": "evidencekit/open",
            "request": _REQUEST,
            "salt": work.salt("open").hex(),
            "version": 1,
        }
    )
    work.members[paths.OPEN_DOCUMENT] = opened
    tokens: list[TokenReference] = []
    if plan.stamp_open:
        token = work.stamp(opened, plan.open_s)
        work.members[paths.open_token(1)] = token
        self_issued = plan.policy == SELF_ISSUED_POLICY
        tokens.append(
            TokenReference(path=paths.open_token(1), sha256=hashlib.sha256(token).hexdigest(), self_issued=self_issued)
        )
    open_stamp = OpenStamp(
        document=paths.OPEN_DOCUMENT,
        sha256=hashlib.sha256(opened).hexdigest(),
        tokens=tuple(tokens),
        pending=() if tokens else ("https://tsa.test/",),
    )
    return open_stamp, () if root is None else (_stamp_capture(work, root),)


def _stamp_capture(work: _Assembly, root: CaptureRoot) -> CaptureStamp:
    plan, document = work.plan, paths.capture_document("0001")
    captured = plan.hooks.capture_root(
        canonical_bytes(
            {
                "capture_id": work.capture_id,
                "format": "evidencekit/capture-root",
                "initial_dom": root.initial_dom.hex(),
                "initial_screenshot": root.initial_screenshot.hex(),
                "page": root.page,
                "records": root.records,
                "root": root.root.hex(),
                "version": 1,
            }
        )
    )
    work.members[document] = captured
    if plan.stamp_capture:
        work.members[paths.capture_token("0001", 1)] = work.stamp(captured, plan.capture_s)
    return CaptureStamp(page="0001", document=document, sha256=hashlib.sha256(captured).hexdigest())


def _capture(
    work: _Assembly, artifacts: tuple[Artifact, ...], records: tuple[Record, ...], root: CaptureRoot
) -> Capture:
    page = PageResult(
        id="0001",
        requested_url="https://shop.test/",
        final_url="https://shop.test/",
        title=work.plan.seed,
        status=200,
        content_type="text/html",
        redirects=(),
        remote_address="203.0.113.7:443",
        protocol="h2",
        verdict="ok",
        verdict_reason=Text(en="loaded", zh="已加载"),
        started_at=work.moment(2),
        initial_at=work.moment(8),
        finished_at=work.moment(12),
        width_px=1280,
        height_px=2000,
    )
    return Capture(
        capture_id=work.capture_id,
        started_at=work.moment(0),
        finished_at=work.moment(15),
        pages=(page,),
        artifacts=artifacts,
        records=records,
        roots=(root,),
        transformations=(),
        completeness=Completeness(
            requests=2 + len(work.plan.bulk),
            recorded=1 + len(work.plan.bulk),
            partial=0,
            failed=1,
            withheld=0,
            not_retrievable=0,
            after_t_capture=0,
            body_bytes=20,
            reasons={"net::ERR_NAME_NOT_RESOLVED": 1},
        ),
        partial=(),
        withheld={"cookie": 1} if work.plan.withhold else {},
        private_files={},
    )


def _open_entry(work: _Assembly) -> bytes:
    return format_open_entry(
        LedgerOpenEntry(
            commitment=open_commitment(work.salt("ledger"), work.capture_id),
            key_id=key_id(work.keys.signer.certificate),
            matter=None,
            time=work.moment(0),
        )
    )


def _manifest(
    work: _Assembly,
    capture: Capture,
    worklog: ChainHead,
    stamps: tuple[OpenStamp, tuple[CaptureStamp, ...]],
    *,
    deposit: Deposit | None = None,
) -> Manifest:
    certificate = work.keys.signer.certificate
    circumstances = Circumstances(
        number=NUMBER,
        operator=Operator(),
        matter=None,
        request={"mode": "standard", "urls": ["https://shop.test/"]},
        open=OpenEntry(
            index=1,
            entry=leaf_hash(_open_entry(work)),
            salt=work.salt("ledger"),
            attempt=1,
            attempts_note=Text(en="this attempt alone", zh="仅本次"),
        ),
        t_open=stamps[0],
        t_capture=stamps[1],
        worklog=worklog,
        signer=SealSigner(certificate_sha256=key_id(certificate), self_signed=True),
        ledger=LedgerReference(origin=work.keys.log.name, key=format_vkey(work.keys.log.verifier)),
        tool_version="1.0.0",
        deposit=deposit,
    )
    return work.plan.hooks.manifest(build_manifest(capture, circumstances))


def _openings(work: _Assembly, artifacts: tuple[Artifact, ...], records: tuple[Record, ...]) -> None:
    openings = Records(
        capture_id=work.capture_id,
        artifacts=tuple(open_artifact(artifact) for artifact in artifacts),
        records=tuple(open_record(record) for record in records),
    )
    work.members[paths.RECORDS] = format_openings(work.plan.hooks.records(openings))


def _seal(work: _Assembly, manifest: Manifest) -> None:
    data = work.plan.hooks.manifest_bytes(format_manifest(manifest))
    seal = sign_detached(content_of(data), work.keys.signer, at=work.moment(18))
    work.members |= {paths.MANIFEST: data, paths.SEAL: seal}
    if work.plan.stamp_seal:
        work.members[paths.seal_token(1)] = work.stamp(seal, work.plan.seal_s)


def _enter(work: _Assembly, manifest: Manifest) -> None:
    members, plan = work.members, work.plan
    token = members.get(paths.seal_token(1))
    entry = CaptureEntry(
        key_id=manifest.signer.certificate_sha256,
        manifest=digest_bytes(members[paths.MANIFEST]),
        number=manifest.number,
        open=manifest.open.index,
        seal=digest_bytes(members[paths.SEAL]),
        time=work.moment(22),
        kind=manifest.kind,
        timestamp=hashlib.sha256(token).hexdigest() if token else "pending",
    )
    opened, entered = _open_entry(work), format_capture_entry(plan.hooks.entry(entry))
    leaves = [leaf_hash(data) for data in (plan.older, opened, b"other", entered)]
    checkpoint = format_checkpoint(Checkpoint(origin=work.keys.log.name, size=len(leaves), root=root_of(leaves)))
    signers: tuple[NoteSigner, ...] = (work.keys.log, work.keys.witness) if plan.witnessed else (work.keys.log,)
    if plan.hooks.checkpoint_signers is not None:
        signers = plan.hooks.checkpoint_signers(work.keys)
    note = sign_note(checkpoint, *signers)
    entries = [(1, paths.OPEN_ENTRY, opened), (3, paths.ENTRY, entered)]
    if manifest.deposit is not None and manifest.deposit.links:
        entries.append((0, paths.link_entry(1), plan.older))
    for index, path, data in entries:
        members[path] = data
        proof = TlogProof(index=index, path=tuple(prove_inclusion(leaves, index)), checkpoint=note)
        members[path.replace(".json", ".tlog-proof")] = format_proof(proof)


def _finish(work: _Assembly, manifest: Manifest, worklog: ChainHead) -> None:
    work.log_file(CUSTODY, worklog.head, worklog.n + 1, 23, ("signed", "entered", "assembled"))
    keys = work.keys
    work.members |= {
        paths.MIMETYPE: paths.MIMETYPE_CONTENT,
        paths.VERIFY_EN: b"# How to verify\n",
        paths.VERIFY_ZH: "# 核验说明\n".encode(),
        paths.CERTIFICATE_HTML: f"<h1>{manifest.number}</h1>".encode(),
        paths.TRUST_SIGNER: keys.signer.certificate.public_bytes(Encoding.PEM),
        paths.TRUST_TSA: keys.tsa_certificate.public_bytes(Encoding.PEM),
        paths.TRUST_LEDGER: format_vkey(keys.log.verifier).encode() + b"\n",
    }
    hooks = work.plan.hooks
    content = hooks.before_asic(_with_sums(hooks.before_sums(work.members)))
    work.members = seal_outside(content, keys, work.moment(work.plan.outer_s), work.plan.policy)
