"""From a finished capture to a sealed, stamped and entered record (design §3, steps 6 to 10)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from evidencekit.bundle import paths
from evidencekit.finishing import write_private_list
from evidencekit.hashing.assembly import Circumstances, build_manifest
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.hashing.chainlog import CUSTODY, ChainWriter
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.manifest import (
    CaptureStamp,
    LedgerReference,
    OpenStamp,
    SealSigner,
    TokenReference,
    format_manifest,
)
from evidencekit.hashing.manifest import OpenEntry as ManifestOpen
from evidencekit.hashing.merkle import leaf_hash
from evidencekit.hashing.records import format_records
from evidencekit.ledger.anchors.anchor import AnchorState, format_receipt, keep_receipt
from evidencekit.ledger.entry import CaptureEntry, format_capture_entry
from evidencekit.ledger.policy import format_policy, parse_policy
from evidencekit.ledger.witnessing import gather_cosignatures, with_log
from evidencekit.model import Text
from evidencekit.revocations import fetch_tsa_revocations
from evidencekit.signing.cades import content_of, sign_detached
from evidencekit.signing.identity import key_id
from evidencekit.timestamp.roles import Role
from evidencekit.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from evidencekit.casefile import CaseFile
    from evidencekit.hashing.chainlog import ChainHead
    from evidencekit.hashing.deposit import Deposit
    from evidencekit.hashing.manifest import Manifest
    from evidencekit.model import Capture, JsonValue
    from evidencekit.office import Office
    from evidencekit.timestamp.client import StampReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """What was fixed before the manifest: the closed work log and the documents that T_open and T_capture stamp."""

    worklog: ChainHead
    t_open: OpenStamp
    t_capture: tuple[CaptureStamp, ...]
    request: Mapping[str, JsonValue]
    deposit: Deposit | None = None


def stamp_opening(case: CaseFile, request: Mapping[str, JsonValue]) -> tuple[OpenStamp, dict[str, bytes]]:
    """Stamp `seal/open.json`; its file and the replies are written when the session has made its folder.

    Raises:
        TimestampError: nobody stamps.
    """
    document = canonical_bytes(
        {
            "capture_id": case.capture_id,
            "format": "evidencekit/open",
            "request": request,
            "salt": secrets.token_hex(32),
            "version": 1,
        }
    )
    stamped = case.office.stamper.stamp(hashlib.sha256(document).digest(), Role.OPEN)
    case.note_owed(stamped, Text(en="T_open", zh="T_open(开始)"))
    named = {paths.open_token(n): reply for n, reply in enumerate(stamped.replies, 1)}
    opened = OpenStamp(
        document=paths.OPEN_DOCUMENT,
        sha256=hashlib.sha256(document).hexdigest(),
        tokens=tuple(_reference(name, reply) for name, reply in named.items()),
        pending=stamped.owing,
    )
    requests = {paths.query_of(name): reply.request for name, reply in named.items() if reply.request}
    replies = {name: reply.response for name, reply in named.items()}
    return opened, {paths.OPEN_DOCUMENT: document, **replies, **requests}


def _reference(name: str, reply: StampReply) -> TokenReference:
    return TokenReference(
        path=name, sha256=hashlib.sha256(reply.response).hexdigest(), self_issued=reply.check.self_issued
    )


def seal_record(case: CaseFile, capture: Capture, fixed: Fixed) -> Manifest:
    """Write manifest, seal, T_seal, ledger entry and proofs, logged in the custody log as it happens.

    Raises:
        MinimumError: the evidential minimum (R01) is incomplete.
        SigningError, TimestampError, LedgerError, StorageError: as their stages.
    """
    path = case.folder / paths.CUSTODY
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    head = fixed.worklog
    with ChainWriter(
        path, format_name=CUSTODY, capture_id=case.capture_id, previous=head.head, first_n=head.n + 1
    ) as custody:
        capture = _with_signer_status(case, capture, custody)
        manifest = _write_manifest(case, capture, fixed)
        custody.append("manifest", object=paths.MANIFEST)
        _seal(case, custody)
        _enter(case, capture, manifest, custody)
        write_trust(case.write, case.office, case.folder)
        custody.append("documents", detail={"from": "findings of a stranger's verification"})
        custody.sync()
    return manifest


def _with_signer_status(case: CaseFile, capture: Capture, custody: ChainWriter) -> Capture:
    """Keep what was learned of the signer's certificate before; what is not known is said in the manifest."""
    status = case.office.signer_status
    if status is None:
        return capture
    for name, answer in status.files.items():
        case.write(name, answer)
    if not status.files and status.open is None:
        return capture
    detail: dict[str, JsonValue] = {"kept": sorted(status.files)}
    if status.open is not None:
        detail["not_known"] = {"en": status.open.en, "zh": status.open.zh}
    custody.append("signer", object=case.office.signer.certificate.subject.rfc4514_string(), detail=detail)
    return capture if status.open is None else replace(capture, not_performed=(*capture.not_performed, status.open))


