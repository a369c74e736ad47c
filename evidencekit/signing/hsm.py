"""A signer whose key never leaves a PKCS#11 token: smart card, HSM, SoftHSM (extra `[hsm]`, python-pkcs11).

The certificate comes from a file or from the token itself. Each signature is made in a session of its own, so a token
that was reset in between only costs a new login.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cryptography import x509

from evidencekit.errors import ConfigError, EvidenceError, SigningError
from evidencekit.signing.signer import SignatureAlgorithm
from evidencekit.x509 import der

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_RSA: Final = {
    SignatureAlgorithm.RSA_SHA256: "SHA256_RSA_PKCS",
    SignatureAlgorithm.RSA_SHA384: "SHA384_RSA_PKCS",
    SignatureAlgorithm.RSA_SHA512: "SHA512_RSA_PKCS",
}
_T = TypeVar("_T")
_LOCK: Final = threading.Lock()
"""PKCS#11 has one login state for a whole process and token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """Where a key is: the vendor's PKCS#11 library, the token's label, the key's label."""

    module: Path
    token: str
    label: str


class Pkcs11Signer:
    """A signer that asks a PKCS#11 token for each signature.

    Args:
        key: where the key is.
        pin: asked for each session.
        certificate: the key's certificate; None reads the one with the key's label from the token.
        chain: issuing certificates, nearest first.
        algorithm: ECDSA or RSA with a hash; None for SHA-256 with the kind of the certificate's key.

    Raises:
        ConfigError: python-pkcs11 is not installed.
        SigningError: library, token, key or certificate cannot be found, or the PIN is wrong.
    """

    __slots__ = ("_key", "_pin", "algorithm", "certificate", "chain")

    def __init__(
        self,
        key: TokenKey,
        pin: Callable[[], str],
        certificate: x509.Certificate | None = None,
        chain: Sequence[x509.Certificate] = (),
        *,
        algorithm: SignatureAlgorithm | None = None,
    ) -> None:
        self._key, self._pin = key, pin
        self.certificate = certificate or self._with_session(self._read_certificate)
        self.chain = tuple(chain)
        self.algorithm = algorithm or _algorithm_for(self.certificate)

    def sign(self, data: bytes) -> bytes:
        """Sign `data` in the token.

        Raises:
            SigningError: the token refuses.
        """
        return self._with_session(lambda session: self._sign(session, data))

    def _sign(self, session: Any, data: bytes) -> bytes:  # noqa: ANN401 (optional dependency)
        import pkcs11  # noqa: PLC0415 (optional dependency)

        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._key.label)
        if self.algorithm in _RSA:
            return bytes(key.sign(data, mechanism=pkcs11.Mechanism[_RSA[self.algorithm]]))
        hashed = hashlib.new(self.algorithm.hash_name or "sha256", data).digest()
        raw = bytes(key.sign(hashed, mechanism=pkcs11.Mechanism.ECDSA))
        # PKCS#11 writes r ‖ s (OASIS PKCS #11 v3.0 §2.3.1), CMS wants SEQUENCE { r, s } (RFC 5753 §7.2).
        half = len(raw) // 2
        return der.sequence(*(der.integer(int.from_bytes(part, "big")) for part in (raw[:half], raw[half:])))

    def _read_certificate(self, session: Any) -> x509.Certificate:  # noqa: ANN401 (optional dependency)
        import pkcs11  # noqa: PLC0415 (optional dependency)

        wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE, pkcs11.Attribute.LABEL: self._key.label}
        for found in session.get_objects(wanted):
            return x509.load_der_x509_certificate(bytes(found[pkcs11.Attribute.VALUE]))
        raise SigningError(
            f"The token {self._key.token!r} holds no certificate labelled {self._key.label!r}; "
            "name a certificate file instead.",
            f"令牌 {self._key.token!r} 中没有标签为 {self._key.label!r} 的证书；请另行指定证书文件。",
        )

    def _with_session(self, work: Callable[[Any], _T]) -> _T:
        try:
            import pkcs11  # noqa: PLC0415 (optional dependency)
        except ImportError as error:
            raise ConfigError(
                "Signing with a PKCS#11 token needs python-pkcs11; run: pip install 'evidencekit[hsm]'",
                "使用 PKCS#11 令牌签名需要 python-pkcs11；请执行：pip install 'evidencekit[hsm]'",
            ) from error
        pin = self._pin()
        try:
            with _LOCK:
                token = pkcs11.lib(str(self._key.module)).get_token(token_label=self._key.token)
                with token.open(user_pin=pin) as session:
                    return work(session)
        except EvidenceError:
            raise
        except (pkcs11.PKCS11Error, RuntimeError, OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            raise SigningError(
                f"The key {self._key.label!r} in token {self._key.token!r} cannot be used ({said}); check the library, "
                "the labels and the PIN.",
                f"无法使用令牌 {self._key.token!r} 中的密钥 {self._key.label!r}({said})；请检查驱动库、标签与 PIN。",
            ) from error


def _algorithm_for(certificate: x509.Certificate) -> SignatureAlgorithm:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415 (only here)

    match certificate.public_key():
        case ec.EllipticCurvePublicKey(curve=ec.SECP384R1()):
            return SignatureAlgorithm.ECDSA_SHA384
        case rsa.RSAPublicKey():
            return SignatureAlgorithm.RSA_SHA256
        case _:
            return SignatureAlgorithm.ECDSA_SHA256
