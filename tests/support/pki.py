"""Certificates made to order, right and wrong: every default can be overridden, so that exactly one thing is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

AT = datetime(2026, 6, 1, tzinfo=UTC)
Extension: TypeAlias = tuple[x509.ExtensionType, bool]
KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def key_usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in KEY_USAGES})


class Pki:
    """Makes certificates; every default can be overridden, so that exactly one thing is wrong."""

    at = AT
    stamping: Sequence[Extension] = (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage("digital_signature"), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
    )
    sealing: Sequence[Extension] = (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage("digital_signature", "content_commitment"), True),
    )
    usage = staticmethod(key_usage)
    name = staticmethod(common_name)

    def authority(self, path_length: int | None = None) -> Sequence[Extension]:
        return (
            (x509.BasicConstraints(ca=True, path_length=path_length), True),
            (key_usage("key_cert_sign", "crl_sign"), True),
        )

    def make(
        self,
        name: str,
        extensions: Sequence[Extension],
        *,
        issuer: Entity | None = None,
        valid: tuple[int, int] = (-100, 100),
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Entity:
        """A certificate valid from `valid[0]` to `valid[1]` days around `at`; self-signed without issuer."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(common_name(name))
            .issuer_name(common_name(name) if issuer is None else issuer.certificate.subject)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(AT + timedelta(days=valid[0]))
            .not_valid_after(AT + timedelta(days=valid[1]))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer.key if issuer else own).public_key()),
                critical=False,
            )
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return Entity(certificate=builder.sign((issuer.key if issuer else own), hashes.SHA256()), key=own)

    def revoke(
        self, issuer: Entity, revoked: Sequence[x509.RevokedCertificate] = (), *, issued: int = 1, renewed: int = 30
    ) -> x509.CertificateRevocationListBuilder:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.certificate.subject)
            .last_update(AT + timedelta(days=issued))
            .next_update(AT + timedelta(days=renewed))
        )
        for entry in revoked:
            builder = builder.add_revoked_certificate(entry)
        return builder
