"""The inner seal over `manifest.json`: is it intact, whose is it, was the certificate good when it signed.

Integrity, identity, validity and revocation are four findings, because each has another remedy. The time at which the
certificate is judged is that of the earliest trusted time-stamp over the seal; without one it is the time of
verification, since nothing proves that the signature is older.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.model import Finding, Outcome, Text
from evidencekit.signing.cades import SealCheck, check_detached
from evidencekit.verify.tally import InputMissingError, Tally
from evidencekit.x509.certificate import fingerprint, name_of
from evidencekit.x509.checks import first_not_passed
from evidencekit.x509.path import PathResult, Purpose, build_path
from evidencekit.x509.revocation import check_revocation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cryptography import x509

    from evidencekit.verify.case import Case
    from evidencekit.verify.timestamps import Stamp, TimeChecks


class SealChecks:
    """The checks of one bundle's inner seal; `outer` gives the time-stamps over the whole bundle."""

    def __init__(self, case: Case, times: TimeChecks, outer: Callable[[], Sequence[Stamp]]) -> None:
        self._case = case
        self._times = times
        self._outer = outer

    @cached_property
    def inner(self) -> SealCheck:
        """The CMS signature over the manifest's bytes."""
        return check_detached(
            self._case.data(paths.SEAL), self._case.content(paths.MANIFEST), known=self._case.trust.signers
        )

    @cached_property
    def moment(self) -> tuple[datetime, bool]:
        """When the signature provably existed, and whether a trusted time-stamp says so; outer ones cover it, too."""
        times = [self._times.proved_seal_time]
        times += [stamp.check.gen_time for stamp in self._outer() if stamp.trusted]
        proved = min((time for time in times if time is not None), default=None)
        return (self._case.at, False) if proved is None else (proved, True)

    def check_signature(self) -> Finding:
        """`seal.signature`: intact, and by the certificate that the manifest names."""
        tally = Tally("seal.signature", paths.SEAL)
        flaw = first_not_passed(self.inner.checks)
        if flaw is not None:
            tally.note(flaw.outcome, flaw.reason)
        certificate = self.inner.certificate
        if certificate is not None:
            tally.details["certificate_sha256"] = fingerprint(certificate)
            tally.details["subject"] = name_of(certificate)
            if self._case.named_signer is None:
                tally.doubt("the manifest does not tell who should have signed it", "清单不可读，无法得知应由谁签署")
            elif fingerprint(certificate) != self._case.named_signer:
                tally.fail("the signer is not the one whom the manifest names", "签署人不是清单所载明的签署人")
        return tally.close("the signature over manifest.json is intact", "对 manifest.json 的签名完整")

    def check_identity(self) -> Finding:
        """`seal.identity`: the certificate leads to one of the caller's anchors for signers."""
        certificate, path = self._path
        tally = Tally("seal.identity", name_of(certificate))
        tally.details["certificate_sha256"] = fingerprint(certificate)
        tally.details["anchors_sha256"] = [fingerprint(anchor) for anchor in self._case.trust.signers]
        if not self.inner.intact:
            tally.fail("the signature is not intact, so it is nobody's", "签名不完整，不能归于任何人")
        if not self._case.trust.signers:
            kind = (
                ("self-signed", "自签名") if certificate.subject == certificate.issuer else ("not anchored", "无信任锚")
            )
            tally.doubt(
                f"no anchor for signers was given; the certificate is {kind[0]}: integrity only",
                f"未提供签署人的信任锚；该证书为{kind[1]}，仅能证明完整性",
            )
        elif not path.ok:
            tally.note(path.outcome, path.reason)
        return tally.close(path.reason.en, path.reason.zh)

    def check_validity(self) -> Finding:
        """`seal.validity`: the certificate was valid when the signature provably existed."""
        certificate = self._certificate
        moment, stamped = self.moment
        tally = Tally("seal.validity", name_of(certificate))
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        tally.details.update(not_before=start.isoformat(), not_after=end.isoformat(), judged_at=moment.isoformat())
        tally.details["time_proved_by"] = "time-stamp" if stamped else "time of verification"
        if moment < start and stamped:
            tally.fail(
                f"the certificate became valid at {start}, after the signature", f"证书自 {start} 起有效，晚于签名"
            )
        elif moment < start:
            tally.doubt(f"the certificate is not valid before {start}", f"证书在 {start} 之前无效")
        elif moment > end:
            tally.doubt(
                f"the certificate expired at {end}; no trusted time-stamp proves that the signature is older",
                f"证书已于 {end} 到期；没有受信任的时间戳证明签名早于该时间",
            )
        when = ("at the time-stamp", "时间戳时刻") if stamped else ("at the time of verification", "核验时刻")
        return tally.close(f"the certificate was valid {when[0]}", f"证书在{when[1]}有效")

    def check_revocation(self) -> Finding:
        """`seal.revocation`: what the revocation lists at hand say about the path."""
        certificate, path = self._path
        tally = Tally("seal.revocation", name_of(certificate))
        step = check_revocation(
            path.chain,
            at=self.moment[0],
            purpose=Purpose.SEALING,
            # A revocation list is believed for its issuer's signature, wherever it was found.
            crls=(*self._case.crls, *self.inner.crls),
            ocsp=self._case.ocsp,
            issuers=self.inner.embedded,
        )
        if step.outcome is not Outcome.PASSED:
            tally.note(step.outcome, step.reason)
        return tally.close(step.reason.en, step.reason.zh)

    @property
    def _certificate(self) -> x509.Certificate:
        if self.inner.certificate is None:
            raise InputMissingError(
                Outcome.INDETERMINATE,
                Text(en="the seal does not tell whose it is", zh="封缄签名未指明签署人证书"),
            )
        return self.inner.certificate

    @cached_property
    def _path(self) -> tuple[x509.Certificate, PathResult]:
        certificate = self._certificate
        # Whether it was valid then is `seal.validity`'s question; the way to the anchor is judged inside its validity.
        at = max(min(self.moment[0], certificate.not_valid_after_utc), certificate.not_valid_before_utc)
        anchors = self._case.trust.signers
        return certificate, build_path(certificate, self.inner.embedded, anchors, at=at, purpose=Purpose.SEALING)