def _write_manifest(case: CaseFile, capture: Capture, fixed: Fixed) -> Manifest:
    office, announced = case.office, case.announced
    certificate = office.signer.certificate
    manifest = build_manifest(
        capture,
        Circumstances(
            number=announced.number,
            operator=case.order.operator,
            matter=case.order.matter,
            request=fixed.request,
            open=ManifestOpen(
                index=announced.index,
                entry=leaf_hash(announced.entry),
                salt=announced.salt,
                attempt=announced.attempt,
                attempts_note=announced.note,
            ),
            t_open=fixed.t_open,
            t_capture=fixed.t_capture,
            worklog=fixed.worklog,
            signer=SealSigner(
                certificate_sha256=key_id(certificate),
                self_signed=certificate.subject == certificate.issuer,
                post_quantum_sha256=key_id(office.post_quantum.certificate) if office.post_quantum else None,
            ),
            ledger=LedgerReference(origin=office.ledger.origin, key=office.vkey),
            tool_version=__version__,
            deposit=fixed.deposit,
        ),
    )
    case.write(paths.RECORDS, format_records(capture.capture_id, capture.artifacts, capture.records))
    case.write(paths.MANIFEST, format_manifest(manifest))
    return manifest


def _seal(case: CaseFile, custody: ChainWriter) -> None:
    data = (case.folder / paths.MANIFEST).read_bytes()
    seal = sign_detached(content_of(data), case.office.signer, at=case.office.clock())
    case.write(paths.SEAL, seal)
    custody.append("sealed", object=paths.SEAL, detail={"sha256": hashlib.sha256(seal).hexdigest()})
    if case.office.post_quantum is not None:
        second = sign_detached(content_of(data), case.office.post_quantum, at=case.office.clock())
        case.write(paths.POST_QUANTUM_SEAL, second)
        detail: dict[str, JsonValue] = {"sha256": hashlib.sha256(second).hexdigest()}
        custody.append("sealed", object=paths.POST_QUANTUM_SEAL, detail=detail)
        case.write(paths.TRUST_POST_QUANTUM, case.office.post_quantum.certificate.public_bytes(Encoding.PEM))
    stamped = case.office.stamper.stamp(hashlib.sha256(seal).digest())
    case.keep(stamped, paths.seal_token, Text(en="T_seal", zh="T_seal(封存)"))
    custody.append("stamped", object=paths.SEAL, detail={"tokens": len(stamped.replies), "owing": list(stamped.owing)})
    if case.order.third_party:
        for name, answer in fetch_tsa_revocations(sorted((case.folder / "seal").glob("*.tsr"))).items():
            case.write(name, answer)


