"""The outer seal: ASiC manifests, the signatures and time-stamps over them, and the rule of growth.

Manifest 1 is signed and lists every member outside META-INF but `mimetype`; manifest 2 is time-stamped and lists the
same with manifest 1 and its signature; each later one, those of evidence records among them, lists the same with
everything that META-INF held before it (docs/spec/bundle.md). The last proof of all is protected by nothing, so no
byte of it may be loose.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.bundle.asic import (
    EVIDENCE_RECORD_TYPE,
    SIGNATURE_TYPE,
    TIMESTAMP_TYPE,
    AsicManifest,
    parse_asic_manifest,
)
from evidencekit.errors import FormatError
from evidencekit.model import Finding, Outcome, Text
from evidencekit.signing.cades import SealCheck, check_detached
from evidencekit.timestamp.renewal import RecordCheck, RecordTrust, check_record
from evidencekit.verify.tally import InputMissingError, Tally
from evidencekit.verify.timestamps import Stamp, TimeChecks, note_stamps
from evidencekit.x509.certificate import fingerprint, name_of
from evidencekit.x509.checks import first_not_passed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from cryptography import x509

    from evidencekit.verify.case import Case
    from evidencekit.verify.seals import SealChecks

_MANIFEST: Final = re.compile(r"META-INF/ASiC(?:EvidenceRecord)?Manifest[0-9]{3}\.xml")
_NAMES: Final = {
    SIGNATURE_TYPE: (paths.asic_manifest, paths.asic_signature),
    TIMESTAMP_TYPE: (paths.asic_manifest, paths.asic_timestamp),
    EVIDENCE_RECORD_TYPE: (paths.evidence_record_manifest, paths.evidence_record),
}
"""How the manifests and the proofs of each kind are named, by number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterManifest:
    """One ASiC manifest that could be read: its member and what it says."""

    path: str
    content: AsicManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterSignature:
    """One signature over an ASiC manifest."""

    path: str
    over: str
    check: SealCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterRecord:
    """One evidence record (RFC 4998) over the members that its manifest lists."""

    path: str
    check: RecordCheck

    @property
    def stamps(self) -> tuple[Stamp, ...]:
        """Its time-stamps, oldest first; none when the record does not hold together."""
        if self.check.integrity is not Outcome.PASSED:
            return ()
        return tuple(Stamp(path=self.path, check=stamp) for stamp in self.check.stamps)


