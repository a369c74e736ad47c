"""The conformance cases as code: what is done to a true bundle, or which bundle is made in its place.

Most forgers here hold the issuer's keys and sign, stamp and log anew after their change: nothing but the one check
that the case names can notice it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from evidencekit.bundle import paths
from evidencekit.bundle.asic import EVIDENCE_RECORD_TYPE, TIMESTAMP_TYPE, AsicReference, format_asic_manifest
from evidencekit.corroboration.painted import Image, Painted, format_painted
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.hashing.digest import digest_bytes
from evidencekit.model import Redirect
from evidencekit.signing.cades import content_of, sign_detached
from evidencekit.signing.identity import create_tsa_identity, key_id
from evidencekit.signing.postquantum import open_post_quantum
from evidencekit.signing.signer import KeySigner, load_private_key
from evidencekit.timestamp.authority import SELF_ISSUED_POLICY, Authority
from evidencekit.timestamp.query import build_query
from evidencekit.timestamp.renewal import begin_records
from evidencekit.timestamp.token import parse_response
from evidencekit.verify.policy import Policy
from evidencekit.verify.trust import Trust
from evidencekit.verify.verifier import Beside
from evidencekit.x509.handshakefile import format_handshake, parse_handshake
from tests.conformance.hostile import Frame, entries_of, forge
from tests.support.assembly import (
    AT,
    FOREIGN_POLICY,
    NOW,
    Hooks,
    Keys,
    Members,
    Plan,
    bare_token,
    make_members,
    make_png,
    make_wacz,
    pack,
    reseal,
)
from tests.support.handshakes import handshake, server
from tests.support.issued import TestCa

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.hashing.manifest import Manifest
    from evidencekit.hashing.records import Records
    from evidencekit.ledger.anchors.anchor import Receipt
    from evidencekit.model import JsonValue


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A bundle's bytes (or an unpacked one's members), how it is to be verified, and what its verifier holds beside."""

    data: bytes | Members
    trust: Trust
    at: datetime = AT
    policy: Policy = field(default_factory=Policy)
    copies: tuple[bytes, ...] = ()
    receipts: tuple[Receipt, ...] = ()

    @property
    def beside(self) -> Beside:
        """What the library is given beside the bundle."""
        files = tuple((len(data), digest_bytes(data)) for data in self.copies)
        return Beside(files=files, receipts=self.receipts)


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Two issuers and a folder to work in."""

    keys: Keys
    others: Keys
    folder: Path

    def members(self, **plan: object) -> Members:
        """Make a bundle's members; `plan` are fields of `Plan`."""
        return make_members(replace(Plan(keys=self.keys), **plan), self.folder)  # type: ignore[arg-type]

    def exhibit(self, members: Mapping[str, bytes], **terms: object) -> Exhibit:
        """Pack members, to be judged with all of the issuer's anchors unless `terms` say otherwise."""
        return replace(Exhibit(data=pack(members), trust=self.keys.trust), **terms)  # type: ignore[arg-type]

    def hooked(self, hooks: Hooks, **plan: object) -> Exhibit:
        """Make, pack and hand over a bundle in whose making `hooks` meddled."""
        return self.exhibit(self.members(hooks=hooks, **plan))

    def resealed(self, change: Callable[[Members], None], **plan: object) -> Exhibit:
        """Change members of a finished bundle, and make SUMS and the outer seal anew."""
        members = self.members(**plan)
        change(members)
        return self.exhibit(reseal(members, self.keys))


Forgery = Callable[[Workshop], Exhibit]
CASES: dict[str, Forgery] = {}


def case(name: str) -> Callable[[Forgery], Forgery]:
    """Register a case under the name of its folder."""

    def register(forgery: Forgery) -> Forgery:
        CASES[name] = forgery
        return forgery

    return register


def _set(name: str, data: bytes) -> Callable[[Members], None]:
    return lambda members: members.update({name: data})


