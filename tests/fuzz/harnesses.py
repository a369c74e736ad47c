"""Every parser of foreign bytes, as a harness: anything but `FormatError` that leaves it is a bug.

Checks must not even raise that: malformed input is a step of theirs. To add a parser, add a line.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, pkcs12
from cryptography.x509 import ocsp

from evidencekit.bundle import paths
from evidencekit.bundle.asic import parse_asic_manifest
from evidencekit.bundle.reader import open_bundle
from evidencekit.bundle.sums import parse_sha256sums, parse_sm3sums
from evidencekit.bundle.warc import read_blocks
from evidencekit.corroboration.domtext import read_dom
from evidencekit.corroboration.painted import Image, Painted, format_painted, parse_painted
from evidencekit.corroboration.pictures import compare
from evidencekit.errors import FormatError, SigningError, UsageError
from evidencekit.hashing.canonical import parse_canonical
from evidencekit.hashing.chainlog import WORKLOG, check_chain, parse_lines
from evidencekit.hashing.manifest import parse_manifest
from evidencekit.hashing.records import parse_records
from evidencekit.ledger.checkpoint import parse_checkpoint
from evidencekit.ledger.entry import parse_entry
from evidencekit.ledger.policy import parse_policy
from evidencekit.ledger.proof import parse_proof
from evidencekit.ledger.tiles import parse_bundle
from evidencekit.model import Outcome
from evidencekit.report.bands import png_size
from evidencekit.signing.note import open_note, parse_vkey
from evidencekit.signing.signer import load_pkcs12
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.check import check_token
from evidencekit.timestamp.query import build_query, parse_query
from evidencekit.timestamp.record import parse_record
from evidencekit.timestamp.renewal import RecordTrust, begin_records, check_record
from evidencekit.timestamp.token import parse_response, parse_token
from evidencekit.verify.policy import parse_policy as parse_verify_policy
from evidencekit.verify.trust import trust_from_files
from evidencekit.verify.verifier import verify_bundle
from evidencekit.verify.wacz import Wacz, check_package
from evidencekit.x509 import ber, cms, der
from evidencekit.x509.certificate import load_certificate, load_certificates, to_der
from evidencekit.x509.crl import ask_crl, load_crl
from evidencekit.x509.names import canonical_name
from evidencekit.x509.ocsp import ask_ocsp
from tests.conformance.hostile import Entry, entries_of, forge
from tests.support.assembly import AT, NOW, Keys, Members, Plan, make_keys, make_members, make_png, pack

if TYPE_CHECKING:
    from collections.abc import Callable

_DIGEST: Final = bytes(32)
_DEPTH: Final = 40


@dataclass(frozen=True, kw_only=True)
class Harness:
    """Calls a parser; `allowed` may leave it. `samples` are what it reads, to be damaged."""

    run: Callable[[bytes], object]
    samples: Callable[[], tuple[bytes, ...]]
    allowed: tuple[type[Exception], ...] = (FormatError,)

    def __call__(self, data: bytes) -> None:
        """Give it bytes; what it may not raise passes through."""
        try:
            self.run(data)
        except self.allowed:
            return


@dataclass(frozen=True, kw_only=True)
class World:
    """One bundle and what belongs to it, made once."""

    keys: Keys
    members: Members
    response: bytes
    record: bytes
    crl: bytes
    ocsp: bytes


@lru_cache(maxsize=1)
def world() -> World:
    """Make the samples."""
    with tempfile.TemporaryDirectory() as name:
        keys = make_keys(Path(name) / "keys")
        members = make_members(Plan(keys=keys), Path(name))
    authority = Authority(keys.tsa_key, keys.tsa_certificate, clock=lambda: NOW)
    response = authority.reply(build_query(_DIGEST, nonce=1))
    (record,) = begin_records([[_DIGEST]], "sha256", lambda _, root: _bare(authority.reply(build_query(root))))
    issuer = keys.tsa_certificate
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(NOW)
        .next_update(NOW + timedelta(days=9))
        .add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(issuer.serial_number)
            .revocation_date(NOW)
            .add_extension(x509.CRLReason(x509.ReasonFlags.superseded), critical=False)
            .build()
        )
        .sign(keys.tsa_key, hashes.SHA256())
    )
    answer = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            issuer, issuer, hashes.SHA256(), ocsp.OCSPCertStatus.GOOD, NOW, NOW + timedelta(days=9), None, None
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer)
        .sign(keys.tsa_key, hashes.SHA256())
    )
    return World(
        keys=keys,
        members=members,
        response=response,
        record=record,
        crl=crl.public_bytes(Encoding.DER),
        ocsp=answer.public_bytes(Encoding.DER),
    )


def _bare(response: bytes) -> bytes:
    token = parse_response(response).token
    assert token is not None
    return token


def _member(*names: str) -> Callable[[], tuple[bytes, ...]]:
    return lambda: tuple(world().members[name] for name in names)


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode("utf-8", "replace"))


def _walk(data: bytes) -> None:
    nodes = [(der.parse(data), 0)]
    while nodes:
        node, depth = nodes.pop()
        if node.tag & der.CONSTRUCTED and depth < _DEPTH:
            nodes += [(child, depth + 1) for child in der.children(node)]


def _check_token(data: bytes) -> None:
    certificate = world().keys.tsa_certificate
    found = check_token(
        data, digest=_DIGEST, anchors=[certificate], at=datetime.now(UTC), crls=[world().crl], ocsp=[world().ocsp]
    )
    assert found.reason.zh


def _check_record(data: bytes) -> None:
    trust = RecordTrust(anchors=[world().keys.tsa_certificate])
    assert check_record(data, lambda _: (_DIGEST,), trust=trust, at=datetime.now(UTC)).reason.zh


def _ask_crl(data: bytes) -> None:
    certificate = world().keys.tsa_certificate
    ask_crl(data, certificate, certificate, at=NOW)


def _ask_ocsp(data: bytes) -> None:
    certificate = world().keys.tsa_certificate
    ask_ocsp(data, certificate, certificate, at=NOW)


def _read_bundle(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(data)
        file.flush()
        with open_bundle(Path(file.name)) as bundle:
            for name in bundle.names():
                for _ in bundle.stream(name):
                    pass


def _whole() -> tuple[bytes, ...]:
    """Each member of a bundle under its name, so that damage falls on small ones as often as on large ones."""
    return tuple(name.encode() + b"\n" + data for name, data in sorted(world().members.items()))


def _verify_bundle(data: bytes) -> None:
    """Verify the bundle with this one member in its place, in a container that is made well."""
    name, _, content = data[:0xFFFF].partition(b"\n")
    entries, entry = entries_of(world().members), Entry(name=name, data=content)
    known = [n for n, one in enumerate(entries) if one.name == name]
    changed = [entry if n in known else one for n, one in enumerate(entries)] + ([] if known else [entry])
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(forge(changed))
        file.flush()
        report = verify_bundle(Path(file.name), trust=world().keys.trust, at=AT)
    assert (report.overall is Outcome.PASSED) == (changed == entries), f"{name!r}: {report.headline.en}"


def _warcs() -> tuple[bytes, ...]:
    with zipfile.ZipFile(io.BytesIO(world().members[paths.ARCHIVE])) as archive:
        return (archive.read("archive/data.warc.gz"),)


def _read_warc(data: bytes) -> None:
    for _ in read_blocks(io.BytesIO(data), limit_bytes=_UNPACKED):
        pass


def _read_wacz(data: bytes) -> None:
    wacz = Wacz(io.BytesIO(data))
    check_package(wacz)
    for name in wacz.archives:
        with wacz.open(name) as stream:
            for _ in read_blocks(cast("BinaryIO", stream), limit_bytes=_UNPACKED):
                pass


def _read_trust(data: bytes) -> None:
    name = "signer.pem" if data.startswith(b"-") else "ledger.vkey"
    trust_from_files([(name, data)])


def _read_log(data: bytes) -> None:
    check_chain(data, format_name=WORKLOG, capture_id="0f" * 16)
    for _ in parse_lines(data, WORKLOG):
        pass


_UNPACKED: Final = 1 << 24
_VERIFY_POLICY: Final = b'{"format":"evidencekit/policy","version":1,"signers":2,"certificates":["' + b"0" * 64 + b'"]}'
_SEAL, _OUTER = _member(paths.SEAL), _member(paths.asic_signature(1))
_TOKEN = _member(paths.asic_timestamp(1))


def _certificates() -> tuple[bytes, ...]:
    return to_der(world().keys.tsa_certificate), to_der(world().keys.signer.certificate)


def _policies() -> tuple[bytes, ...]:
    return (b"log " + world().members[paths.TRUST_LEDGER].strip() + b"\nquorum none\n",)


def _responses() -> tuple[bytes, ...]:
    return (world().response,)


def _painted() -> tuple[bytes, ...]:
    images = (Image(kind="img", url="https://shop.test/1.png"), Image(kind="canvas", url=""))
    page = Painted(url="https://shop.test/", title="灯铺", images=images, texts=("广告",), frames=("a",), unread=1)
    return (format_painted(page, "0001"),)


def _dom() -> tuple[bytes, ...]:
    return (
        b"<html><title>a</title><body class=x><p id='y'>1 &amp; 2</p><!-- c --><script>1<2</script><br></body></html>",
    )


def _pkcs12() -> tuple[bytes, ...]:
    # Few rounds of key derivation, or a round of fuzzing would be spent in it.
    keys = world().keys
    hide = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1).build(b"secret")
    chains = ([keys.tsa_certificate], None)
    return tuple(
        pkcs12.serialize_key_and_certificates(b"holder", keys.tsa_key, keys.tsa_certificate, chain, hide)
        for chain in chains
    )


HARNESSES: Final[dict[str, Harness]] = {
    "corroboration.painted": Harness(run=lambda data: parse_painted(data, "painted.json"), samples=_painted),
    "corroboration.pictures": Harness(
        run=lambda data: compare(data, make_png(40, 40)), samples=lambda: (make_png(40, 40), make_png(16, 900))
    ),
    "corroboration.dom": Harness(run=lambda data: read_dom(data.decode("utf-8", "replace")), samples=_dom, allowed=()),
    "x509.der": Harness(run=_walk, samples=_TOKEN),
    "x509.ber": Harness(run=ber.normalise, samples=_TOKEN),
    "x509.cms": Harness(run=cms.parse_signed_data, samples=lambda: (*_SEAL(), *_TOKEN())),
    "x509.certificate": Harness(run=load_certificate, samples=_certificates),
    "x509.certificates": Harness(run=load_certificates, samples=_member(paths.TRUST_TSA)),
    "x509.names": Harness(run=canonical_name, samples=lambda: (world().keys.tsa_certificate.subject.public_bytes(),)),
    "x509.crl": Harness(run=load_crl, samples=lambda: (world().crl,)),
    "x509.crl.ask": Harness(run=_ask_crl, samples=lambda: (world().crl,), allowed=()),
    "x509.ocsp.ask": Harness(run=_ask_ocsp, samples=lambda: (world().ocsp,), allowed=()),
    "timestamp.query": Harness(run=parse_query, samples=lambda: (build_query(_DIGEST, nonce=3, policy="1.2.3"),)),
    "timestamp.response": Harness(run=parse_response, samples=_responses),
    "timestamp.token": Harness(run=parse_token, samples=_TOKEN),
    "timestamp.check": Harness(run=_check_token, samples=lambda: (*_responses(), *_TOKEN()), allowed=()),
    "timestamp.record": Harness(run=parse_record, samples=lambda: (world().record,)),
    "timestamp.record.check": Harness(run=_check_record, samples=lambda: (world().record,), allowed=()),
    "signing.pkcs12": Harness(
        run=lambda data: load_pkcs12(data, Path("holder.p12"), b"secret"), samples=_pkcs12, allowed=(SigningError,)
    ),
    "signing.note": Harness(run=lambda data: open_note(data, ()), samples=_member(paths.ENTRY_PROOF)),
    "signing.vkey": Harness(run=_text(parse_vkey), samples=lambda: (world().members[paths.TRUST_LEDGER].strip(),)),
    "ledger.checkpoint": Harness(run=parse_checkpoint, samples=lambda: (b"log.example/x\n7\n" + b"A" * 43 + b"=\n",)),
    "ledger.entry": Harness(run=parse_entry, samples=_member(paths.ENTRY, paths.OPEN_ENTRY)),
    "ledger.policy": Harness(run=parse_policy, samples=_policies),
    "ledger.proof": Harness(run=parse_proof, samples=_member(paths.ENTRY_PROOF, paths.OPEN_PROOF)),
    "ledger.tiles": Harness(run=parse_bundle, samples=lambda: (b"\x00\x03abc\x00\x00",)),
    "bundle.asic": Harness(run=parse_asic_manifest, samples=_member(paths.asic_manifest(1))),
    "bundle.sha256sums": Harness(run=parse_sha256sums, samples=_member(paths.SHA256SUMS)),
    "bundle.sm3sums": Harness(run=parse_sm3sums, samples=_member(paths.SM3SUMS)),
    "bundle.reader": Harness(run=_read_bundle, samples=lambda: (pack(world().members),)),
    "bundle.warc": Harness(run=_read_warc, samples=_warcs),
    "verify.bundle": Harness(run=_verify_bundle, samples=_whole),
    "verify.wacz": Harness(run=_read_wacz, samples=_member(paths.ARCHIVE)),
    "verify.policy": Harness(run=parse_verify_policy, samples=lambda: (_VERIFY_POLICY,)),
    "verify.trust": Harness(
        run=_read_trust, samples=_member(paths.TRUST_SIGNER, paths.TRUST_LEDGER), allowed=(FormatError, UsageError)
    ),
    "report.png": Harness(run=png_size, samples=lambda: (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\5\0\0\0\3\x20",)),
    "hashing.canonical": Harness(
        run=lambda data: parse_canonical(data, limit=1 << 20, what="fuzz"), samples=_member(paths.ENTRY, paths.MANIFEST)
    ),
    "hashing.chainlog": Harness(run=_read_log, samples=_member(paths.WORKLOG)),
    "hashing.manifest": Harness(run=parse_manifest, samples=_member(paths.MANIFEST)),
    "hashing.records": Harness(run=parse_records, samples=_member(paths.RECORDS)),
}