def _enter(case: CaseFile, capture: Capture, manifest: Manifest, custody: ChainWriter) -> None:
    office, folder = case.office, case.folder
    entry = format_capture_entry(
        CaptureEntry(
            key_id=key_id(office.signer.certificate),
            manifest=digest_bytes((folder / paths.MANIFEST).read_bytes()),
            number=manifest.number,
            open=case.announced.index,
            seal=digest_bytes((folder / paths.SEAL).read_bytes()),
            time=office.clock(),
            timestamp=hashlib.sha256((folder / paths.seal_token(1)).read_bytes()).hexdigest(),
            kind=manifest.kind,
        )
    )
    write_private_list(case.workspace, capture.private_files)
    appended = office.ledger.append(entry)
    case.sealed = True
    custody.append("entered", object=office.ledger.origin, detail={"index": appended.index})
    custody.sync()
    note = _witness(case, custody)
    entered, opened = (appended.index, entry), (case.announced.index, case.announced.entry)
    write_proofs(case.write, office, entered, opened, note)
    if case.order.request is None or case.order.request.third_party:
        _anchor(case, note, custody)


def _anchor(case: CaseFile, note: bytes, custody: ChainWriter) -> None:
    """Have others vouch for the checkpoint of the proof; what did not come at once is owed, and says so."""
    for anchor in case.office.anchors:
        receipt = anchor.submit(note)
        case.write(paths.anchor_receipt(receipt.anchor), format_receipt(receipt))
        if case.office.home is not None:
            keep_receipt(case.office.home.path / "anchors", receipt)
        custody.append("anchored", object=receipt.anchor, detail={"state": receipt.state.value})
        if receipt.state is not AnchorState.CONFIRMED:
            state = receipt.state.value
            case.pending.append(
                Text(
                    en=f"the anchor {receipt.anchor} is {state}, which is no anchor; ask again with: "
                    "evidencekit ledger anchor",
                    zh=f"锚定 {receipt.anchor} 的状态为 {state}，尚非锚定；请再次查询：evidencekit ledger anchor",
                )
            )


def _witness(case: CaseFile, custody: ChainWriter) -> bytes:
    """Give the newest checkpoint, cosigned by the witnesses that answer; what is missing of the quorum is owed."""
    office = case.office
    if office.witnessing is None:
        return office.ledger.checkpoint()
    had = gather_cosignatures(office.ledger, office.witnessing.policy)
    custody.append("witnessed", object=office.ledger.origin, detail={"witnesses": list(had.witnesses)})
    if not had.quorum_met:
        silent = "; ".join(f"{name}: {reason.en}" for name, reason in had.failures.items())
        silent_zh = "；".join(f"{name}：{reason.zh}" for name, reason in had.failures.items())
        case.pending.append(
            Text(
                en=f"the checkpoint is not witnessed as the policy asks ({silent or 'no witness has an address'})",
                zh=f"检查点尚未达到见证策略的要求({silent_zh or '见证者均无地址'})",
            )
        )
    return had.checkpoint


def write_proofs(
    write: Callable[[str, bytes], None],
    office: Office,
    entered: tuple[int, bytes],
    opened: tuple[int, bytes],
    note: bytes | None = None,
) -> None:
    """Write what proves both entries: the seal's, `entered`, and the announcement, `opened`, each (index, entry).

    `note` is the checkpoint that both proofs end in, with its cosignatures; None for the ledger's newest.

    Raises:
        LedgerError, StorageError: see `Ledger.prove`.
    """
    note = office.ledger.checkpoint() if note is None else note
    for (index, entry), name, proof in (
        (entered, paths.ENTRY, paths.ENTRY_PROOF),
        (opened, paths.OPEN_ENTRY, paths.OPEN_PROOF),
    ):
        write(name, entry)
        write(proof, office.ledger.prove_in(index, note))
    policy = office.witnessing.policy if office.witnessing else parse_policy(b"quorum none\n")
    write(paths.POLICY, format_policy(with_log(policy, office.ledger.verifier)))


def write_trust(write: Callable[[str, bytes], None], office: Office, folder: Path) -> None:
    """Write the issuer's anchors, for convenience: nobody trusts them because they are there."""
    certificates = (office.signer.certificate, *office.signer.chain)
    write(paths.TRUST_SIGNER, b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
    write(paths.TRUST_LEDGER, office.vkey.encode() + b"\n")
    write(paths.TRUST_TSA, office.tsa_certificates(folder / "seal"))