def _drop(name: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        del members[name]

    return change


def _hook(**hooks: object) -> Forgery:
    return lambda shop: shop.hooked(Hooks(**hooks))  # type: ignore[arg-type]


def _plan(**plan: object) -> Forgery:
    return lambda shop: shop.exhibit(shop.members(**plan))


def _reseal(change: Callable[[Members], None]) -> Forgery:
    return lambda shop: shop.resealed(change)


def _swap(member: str, old: bytes, new: bytes) -> Callable[[Members], Members]:
    def change(members: Members) -> Members:
        assert old in members[member]
        return members | {member: members[member].replace(old, new)}

    return change


def _json(member: str, change: Callable[[dict[str, JsonValue]], None]) -> Callable[[Members], None]:
    def edit(members: Members) -> None:
        value = json.loads(members[member])
        change(value)
        members[member] = canonical_bytes(value)

    return edit


# --- true bundles ------------------------------------------------------------------------------

CASES["whole"] = _plan()
CASES["whole_nothing_withheld"] = _plan(withhold=False)
CASES["whole_stranger"] = lambda shop: shop.exhibit(shop.members(), trust=Trust.stranger())
CASES["whole_trust_self"] = lambda shop: shop.exhibit(shop.members(), trust=Trust(self_bundle=True))
CASES["whole_self_issued_time"] = _plan(policy=SELF_ISSUED_POLICY)
CASES["whole_unwitnessed_self_issued"] = _plan(policy=SELF_ISSUED_POLICY, witnessed=False)
CASES["whole_unpacked"] = lambda shop: Exhibit(data=shop.members(), trust=shop.keys.trust)
CASES["whole_only_signer_known"] = lambda shop: shop.exhibit(
    shop.members(), trust=Trust(signers=shop.keys.trust.signers)
)


@case("whole_repacked")
def repacked(shop: Workshop) -> Exhibit:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(shop.members().items(), key=lambda item: item[0] != paths.MIMETYPE):
            archive.writestr(name, data, zipfile.ZIP_STORED if name == paths.MIMETYPE else None)
    return Exhibit(data=out.getvalue(), trust=shop.keys.trust)


def grown(shop: Workshop, members: Members, *, leave_out: str = "") -> Members:
    """Add a second time-stamp, months later, over everything that was there."""
    later = NOW + timedelta(hours=12)
    names = sorted(name for name in members if name not in {paths.MIMETYPE, leave_out})
    references = [
        AsicReference(uri=name, media_type=paths.media_type(name), sha256=hashlib.sha256(members[name]).digest())
        for name in names
    ]
    third = format_asic_manifest(paths.asic_timestamp(2), TIMESTAMP_TYPE, references)
    return members | {
        paths.asic_manifest(3): third,
        paths.asic_timestamp(2): bare_token(third, shop.keys, later),
    }


CASES["whole_grown"] = lambda shop: shop.exhibit(grown(shop, shop.members()))
CASES["grown_over_less_fail"] = lambda shop: shop.exhibit(
    grown(shop, shop.members(), leave_out=paths.asic_timestamp(1))
)
CASES["grown_stray_signature_fail"] = lambda shop: shop.exhibit(shop.members() | {paths.asic_signature(2): b"\x30\x00"})
CASES["grown_other_member_fail"] = lambda shop: shop.exhibit(shop.members() | {"capture/later.txt": b"later"})

# --- wholesale forgery -------------------------------------------------------------------------


@case("forged_whole")
def forged_whole(shop: Workshop) -> Exhibit:
    """The forger runs our own code against a fake server: all is consistent, and none of it is the issuer's."""
    return shop.exhibit(make_members(Plan(keys=shop.others), shop.folder))


@case("forged_whole_stranger")
def forged_whole_stranger(shop: Workshop) -> Exhibit:
    return shop.exhibit(make_members(Plan(keys=shop.others), shop.folder), trust=Trust.stranger())


@case("forged_whole_trust_self")
def forged_whole_trust_self(shop: Workshop) -> Exhibit:
    return shop.exhibit(make_members(Plan(keys=shop.others), shop.folder), trust=Trust(self_bundle=True))


# --- container and lists -----------------------------------------------------------------------

CASES["member_added_fail"] = _reseal(_set("capture/added.txt", b"added"))
CASES["member_instructions_gone_fail"] = _reseal(_drop(paths.VERIFY_EN))
CASES["member_custody_gone_fail"] = _reseal(_drop(paths.CUSTODY))
CASES["mimetype_other_fail"] = _reseal(_set(paths.MIMETYPE, b"application/zip"))
CASES["certificate_changed_fail"] = lambda shop: shop.exhibit(
    _swap(paths.CERTIFICATE_HTML, b"<h1>", b"<h2>")(shop.members())
)


def _sums(name: str, change: Callable[[bytes], bytes]) -> Forgery:
    return _hook(before_asic=lambda members: members | {name: change(members[name])})


def _without_first_line(data: bytes) -> bytes:
    return data.partition(b"\n")[2]


CASES["sums_sha256_short_fail"] = _sums(paths.SHA256SUMS, _without_first_line)
CASES["sums_sm3_short_fail"] = _sums(paths.SM3SUMS, _without_first_line)
CASES["sums_sm3_wrong_fail"] = _sums(paths.SM3SUMS, lambda data: re.sub(rb"= [0-9a-f]", b"= x", data, count=1))
CASES["sums_sha256_wrong_fail"] = _sums(paths.SHA256SUMS, lambda data: (b"0" if data[:1] != b"0" else b"1") + data[1:])

# --- outer seal --------------------------------------------------------------------------------


def _outer(change: Callable[[Members, Workshop], None]) -> Forgery:
    def forge(shop: Workshop) -> Exhibit:
        members = shop.members()
        change(members, shop)
        return shop.exhibit(members)

    return forge


def _sign_as_other(members: Members, shop: Workshop) -> None:
    digest = hashlib.sha256(members[paths.asic_manifest(1)]).digest()
    members[paths.asic_signature(1)] = sign_detached(digest, shop.others.signer, at=NOW)


def _resealed_by_other(shop: Workshop) -> Exhibit:
    members = reseal(shop.members(), shop.others)
    trust = replace(shop.keys.trust, tsas=(shop.others.tsa_certificate, *shop.keys.trust.tsas))
    return shop.exhibit(members, trust=trust)


CASES["outer_signature_of_other_fail"] = _outer(_sign_as_other)
CASES["outer_signer_other_fail"] = _resealed_by_other
CASES["outer_signature_garbage_fail"] = _outer(
    lambda m, _: m.update({paths.asic_signature(1): b"\x30\x03\x02\x01\x01"})
)
CASES["outer_token_other_data_fail"] = _outer(
    lambda m, shop: m.update({paths.asic_timestamp(1): bare_token(b"other", shop.keys, NOW)})
)
CASES["outer_token_untrusted"] = _outer(
    lambda m, shop: m.update({paths.asic_timestamp(1): bare_token(m[paths.asic_manifest(2)], shop.others, NOW)})
)
CASES["outer_manifest_garbage_fail"] = _outer(lambda m, _: m.update({paths.asic_manifest(1): b"<x/>"}))

# --- record ------------------------------------------------------------------------------------


def _manifest(change: Callable[[Manifest], Manifest]) -> Forgery:
    return _hook(manifest=change)


def _as_old(manifest: Manifest) -> Manifest:
    """A record of seven years ago, sealed, stamped and entered today."""
    back = timedelta(days=7 * 365)
    pages = tuple(
        replace(page, **{name: getattr(page, name) - back for name in ("started_at", "initial_at", "finished_at")})
        for page in manifest.pages
    )
    artifacts = tuple(replace(each, hashed_at=each.hashed_at - back) for each in manifest.artifacts)
    started, finished = manifest.started_at - back, manifest.finished_at - back
    return replace(manifest, pages=pages, artifacts=artifacts, started_at=started, finished_at=finished)


def _with_artifact_leaf(manifest: Manifest) -> Manifest:
    first, *rest = manifest.artifacts
    return replace(manifest, artifacts=(replace(first, leaf=bytes(32)), *rest))


def _without_screenshot(manifest: Manifest) -> Manifest:
    kept = tuple(replace(a, role="other") if a.role == "screenshot" else a for a in manifest.artifacts)
    return replace(manifest, artifacts=kept)


def _lying_records(records: Records) -> Records:
    first, *rest = records.records
    assert first.digests is not None
    lie = replace(first, digests=replace(first.digests, sm3="0" * 64))
    return replace(records, records=(lie, *rest))


def _withheld_screenshot(records: Records) -> Records:
    lines = tuple(
        replace(a, size=None, digests=None, salt=None, withheld=("redacted",)) if a.path.endswith("shot.png") else a
        for a in records.artifacts
    )
    return replace(records, artifacts=lines)


def _without(name: str) -> Callable[[Members], Members]:
    return lambda members: {path: data for path, data in members.items() if path != name}


SCREENSHOT = "capture/pages/0001/screenshot.png"
CASES["manifest_root_fail"] = _manifest(lambda m: replace(m, artifacts_root=bytes(32)))
CASES["manifest_leaf_fail"] = _manifest(_with_artifact_leaf)
CASES["manifest_records_root_fail"] = _manifest(lambda m: replace(m, records=replace(m.records, root=bytes(32))))
CASES["manifest_times_fail"] = _manifest(lambda m: replace(m, finished_at=m.started_at - timedelta(seconds=1)))
CASES["manifest_minimum_fail"] = _manifest(_without_screenshot)
CASES["manifest_not_canonical_fail"] = _hook(manifest_bytes=lambda data: data.replace(b",", b", ", 1))
CASES["manifest_newer_version"] = _hook(
    manifest_bytes=lambda data: data.replace(b'"version":1,"withheld"', b'"version":2,"withheld"')
)
CASES["artifact_changed_fail"] = _hook(artifacts=_swap(SCREENSHOT, b"full", b"fake"))
CASES["artifact_gone_fail"] = _hook(artifacts=_without(SCREENSHOT))
CASES["artifact_withheld"] = _hook(records=_withheld_screenshot, artifacts=_without(SCREENSHOT))
CASES["artifact_withheld_but_there_fail"] = _hook(records=_withheld_screenshot)
CASES["record_lies_fail"] = _hook(records=_lying_records)
CASES["capture_root_fail"] = _hook(capture_root=lambda data: re.sub(rb'"root":"[0-9a-f]{4}', b'"root":"0000', data))

# --- archive -----------------------------------------------------------------------------------


def _gzip_members(data: bytes) -> list[bytes]:
    starts = [match.start() for match in re.finditer(rb"\x1f\x8b\x08\x00\x00\x00\x00\x00", data)]
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


def _rebuilt(edit: Callable[[Members], None]) -> Callable[[bytes], bytes]:
    """Change members of a WACZ without telling its datapackage."""

    def change(data: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as source:
            members = {name: source.read(name) for name in source.namelist()}
        edit(members)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as target:
            for name, content in members.items():
                target.writestr(zipfile.ZipInfo(name), content)
        return out.getvalue()

    return change


def _warc_of(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        return source.read("archive/data.warc.gz")


def _signed_wacz(data: bytes, *, over: bytes | None = None, spoil: bool = False) -> bytes:
    """Give the WACZ an anonymous signature, over its own datapackage or over other bytes."""
    key = ec.derive_private_key(7, ec.SECP256R1())
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        package = source.read("datapackage.json") if over is None else over
    digest = f"sha256:{hashlib.sha256(package).hexdigest()}"
    signature = key.sign(digest.encode(), ec.ECDSA(hashes.SHA256()))
    if spoil:
        signature = key.sign(b"sha256:something else", ec.ECDSA(hashes.SHA256()))
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signed: JsonValue = {
        "hash": digest,
        "publicKey": base64.b64encode(public).decode(),
        "signature": base64.b64encode(signature).decode(),
    }
    return make_wacz(_warc_of(data), signed=signed)


CASES["archive_block_gone_fail"] = _hook(warc=lambda data: b"".join(_gzip_members(data)[:-1]))
CASES["archive_block_twice_fail"] = _hook(warc=lambda data: data + _gzip_members(data)[-1])


def _foreign_block(data: bytes) -> bytes:
    plain = gzip.decompress(_gzip_members(data)[-1])
    plain = plain.replace(b"000001.response", b"000009.response")
    plain = re.sub(rb"urn:uuid:........", b"urn:uuid:00000000", plain)
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return data + packer.compress(plain) + packer.flush()


def _changed_block(data: bytes) -> bytes:
    *rest, last = _gzip_members(data)
    plain = gzip.decompress(last).replace(b"<h1>one", b"<h1>two")
    block = plain.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n\r\n")
    digest = hashlib.sha256(block).hexdigest().encode()
    plain = re.sub(rb"Block-Digest: sha256:[0-9a-f]{64}", b"Block-Digest: sha256:" + digest, plain)
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return b"".join([*rest, packer.compress(plain), packer.flush()])


CASES["archive_block_foreign_fail"] = _hook(warc=_foreign_block)
CASES["archive_block_changed_fail"] = _hook(warc=_changed_block)
CASES["archive_not_gzip_fail"] = _hook(warc=lambda data: data + b"x")
CASES["wacz_no_index_fail"] = _hook(wacz=_rebuilt(_drop("indexes/index.cdxj")))
CASES["wacz_unlisted_fail"] = _hook(wacz=_rebuilt(_set("logs/extra.log", b"extra")))
CASES["wacz_pages_changed_fail"] = _hook(wacz=_rebuilt(_set("pages/pages.jsonl", b"{}\n")))
CASES["wacz_package_digest_fail"] = _hook(
    wacz=_rebuilt(_set("datapackage-digest.json", b'{"path":"datapackage.json","hash":"sha256:00"}'))
)
CASES["wacz_not_zip_fail"] = _hook(wacz=lambda _: b"PK")
CASES["wacz_signed"] = _hook(wacz=_signed_wacz)
CASES["wacz_signature_transplanted_fail"] = _hook(wacz=lambda data: _signed_wacz(data, over=b"another package"))
CASES["wacz_signature_wrong_fail"] = _hook(wacz=lambda data: _signed_wacz(data, spoil=True))

# --- exchanges, logs, environment --------------------------------------------------------------


def _lines(name: str, change: Callable[[list[bytes]], list[bytes]]) -> Forgery:
    def edit(members: Members) -> Members:
        lines = members[name].splitlines(keepends=True)
        return members | {name: b"".join(change(lines))}

    return _hook(files=edit)


def _in_file(name: str, old: bytes, new: bytes) -> Forgery:
    return _hook(files=_swap(name, old, new))


CASES["exchange_gone_fail"] = _lines(paths.EXCHANGES, lambda lines: lines[:-1])
CASES["exchange_twice_fail"] = _lines(paths.EXCHANGES, lambda lines: [lines[0], lines[1], lines[1]])
CASES["exchange_outcome_fail"] = _in_file(paths.EXCHANGES, b'"outcome":"failed"', b'"outcome":"partial"')
CASES["exchange_record_unnamed_fail"] = _in_file(paths.EXCHANGES, b'"000001.response",', b"")
CASES["exchange_redirect_to_nowhere_fail"] = _in_file(
    paths.EXCHANGES, b'"redirected_to":null,"url"', b'"redirected_to":"000007","url"'
)
CASES["exchange_other_capture_fail"] = _lines(
    paths.EXCHANGES, lambda lines: [re.sub(rb'"capture_id":"....', b'"capture_id":"0000', lines[0]), *lines[1:]]
)
CASES["worklog_line_gone_fail"] = _lines(paths.WORKLOG, lambda lines: [*lines[:2], *lines[3:]])
CASES["worklog_lines_swapped_fail"] = _lines(paths.WORKLOG, lambda lines: [lines[0], lines[2], lines[1], *lines[3:]])
CASES["worklog_end_gone_fail"] = _lines(paths.WORKLOG, lambda lines: lines[:-1])
CASES["worklog_line_edited_fail"] = _in_file(paths.WORKLOG, b'"step":"navigate"', b'"step":"navigatf"')


def _custody(change: Callable[[bytes], bytes]) -> Forgery:
    return _reseal(lambda members: members.update({paths.CUSTODY: change(members[paths.CUSTODY])}))


CASES["custody_other_log_fail"] = _custody(lambda log: re.sub(rb'"previous":"....', b'"previous":"0000', log, count=1))
CASES["custody_line_gone_fail"] = _custody(lambda log: b"".join(log.splitlines(keepends=True)[::2]))
CASES["custody_empty_fail"] = _custody(lambda log: log.splitlines(keepends=True)[0])


def _environment(results: Mapping[str, str]) -> Forgery:
    counts = {
        name: sum(found == name for found in results.values()) for name in ("FAIL", "NOT_PERFORMED", "PASS", "WARN")
    }

    def edit(members: Members) -> Members:
        report = json.loads(members[paths.ENVIRONMENT])
        reason = {"en": "seen", "zh": "见到"}
        report["checks"] = [{"id": name, "reason": reason, "result": found} for name, found in results.items()]
        report["counts"] = counts
        return members | {paths.ENVIRONMENT: canonical_bytes(report)}

    return _hook(files=edit)


CASES["environment_warns"] = _environment({"hosts": "WARN", "devtools.exclusive": "PASS"})
CASES["environment_idle_probe"] = _environment({"hosts": "NOT_PERFORMED", "devtools.exclusive": "NOT_PERFORMED"})
CASES["environment_no_probe"] = _environment({})
CASES["environment_saw_forgery_fail"] = _environment({"hosts": "FAIL", "devtools.exclusive": "PASS"})
CASES["devtools_open_fail"] = _environment({"hosts": "PASS", "devtools.exclusive": "FAIL"})
CASES["environment_counts_lie_fail"] = _in_file(paths.ENVIRONMENT, b'"PASS":2', b'"PASS":9')

_HANDSHAKE = "capture/tls/shop.test.handshake.json"


def _other_handshake(host: str, *, signed: bool) -> Forgery:
    """A handshake with another server, or one whose signature is taken from yet another handshake."""

    def change(members: Members) -> Members:
        file = parse_handshake(members[_HANDSHAKE], _HANDSHAKE)
        messages = handshake(server(0x0403, host), host)
        if not signed:
            messages[-1] = file.messages[-1]
        return members | {_HANDSHAKE: format_handshake(replace(file, messages=tuple(messages)))}

    return _hook(files=change)


CASES["tls_signature_transplanted_fail"] = _other_handshake("shop.test", signed=False)
CASES["tls_other_host_fail"] = _other_handshake("other.test", signed=True)
CASES["tls_no_handshake"] = _hook(files=_without(_HANDSHAKE))
CASES["network_not_kept"] = _hook(files=_without(paths.NETWORK))
CASES["network_disagrees"] = _in_file(paths.NETWORK, b'"status":200', b'"status":404')
CASES["network_knows_less"] = _in_file(paths.NETWORK, b'"unmatched":[]', b'"unmatched":["000001"]')
CASES["network_names_nothing_fail"] = _in_file(paths.NETWORK, b'"exchange":"000001"', b'"exchange":"000009"')

# --- the record against itself -----------------------------------------------------------------

DOM = "capture/pages/0001/dom.html"


def _page_says(html: str) -> Forgery:
    return _hook(files=lambda files: files | {DOM: html.encode()})


def _dns_says(address: str) -> Callable[[Members], None]:
    return _json(
        paths.NETWORK, lambda report: report.update(dns=[{"addresses": [address], "error": None, "host": "shop.test"}])
    )


def _edited(change: Callable[[Members], None]) -> Callable[[Members], Members]:
    def edit(files: Members) -> Members:
        changed = dict(files)
        change(changed)
        return changed

    return edit


CASES["corroboration_text_without_script"] = _page_says(
    "<html><h1>one</h1><p>The seller gave the lamps away.</p></html>"
)
CASES["corroboration_text_unaccounted"] = lambda shop: shop.hooked(
    Hooks(files=lambda files: files | {DOM: b"<html><h1>lamps</h1><p>The seller gave the lamps away.</p></html>"}),
    seed="<script>lamps",
)
CASES["corroboration_image_unasked"] = _page_says('<html><h1>one</h1><img src="https://shop.test/lamp.png"></html>')
CASES["corroboration_location_status"] = _manifest(
    lambda m: replace(m, pages=(replace(m.pages[0], status=404), *m.pages[1:]))
)
CASES["corroboration_location_elsewhere"] = _manifest(
    lambda m: replace(m, pages=(replace(m.pages[0], final_url="https://other.test/"), *m.pages[1:]))
)
CASES["corroboration_pictures_differ"] = _hook(
    files=lambda files: files | {SCREENSHOT: make_png(32, 64, "full", b"\x11\x22\x33")}
)


PAINTED = "capture/pages/0001/painted.json"


def _painted(**said: object) -> Forgery:
    painted = Painted(url="https://shop.test/", title="", images=(), texts=(), frames=(), unread=0)
    data = format_painted(replace(painted, **said), "0001")  # type: ignore[arg-type]
    return _hook(files=lambda files: files | {PAINTED: data})


CASES["corroboration_painted"] = _painted(
    images=(Image(kind="canvas", url=""), Image(kind="img", url="data:image/png"), Image(kind="img", url="blob:"))
)
CASES["corroboration_image_of_extension"] = _painted(images=(Image(kind="img", url="chrome-extension://abc/x.png"),))
CASES["corroboration_image_painted_unasked"] = _painted(images=(Image(kind="img", url="https://shop.test/l.png"),))
CASES["corroboration_renderer_elsewhere"] = _painted(url="https://other.test/")
CASES["corroboration_title_other"] = _page_says(
    "<html><head><title>Another</title></head><svg><title>one</title></svg><h1>one</h1></html>"
)
CASES["corroboration_title_in_entities"] = _page_says(
    "<html><head><title>&#111;&#x6e; \u200be</title></head><h1>one</h1></html>"
)
CASES["corroboration_redirect_unlogged"] = _manifest(
    lambda m: replace(
        m, pages=(replace(m.pages[0], redirects=(Redirect(url="http://shop.test/", status=301),)), *m.pages[1:])
    )
)
CASES["corroboration_nothing_asked"] = _manifest(
    lambda m: replace(m, pages=(replace(m.pages[0], requested_url="https://shop.test/never"), *m.pages[1:]))
)
CASES["corroboration_painted_garbage"] = _hook(files=lambda files: files | {PAINTED: b"{}"})
CASES["corroboration_painted_newer"] = _hook(
    files=lambda files: files | {PAINTED: b'{"format":"evidencekit/painted","version":2}'}
)


def _capture_says_of_its_re_render(outcome: str) -> Forgery:
    check: JsonValue = {
        "details": {},
        "id": "corroboration.rerender",
        "notes": [],
        "outcome": outcome,
        "reason": {"en": "as the measure says", "zh": "以度量为准"},
    }
    said = canonical_bytes({"checks": [check], "format": "evidencekit/corroboration", "version": 1})
    return _hook(files=lambda files: files | {paths.CORROBORATION: said})


CASES["corroboration_rerender_agrees"] = _capture_says_of_its_re_render("PASSED")
CASES["corroboration_rerender_differs"] = _capture_says_of_its_re_render("INDETERMINATE")
CASES["corroboration_rerender_without_browser"] = _capture_says_of_its_re_render("NOT_PERFORMED")
CASES["corroboration_peer_unknown"] = _hook(files=_edited(_dns_says("198.51.100.9")))

# --- signature ---------------------------------------------------------------------------------


@case("seal_transplanted_fail")
def seal_transplanted(shop: Workshop) -> Exhibit:
    other = shop.members(seed="two")
    return shop.resealed(_set(paths.SEAL, other[paths.SEAL]))


@case("seal_of_other_signer_fail")
def seal_of_other(shop: Workshop) -> Exhibit:
    def change(members: Members) -> None:
        digest = hashlib.sha256(members[paths.MANIFEST]).digest()
        members[paths.SEAL] = sign_detached(digest, shop.others.signer, at=NOW)

    return shop.resealed(change)


def _second_seal(
    change: Callable[[bytes], bytes | None] = lambda seal: seal, *, named: bool = True, trusted: bool = True
) -> Forgery:
    """A bundle with a second signature, ML-DSA-65: `change` gives it or takes it away, `named` by the manifest."""

    def forgery(shop: Workshop) -> Exhibit:
        (shop.folder / "second").mkdir(mode=0o700)
        issuer = shop.keys.signer.certificate
        second = open_post_quantum(shop.folder / "second", beside=issuer, now=NOW - timedelta(days=30))
        name = key_id(second.certificate) if named else None
        hooks = Hooks(manifest=lambda m: replace(m, signer=replace(m.signer, post_quantum_sha256=name)))
        members = shop.members(hooks=hooks)
        seal = change(sign_detached(content_of(members[paths.MANIFEST]), second, at=NOW))
        members[paths.TRUST_POST_QUANTUM] = second.certificate.public_bytes(Encoding.PEM)
        if seal is not None:
            members[paths.POST_QUANTUM_SEAL] = seal
        trust = shop.keys.trust
        anchors = (*trust.signers, second.certificate) if trusted else trust.signers
        return shop.exhibit(reseal(members, shop.keys), trust=replace(trust, signers=anchors))

    return forgery


def _flipped(seal: bytes) -> bytes:
    return seal[:-20] + bytes((seal[-20] ^ 1,)) + seal[-19:]


CASES["second_seal"] = _second_seal()
CASES["second_seal_not_trusted"] = _second_seal(trusted=False)
CASES["second_seal_changed_fail"] = _second_seal(_flipped)
CASES["second_seal_gone_fail"] = _second_seal(lambda _: None)
CASES["second_seal_unnamed_fail"] = _second_seal(named=False)
CASES["second_seal_garbage_fail"] = _second_seal(lambda _: b"\x30\x00")


def _issued_signer(member: str, *, revoked: bool) -> Forgery:
    """A signer under an authority, and what it answered about the signer's certificate, kept in the bundle."""

    def forgery(shop: Workshop) -> Exhibit:
        ca, key = TestCa(at=NOW - timedelta(days=1)), ec.generate_private_key(ec.SECP256R1())
        certificate = ca.issue("Issued signer", key)
        keys = replace(shop.keys, signer=KeySigner(key, certificate, (ca.certificate,)))
        answer = ca.answer(certificate, revoked=revoked) if member.endswith(".ocsp") else ca.crl(revoked=revoked)
        members = make_members(Plan(keys=keys), shop.folder)
        trust = replace(shop.keys.trust, signers=(ca.certificate,))
        return shop.exhibit(reseal(members | {member: answer}, keys), trust=trust)

    return forgery


CASES["signer_not_revoked"] = _issued_signer("proof/seal/1.ocsp", revoked=False)
CASES["signer_not_revoked_by_list"] = _issued_signer("proof/seal/1.crl", revoked=False)
CASES["signer_revoked_fail"] = _issued_signer("proof/seal/1.ocsp", revoked=True)
CASES["signer_revoked_by_list_fail"] = _issued_signer("proof/seal/1.crl", revoked=True)


def _issued_tsa(answer: Callable[[TestCa, x509.Certificate], bytes], suffix: str = ".ocsp") -> Forgery:
    """A TSA under an authority, and what the authority answered about its certificate, kept in the bundle."""

    def forgery(shop: Workshop) -> Exhibit:
        ca, key = TestCa(at=NOW - timedelta(days=1)), ec.generate_private_key(ec.SECP256R1())
        certificate = ca.issue("Issued TSA", key, purpose=ExtendedKeyUsageOID.TIME_STAMPING)
        keys = replace(shop.keys, tsa_certificate=certificate, tsa_key=key)
        members = make_members(Plan(keys=keys), shop.folder) | {f"proof/tsa/1{suffix}": answer(ca, certificate)}
        trust = replace(shop.keys.trust, tsas=(ca.certificate,))
        return shop.exhibit(reseal(members, keys), trust=trust)

    return forgery


def _by_delegate(ca: TestCa, about: x509.Certificate, *purposes: x509.ObjectIdentifier) -> bytes:
    """A revocation signed by somebody whom the authority issued, for OCSP signing or not."""
    key = ec.generate_private_key(ec.SECP256R1())
    delegate = ca.issue("Responder", key, purpose=purposes[0] if purposes else None)
    return ca.answer(about, revoked=True, by=(delegate, key))


CASES["tsa_revoked_fail"] = _issued_tsa(lambda ca, about: ca.answer(about, revoked=True))
CASES["tsa_revoked_by_delegate_fail"] = _issued_tsa(
    lambda ca, tsa: _by_delegate(ca, tsa, ExtendedKeyUsageOID.OCSP_SIGNING)
)
CASES["tsa_revoked_by_nobody"] = _issued_tsa(_by_delegate)
CASES["tsa_superseded_later"] = _issued_tsa(
    lambda ca, tsa: replace(ca, at=ca.at + timedelta(days=2)).answer(
        tsa, revoked=True, reason=x509.ReasonFlags.superseded
    )
)
CASES["tsa_compromised_later_fail"] = _issued_tsa(
    lambda ca, tsa: replace(ca, at=ca.at + timedelta(days=2)).answer(tsa, revoked=True)
)
CASES["request_of_another_token_fail"] = _reseal(_set("proof/tsa/open-1.tsq", build_query(bytes(32), nonce=7)))
CASES["request_garbage_fail"] = _reseal(_set("proof/tsa/seal-1.tsq", b"\x30\x00"))
CASES["seal_garbage_fail"] = _reseal(_set(paths.SEAL, b"\x30\x03\x02\x01\x01"))
CASES["seal_gone_fail"] = _reseal(_drop(paths.SEAL))
CASES["manifest_gone_fail"] = _reseal(_drop(paths.MANIFEST))
CASES["signer_not_trusted"] = lambda shop: shop.exhibit(
    shop.members(), trust=replace(shop.keys.trust, signers=shop.others.trust.signers)
)
CASES["certificate_expired_later"] = lambda shop: shop.exhibit(shop.members(), at=AT + timedelta(days=365 * 20))
CASES["certificate_expired_unstamped"] = lambda shop: shop.exhibit(
    shop.members(), at=AT + timedelta(days=365 * 20), trust=Trust(signers=shop.keys.trust.signers)
)


def renewed(shop: Workshop, years: int, *, spoil: bool = False) -> Exhibit:
    """An evidence record by a younger TSA over everything, `years` later; judged 12 years later."""
    made = NOW + timedelta(days=365 * years)
    later = create_tsa_identity(shop.folder / f"tsa-{years}-{spoil}", common_name="Younger TSA", now=made)
    key = load_private_key(later.key_file.read_bytes(), later.key_file)
    tsa = Authority(key, later.signer.certificate, policy=FOREIGN_POLICY, clock=lambda: made)
    members = shop.members()
    covered = sorted(name for name in members if name != paths.MIMETYPE)
    digests = [hashlib.sha256(members[name] + b"!" * spoil).digest() for name in covered]
    (record,) = begin_records([digests], "sha256", lambda _, digest: _token_of(tsa, digest))
    manifest = format_asic_manifest(
        paths.evidence_record(1),
        EVIDENCE_RECORD_TYPE,
        [
            AsicReference(uri=name, media_type=paths.media_type(name), sha256=hashlib.sha256(members[name]).digest())
            for name in covered
        ],
    )
    grown_members = members | {paths.evidence_record_manifest(1): manifest, paths.evidence_record(1): record}
    trust = shop.keys.trust
    return shop.exhibit(
        grown_members,
        at=AT + timedelta(days=365 * 12),
        trust=replace(trust, tsas=(*trust.tsas, later.signer.certificate)),
    )


def _token_of(tsa: Authority, digest: bytes) -> bytes:
    token = parse_response(tsa.reply(build_query(digest))).token
    assert token is not None
    return token


def _loose_record(shop: Workshop) -> Exhibit:
    """A record with a member of META-INF that nothing names."""
    return shop.exhibit(shop.members() | {paths.evidence_record(1): b"\x30\x00"})


CASES["certificate_expired_renewed"] = lambda shop: renewed(shop, 9)
CASES["certificate_expired_renewed_late"] = lambda shop: renewed(shop, 11)
CASES["record_of_other_data_fail"] = lambda shop: renewed(shop, 9, spoil=True)
CASES["record_without_manifest_fail"] = _loose_record

# --- time --------------------------------------------------------------------------------------

CASES["time_open_pending"] = _plan(stamp_open=False)
CASES["time_capture_pending"] = _plan(stamp_capture=False)
CASES["time_seal_pending"] = _plan(stamp_seal=False)
CASES["time_order_open_last_fail"] = _plan(open_s=100, outer_s=200)
CASES["time_order_capture_after_seal_fail"] = _plan(capture_s=100, outer_s=200)
CASES["time_clock_wrong"] = _plan(open_s=4000, capture_s=4010, seal_s=4020, outer_s=4030)
CASES["time_old_record_resealed"] = _manifest(_as_old)
CASES["time_in_the_future_fail"] = lambda shop: shop.exhibit(shop.members(), at=NOW - timedelta(days=1))
CASES["time_document_other_fail"] = _reseal(_json(paths.OPEN_DOCUMENT, lambda d: d.update(request={"urls": []})))
CASES["time_open_token_gone_fail"] = _reseal(_drop(paths.open_token(1)))
CASES["time_capture_token_of_other_fail"] = lambda shop: shop.resealed(
    _set(paths.capture_token("0001", 1), shop.members(seed="two")[paths.capture_token("0001", 1)])
)
CASES["time_seal_token_of_other_fail"] = lambda shop: shop.resealed(
    _set(paths.seal_token(1), shop.members(seed="two")[paths.seal_token(1)])
)
CASES["tsa_not_trusted"] = lambda shop: shop.exhibit(
    shop.members(), trust=replace(shop.keys.trust, tsas=shop.others.trust.tsas)
)
CASES["tsa_anchor_vouches_for_no_signer"] = lambda shop: shop.exhibit(
    shop.members(), trust=replace(shop.keys.trust, signers=(), tsas=(*shop.keys.trust.tsas, *shop.keys.trust.signers))
)

# --- ledger ------------------------------------------------------------------------------------

CASES["entry_other_number_fail"] = _hook(entry=lambda entry: replace(entry, number="9F3C2026000000999K"))
CASES["entry_other_manifest_fail"] = _hook(entry=lambda entry: replace(entry, manifest=digest_bytes(b"other")))
CASES["entry_other_token_fail"] = _hook(entry=lambda entry: replace(entry, timestamp="00" * 32))
CASES["entry_token_denied_fail"] = _hook(entry=lambda entry: replace(entry, timestamp="none"))
CASES["entry_other_open_fail"] = _hook(entry=lambda entry: replace(entry, open=2))
CASES["checkpoint_unsigned_by_log_fail"] = _hook(checkpoint_signers=lambda keys: (keys.witness,))
CASES["log_not_trusted"] = lambda shop: shop.exhibit(shop.members(), trust=replace(shop.keys.trust, logs=()))
CASES["log_of_others_trusted"] = lambda shop: shop.exhibit(
    shop.members(), trust=replace(shop.keys.trust, logs=shop.others.trust.logs)
)
CASES["log_unwitnessed"] = _plan(witnessed=False)


def _transplant(*names: str) -> Forgery:
    def forge(shop: Workshop) -> Exhibit:
        other = shop.members(seed="two")
        return shop.resealed(lambda members: members.update({name: other[name] for name in names}))

    return forge


CASES["entry_transplanted_fail"] = _transplant(paths.ENTRY, paths.ENTRY_PROOF)
CASES["proof_transplanted_fail"] = _transplant(paths.ENTRY_PROOF)
CASES["open_entry_transplanted_fail"] = _transplant(paths.OPEN_ENTRY, paths.OPEN_PROOF)
CASES["open_proof_transplanted_fail"] = _transplant(paths.OPEN_PROOF)
CASES["proof_extra_data_fail"] = _reseal(
    lambda members: members.update({paths.ENTRY_PROOF: members[paths.ENTRY_PROOF].replace(b"\n", b"\nextra eHg=\n", 1)})
)
CASES["open_salt_other_fail"] = _manifest(lambda m: replace(m, open=replace(m.open, salt=bytes(32))))
CASES["open_index_other_fail"] = _manifest(lambda m: replace(m, open=replace(m.open, index=2)))
CASES["ledger_key_other_fail"] = _manifest(lambda m: replace(m, ledger=replace(m.ledger, origin="another.log")))

# --- policy ------------------------------------------------------------------------------------

CASES["policy_met"] = lambda shop: shop.exhibit(shop.members(), policy=Policy(signers=1))
CASES["policy_two_signers_missing"] = lambda shop: shop.exhibit(shop.members(), policy=Policy(signers=2))
# --- what only one finding of each kind can see ---------------------------------------------------


def _with_entry(members: Mapping[str, bytes], name: str, **fields: object) -> bytes:
    """The bundle's ZIP in which one member's headers say something else than its data."""
    return forge(
        replace(entry, **fields) if entry.name == name.encode() else entry  # type: ignore[arg-type]
        for entry in entries_of(members)
    )


CASES["crc_wrong_fail"] = lambda shop: Exhibit(
    data=_with_entry(shop.members(), paths.CERTIFICATE_HTML, crc=0x12345678), trust=shop.keys.trust
)
CASES["bomb_fail"] = lambda shop: Exhibit(
    data=_with_entry(shop.members(), paths.CERTIFICATE_HTML, data=bytes(64 << 20), method=8, size=18),
    trust=shop.keys.trust,
)
CASES["prefixed"] = lambda shop: Exhibit(
    data=forge(entries_of(shop.members()), Frame(prefix=b"MZ" + bytes(100))), trust=shop.keys.trust
)
CASES["commented"] = lambda shop: Exhibit(
    data=forge(entries_of(shop.members()), Frame(comment=b"seen")), trust=shop.keys.trust
)
for _path, _label in ((paths.SHA256SUMS, "sha256"), (paths.SM3SUMS, "sm3")):
    CASES[f"sums_{_label}_gone_fail"] = _hook(
        before_asic=lambda members, gone=_path: {name: data for name, data in members.items() if name != gone}
    )
CASES["format_other_fail"] = _hook(
    manifest_bytes=lambda data: data.replace(b"evidencekit/manifest", b"evidencekit/manifesto")
)


def _outer_without(*names: str) -> Forgery:
    def forge_without(shop: Workshop) -> Exhibit:
        return shop.exhibit({name: data for name, data in shop.members().items() if name not in names})

    return forge_without


CASES["outer_manifest_gone_fail"] = _outer_without(paths.asic_manifest(1), paths.asic_manifest(2))
CASES["outer_signature_missing_fail"] = _outer_without(paths.asic_signature(1))
CASES["outer_timestamp_missing_fail"] = _outer_without(paths.asic_timestamp(1))
CASES["archive_missing_fail"] = _hook(artifacts=_without(paths.ARCHIVE))
CASES["archive_bomb_fail"] = _hook(warc=lambda data: data + gzip.compress(b"WARC/1.1\r\n" + bytes(32 << 20), mtime=0))
CASES["entry_gone_fail"] = _reseal(_drop(paths.ENTRY))
CASES["entry_proof_gone_fail"] = _reseal(_drop(paths.ENTRY_PROOF))
CASES["entry_proof_garbage_fail"] = _reseal(_set(paths.ENTRY_PROOF, b"c2sp.org/tlog-proof@v1\n"))
CASES["note_endless_fail"] = _reseal(
    lambda members: members.update(
        {
            paths.ENTRY_PROOF: members[paths.ENTRY_PROOF]
            + b"".join(b"\xe2\x80\x94 w%d AAAAAAAAAAAA\n" % n for n in range(200))
        }
    )
)
CASES["note_huge_size_fail"] = _reseal(
    lambda members: members.update(
        {paths.ENTRY_PROOF: members[paths.ENTRY_PROOF].replace(b"\n4\n", b"\n" + b"9" * 5000 + b"\n")}
    )
)

# --- hostile documents inside a container that is well made (R67) ------------------------------------------

CASES["json_deep_fail"] = _hook(manifest_bytes=lambda _: b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
CASES["json_huge_integer_fail"] = _hook(
    manifest_bytes=lambda data: data.replace(b'"version":1', b'"version":' + b"9" * 100_000)
)
CASES["json_twice_fail"] = _hook(manifest_bytes=lambda data: data.replace(b'"version":1', b'"version":1,"version":1'))
CASES["json_surrogate_fail"] = _hook(manifest_bytes=lambda data: data.replace(b'"loaded"', b'"\\ud800"'))
CASES["json_nul_fail"] = _hook(manifest_bytes=lambda data: data.replace(b'"loaded"', b'"lo\\u0000ded\xff"'))
CASES["json_deep_environment_fail"] = _hook(
    files=lambda files: files | {paths.ENVIRONMENT: b"[" * 50_000 + b"]" * 50_000}
)
CASES["worklog_line_endless_fail"] = _hook(
    files=lambda files: files | {paths.WORKLOG: files[paths.WORKLOG] + b'{"a":"' + b"x" * (2 << 20) + b'"}\n'}
)
CASES["xml_entities_fail"] = _outer(
    lambda m, _: m.update(
        {
            paths.asic_manifest(1): m[paths.asic_manifest(1)].replace(
                b"?>\n", b'?>\n<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n', 1
            )
        }
    )
)
CASES["xml_external_entity_fail"] = _outer(
    lambda m, _: m.update(
        {
            paths.asic_manifest(1): m[paths.asic_manifest(1)].replace(
                b"?>\n", b'?>\n<!DOCTYPE x SYSTEM "file:///etc/passwd">\n', 1
            )
        }
    )
)
_DER_DEEP = b"\x30\x80" * 60_000
_DER_WIDE = b"\x31\x83\x01\x86\xa0" + b"\x05\x00" * 50_000
CASES["der_deep_fail"] = _reseal(_set(paths.SEAL, _DER_DEEP))
CASES["der_wide_fail"] = _reseal(_set(paths.SEAL, _DER_WIDE))
CASES["der_endless_length_fail"] = _reseal(_set(paths.SEAL, b"\x30\x84\xff\xff\xff\xff" + bytes(100)))
CASES["der_deep_token_fail"] = _reseal(_set(paths.seal_token(1), _DER_DEEP))
CASES["der_large_fail"] = _reseal(_set(paths.SEAL, b"\x30\x83\x10\x00\x00" + bytes(1 << 20)))
