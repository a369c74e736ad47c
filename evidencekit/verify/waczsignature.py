"""The signature that a WACZ may carry itself (wacz-auth 0.1.0), beside the seal of the bundle.

The message is the ASCII text of `signedData.hash`. Signers in use write ECDSA signatures as DER (authsign) or as
r ‖ s (ArchiveWeb.page), with P-256 or P-384; both are read. Whose key it is, and when it signed, is not judged here:
identity and time of a bundle come from its seal and its time-stamps.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from evidencekit.errors import FormatError
from evidencekit.x509.certificate import MALFORMED

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from evidencekit.hashing.fields import Fields


def check_wacz_signature(signed: Fields) -> bool:
    """Tell whether `signedData` holds a signature over its own `hash` by the key it names.

    Raises:
        FormatError: a field is missing or malformed, or the key is of a kind that WACZ does not use.
    """
    message = signed.text("hash").encode()
    signature = _decode(signed.text("signature"))
    key = _key_of(signed)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise FormatError("The WACZ's signing key is not an elliptic curve key.")
    for form in (signature, _from_halves(signature, key)):
        try:
            key.verify(form, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            continue
        return True
    return False


def _key_of(signed: Fields) -> PublicKeyTypes:
    try:
        if signed.has("domainCert"):
            return x509.load_pem_x509_certificates(signed.text("domainCert").encode())[0].public_key()
        return load_der_public_key(_decode(signed.text("publicKey")))
    except MALFORMED as error:
        raise FormatError(f"The WACZ's signing key cannot be read: {error}") from error


def _from_halves(signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    half = (key.curve.key_size + 7) // 8
    if len(signature) != 2 * half:
        return signature
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError("A field of the WACZ's signature is not base64.") from error
