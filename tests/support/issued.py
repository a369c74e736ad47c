"""A certification authority for tests: it issues signers and TSAs, and says in lists or responses what it revoked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

SERIAL = 77


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, issues: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not issues,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True, kw_only=True)
class TestCa:
    """A root. `at` is when its issue became valid; lists and responses are of an hour later, good for nine days."""

    __test__ = False

    at: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=2))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def certificate(self) -> x509.Certificate:
        return self._issue("Test CA", self.key, 1, [(x509.BasicConstraints(ca=True, path_length=0), True)], issues=True)

    def issue(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        purpose: x509.ObjectIdentifier | None = None,
        crl: str = "",
        responder: str = "",
    ) -> x509.Certificate:
        """Issue a certificate that names where to ask about it."""
        more: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(ca=False, path_length=None), True)]
        if purpose is not None:
            more.append((x509.ExtendedKeyUsage([purpose]), purpose == ExtendedKeyUsageOID.TIME_STAMPING))
        if crl:
            point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)
            more.append((x509.CRLDistributionPoints([point]), False))
        if responder:
            place = x509.UniformResourceIdentifier(responder)
            described = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)
            more.append((x509.AuthorityInformationAccess([described]), False))
        return self._issue(name, key, SERIAL, more, issues=False)

    def crl(self, *, revoked: bool, reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise) -> bytes:
        """Give the list, with or without `SERIAL`."""
        builder = x509.CertificateRevocationListBuilder(
            _name("Test CA"), self.at + timedelta(hours=1), self.at + timedelta(days=9)
        )
        if revoked:
            entry = x509.RevokedCertificateBuilder(SERIAL, self.at + timedelta(minutes=1))
            builder = builder.add_revoked_certificate(
                entry.add_extension(x509.CRLReason(reason), critical=False).build()
            )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def answer(
        self,
        about: x509.Certificate,
        *,
        revoked: bool,
        reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise,
        by: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
    ) -> bytes:
        """Give the OCSP response about a certificate, signed by the root or `by` a delegate it embeds."""
        signer, key = by or (self.certificate, self.key)
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                about,
                self.certificate,
                hashes.SHA1(),  # noqa: S303 - RFC 5019 names the issuer so
                ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
                self.at + timedelta(hours=1),
                self.at + timedelta(days=9),
                self.at + timedelta(minutes=1) if revoked else None,
                reason if revoked else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
        )
        embedded: Sequence[x509.Certificate] = [signer] if by else []
        if embedded:
            builder = builder.certificates(embedded)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    def _issue(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        serial: int,
        more: Sequence[tuple[x509.ExtensionType, bool]],
        *,
        issues: bool,
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            _name("Test CA"), _name(name), key.public_key(), serial, self.at, self.at + timedelta(days=3650)
        )
        for extension, critical in [*more, (_usage(issues=issues), True)]:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hashes.SHA256())