class OuterChecks:
    """The checks of one bundle's outer seal."""

    def __init__(self, case: Case, times: TimeChecks) -> None:
        self._case = case
        self._times = times

    @cached_property
    def manifests(self) -> tuple[OuterManifest, ...]:
        """The ASiC manifests in the order in which they were added: each lists more of META-INF than those before.

        Raises:
            FormatError: one is not in its fixed form.
            InputMissingError: there is none.
        """
        names = sorted(name for name in self._case.names if _MANIFEST.fullmatch(name))
        if not names:
            raise InputMissingError(Outcome.FAILED, Text(en="there is no ASiC manifest", zh="没有 ASiC 清单"))
        return tuple(sorted((_read_manifest(self._case, name) for name in names), key=_listed_proofs))

    @cached_property
    def signatures(self) -> tuple[OuterSignature, ...]:
        """The signatures that the manifests name, in order."""
        return tuple(
            OuterSignature(
                path=manifest.content.sig_reference,
                over=manifest.path,
                check=check_detached(
                    self._case.data(manifest.content.sig_reference),
                    self._case.content(manifest.path),
                    known=self._case.trust.signers,
                ),
            )
            for manifest in self.manifests
            if manifest.content.sig_media_type == SIGNATURE_TYPE
        )

    @cached_property
    def stamps(self) -> tuple[Stamp, ...]:
        """The time-stamps that the manifests name, in order."""
        return tuple(
            self._times.stamp_of(manifest.content.sig_reference, self._case.sha256(manifest.path))
            for manifest in self.manifests
            if manifest.content.sig_media_type == TIMESTAMP_TYPE
        )

    @cached_property
    def records(self) -> tuple[OuterRecord, ...]:
        """The evidence records that the manifests name, in order."""
        case = self._case
        trust = RecordTrust(anchors=case.trust.tsas, intermediates=case.trust.tsas, crls=case.crls, ocsp=case.ocsp)
        return tuple(
            OuterRecord(
                path=manifest.content.sig_reference,
                check=check_record(
                    self._case.data(manifest.content.sig_reference),
                    partial(_digests_with, self._case, manifest),
                    trust=trust,
                    at=self._case.at,
                ),
            )
            for manifest in self.manifests
            if manifest.content.sig_media_type == EVIDENCE_RECORD_TYPE
        )

    @property
    def proofs(self) -> tuple[Stamp, ...]:
        """All time-stamps over the bundle, those of evidence records among them; each covers all before it."""
        stamps = {stamp.path: (stamp,) for stamp in self.stamps} | {each.path: each.stamps for each in self.records}
        return tuple(stamp for each in self.manifests for stamp in stamps.get(each.content.sig_reference, ()))

    def check_manifest(self) -> Finding:
        """`outer.manifest`: numbered without a gap, and each lists all that stood before it with the right digest."""
        tally = Tally("outer.manifest", "META-INF/ASiCManifest*.xml")
        covered = {name for name in self._case.names if not name.startswith(paths.META_INF)} - {paths.MIMETYPE}
        for manifest, (path, expected) in zip(self.manifests, self._references(), strict=True):
            content = manifest.content
            if manifest.path != path:
                tally.fail(f"{manifest.path} is out of sequence", f"{manifest.path} 编号不连续")
            if content.sig_reference != expected:
                tally.fail(
                    f"{manifest.path} names {content.sig_reference}", f"{manifest.path} 引用 {content.sig_reference}"
                )
            _compare(tally, manifest, covered, self._case)
            covered |= {manifest.path, content.sig_reference}
        kinds = [manifest.content.sig_media_type for manifest in self.manifests[:2]]
        if kinds != [SIGNATURE_TYPE, TIMESTAMP_TYPE]:
            tally.fail("the first two manifests are not for a signature and a stamp", "前两份清单应分别为签名与时间戳")
        self._note_strays(tally, covered)
        tally.details["manifests"] = len(self.manifests)
        return tally.close("every member is listed with the right digest", "所有成员均已列出且摘要正确")

    def check_signature(self) -> Finding:
        """`outer.signature`: the CAdES signature over manifest 1 is intact, and so is every later one."""
        tally = Tally("outer.signature", paths.asic_signature(1))
        if not self.signatures:
            tally.fail("no signature over an ASiC manifest", "没有对 ASiC 清单的签名")
        for signature in self.signatures:
            flaw = first_not_passed(signature.check.checks)
            if flaw is not None:
                tally.note(
                    flaw.outcome,
                    Text(en=f"{signature.path}: {flaw.reason.en}", zh=f"{signature.path}:{flaw.reason.zh}"),
                )
            # A later, intact time-stamp is over a manifest with the digest of the signature's every byte.
            for loose in () if self._covered(signature.over) else signature.check.unaccounted:
                tally.doubt(
                    f"{signature.path} holds {loose.en}, unprotected", f"{signature.path} 含未受保护的内容：{loose.zh}"
                )
        return tally.close("the signature over the ASiC manifest is intact", "对 ASiC 清单的签名完整")

    def check_signer(self, seals: SealChecks) -> Finding:
        """`outer.signer`: the certificate of the first signature is the inner one and the one the manifest names."""
        tally = Tally("outer.signer", paths.asic_signature(1))
        outer = self.signatures[0].check.certificate if self.signatures else None
        inner = seals.inner.certificate
        if outer is None or inner is None:
            raise InputMissingError(
                Outcome.INDETERMINATE, Text(en="one of the seals does not tell whose it is", zh="有签名未指明签署人")
            )
        tally.details["certificate_sha256"] = fingerprint(outer)
        if paths.REDACTION in self._case.names:
            return self._edition_signer(tally, outer)
        if fingerprint(outer) != fingerprint(inner):
            tally.fail("the outer signer is not the inner signer", "外层签署人与内层签署人不同")
        if self._case.named_signer is None:
            tally.doubt("the manifest does not tell who should have signed", "清单不可读，无法得知应由谁签署")
        elif fingerprint(outer) != self._case.named_signer:
            tally.fail("the outer signer is not the one whom the manifest names", "外层签署人不是清单所载明者")
        return tally.close(f"signed by {name_of(outer)}, as the record is", f"由 {name_of(outer)} 签署，与记录一致")

    def _edition_signer(self, tally: Tally, outer: x509.Certificate) -> Finding:
        """A redacted edition may be made by somebody else than the record; then only he answers for its form."""
        if fingerprint(outer) != self._case.named_signer:
            tally.doubt(
                f"the redacted edition was sealed by {name_of(outer)}, not by the signer of the record",
                f"遮盖版由 {name_of(outer)} 封缄，并非记录的签署人",
            )
        return tally.close(f"signed by {name_of(outer)}, as the record is", f"由 {name_of(outer)} 签署，与记录一致")

    def check_timestamp(self) -> Finding:
        """`outer.timestamp`: intact, over its manifest, trusted; the last token holds no unprotected byte."""
        tally = Tally("outer.timestamp", paths.asic_timestamp(1))
        note_stamps(tally, self.stamps)
        for stamp in self.stamps:
            if stamp.check.token_der is not None and stamp.check.token_der != self._case.data(stamp.path):
                tally.fail(f"{stamp.path} is not a bare token", f"{stamp.path} 不是裸时间戳凭证")
        last = self.stamps[-1] if self.stamps else None
        for loose in last.check.unaccounted if last and not self._covered(last.path) else ():
            tally.doubt(f"the time-stamp holds {loose.en}, unprotected", f"时间戳含未受保护的内容：{loose.zh}")
        return tally.close("the outer time-stamp is intact and trusted", "外层时间戳完整且受信任")

    @property
    def readable_stamps(self) -> tuple[Stamp, ...]:
        """The time-stamps as far as they can be read; `outer.timestamp` says why when they cannot."""
        try:
            return self.proofs
        except (FormatError, InputMissingError):
            return ()

    @property
    def readable_records(self) -> tuple[OuterRecord, ...]:
        """The evidence records, none where the manifests that name them cannot be read; `outer.manifest` says why."""
        try:
            return self.records
        except (FormatError, InputMissingError):
            return ()

    @property
    def moment(self) -> datetime:
        """When the outer signatures provably existed: the earliest trusted stamp, else the time of verification."""
        times = [stamp.check.gen_time for stamp in self.readable_stamps if stamp.trusted and stamp.check.gen_time]
        return min(times, default=self._case.at)

    def moment_of(self, signature: OuterSignature) -> datetime:
        """When this signature provably existed: the earliest trusted stamp over it, else the time of verification."""
        over = {
            manifest.content.sig_reference
            for manifest in self.manifests
            if any(member.uri == signature.path for member in manifest.content.members)
        }
        times = [
            stamp.check.gen_time
            for stamp in self.readable_stamps
            if stamp.path in over and stamp.trusted and stamp.check.gen_time
        ]
        return min(times, default=self._case.at)

    def _covered(self, name: str) -> bool:
        """Tell whether an intact time-stamp is over a manifest that lists `name`."""
        intact = {stamp.path for stamp in self.proofs if stamp.check.intact}
        return any(
            manifest.content.sig_reference in intact and any(member.uri == name for member in manifest.content.members)
            for manifest in self.manifests
        )

    def _references(self) -> Iterator[tuple[str, str]]:
        """Name each manifest and what it must reference: numbered by kind."""
        counts: Counter[Callable[[int], str]] = Counter()
        for manifest in self.manifests:
            names = _NAMES[manifest.content.sig_media_type]
            counts.update(names)
            yield names[0](counts[names[0]]), names[1](counts[names[1]])

    def _note_strays(self, tally: Tally, covered: set[str]) -> None:
        strays = [name for name in self._case.names if name.startswith(paths.META_INF) and name not in covered]
        for name in strays:
            tally.fail(f"{name} belongs to no manifest", f"{name} 不属于任何清单")


