"""Self-test: the digests and signatures that the evidence rests on give the published results (FM15)."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from evidencekit.capture.environment.probe import Observation, Probe, ProbeContext, failed, passed
from evidencekit.hashing.digest import digest_bytes
from evidencekit.model import Text

_ABC = b"abc"
_SHA256_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4 example
_SM3_ABC = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"  # GB/T 32905-2016, A.1

# RFC 6979 A.2.5, P-256 with SHA-256, message "sample".
_P256_X = 0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6
_P256_Y = 0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299
_P256_R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
_P256_S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8

# RFC 8032 §7.1, test 2.
_ED_KEY = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
_ED_SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
_ED_MESSAGE = b"\x72"


def probe_selftest(_context: ProbeContext) -> Observation:
    """Run each vector, and each with one bit changed, which must be refused."""
    results = {
        "SHA-256": hashlib.sha256(_ABC).hexdigest() == digest_bytes(_ABC).sha256 == _SHA256_ABC,
        "SM3": digest_bytes(_ABC).sm3 == _SM3_ABC,
        "ECDSA P-256": _check_p256(b"sample") and not _check_p256(b"sample!"),
        "Ed25519": _check_ed25519(_ED_MESSAGE) and not _check_ed25519(b"\x73"),
    }
    wrong = [name for name, right in results.items() if not right]
    if wrong:
        names = ", ".join(wrong)
        return failed(f"wrong results: {names}", f"自检结果错误：{names}", {"results": dict(results)})
    return passed(
        "all published vectors give the right results", "全部公开测试向量结果正确", {"results": dict(results)}
    )


def _check_p256(message: bytes) -> bool:
    key = ec.EllipticCurvePublicNumbers(_P256_X, _P256_Y, ec.SECP256R1()).public_key()
    try:
        key.verify(utils.encode_dss_signature(_P256_R, _P256_S), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _check_ed25519(message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(_ED_KEY).verify(_ED_SIGNATURE, message)
    except InvalidSignature:
        return False
    return True


PROBE = Probe(
    id="tool.selftest",
    method=Text(en="published test vectors", zh="公开测试向量"),
    run=probe_selftest,
)