def _read_manifest(case: Case, name: str) -> OuterManifest:
    try:
        return OuterManifest(path=name, content=parse_asic_manifest(case.data(name)))
    except FormatError as error:
        raise FormatError(f"{name}: {error.en}", f"{name}:{error.zh}") from error


def _listed_proofs(manifest: OuterManifest) -> tuple[int, str]:
    return sum(member.uri.startswith(paths.META_INF) for member in manifest.content.members), manifest.path


def _digests_with(case: Case, manifest: OuterManifest, algorithm: str) -> tuple[bytes, ...]:
    return tuple(case.digest_with(member.uri, algorithm) for member in manifest.content.members)


def _compare(tally: Tally, manifest: OuterManifest, covered: set[str], case: Case) -> None:
    listed = {member.uri: member.sha256 for member in manifest.content.members}
    for name in sorted(covered - listed.keys()):
        tally.fail(f"{manifest.path} does not list {name}", f"{manifest.path} 未列出 {name}")
    for name in sorted(listed.keys() - covered):
        tally.fail(f"{manifest.path} lists {name}, which it may not", f"{manifest.path} 列出了不应列出的 {name}")
    for name in sorted(covered & listed.keys()):
        if name not in case.digests or case.sha256(name) != listed[name]:
            tally.fail(f"{manifest.path} has another digest of {name}", f"{manifest.path} 中 {name} 的摘要不符")
