"""Object identifiers of CMS, RFC 3161 and their algorithms, and which hash functions count.

Sources: RFC 5652 (CMS), RFC 3161 (TSP), RFC 5035 (ESS), RFC 6211 (algorithm protection), RFC 5754 and
RFC 8702 (hash and signature identifiers), RFC 5758, RFC 8410, RFC 9881 (ML-DSA),
ETSI EN 319 122-1 (CAdES), GM/T 0006 and GM/T 0010 (SM2, SM3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# CMS content and containers
DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
GM_DATA: Final = "1.2.156.10197.6.1.4.2.1"
GM_SIGNED_DATA: Final = "1.2.156.10197.6.1.4.2.2"
TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"

# Attributes
CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
ALGORITHM_PROTECTION: Final = "1.2.840.113549.1.9.52"
SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
SIGNATURE_TIME_STAMP: Final = "1.2.840.113549.1.9.16.2.14"
SIGNER_ATTRIBUTES_V2: Final = "0.4.0.19122.1.1"
NAME_ATTRIBUTE: Final = "2.5.4.41"

# Keys and signatures
RSA: Final = "1.2.840.113549.1.1.1"
RSASSA_PSS: Final = "1.2.840.113549.1.1.10"
MGF1: Final = "1.2.840.113549.1.1.8"
RSA_SHA256: Final = "1.2.840.113549.1.1.11"
RSA_SHA384: Final = "1.2.840.113549.1.1.12"
RSA_SHA512: Final = "1.2.840.113549.1.1.13"
EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
ECDSA_SHA256: Final = "1.2.840.10045.4.3.2"
ECDSA_SHA384: Final = "1.2.840.10045.4.3.3"
ECDSA_SHA512: Final = "1.2.840.10045.4.3.4"
ED25519: Final = "1.3.101.112"
ML_DSA_44: Final = "2.16.840.1.101.3.4.3.17"
ML_DSA_65: Final = "2.16.840.1.101.3.4.3.18"
ML_DSA_87: Final = "2.16.840.1.101.3.4.3.19"
SM2_CURVE: Final = "1.2.156.10197.1.301"
SM2_SIGN: Final = "1.2.156.10197.1.301.1"
SM2_SM3: Final = "1.2.156.10197.1.501"

HASH_NAMES: Final[Mapping[str, str]] = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.8": "sha3-256",
    "2.16.840.1.101.3.4.2.9": "sha3-384",
    "2.16.840.1.101.3.4.2.10": "sha3-512",
    "1.2.156.10197.1.401": "sm3",
}
"""Identifier of a hash function to the name this library uses for it."""

HASH_OIDS: Final[Mapping[str, str]] = {name: oid for oid, name in HASH_NAMES.items()}
"""The inverse of `HASH_NAMES`."""

DIGEST_SIZES: Final[Mapping[str, int]] = {
    "sha256": 32,
    "sha384": 48,
    "sha512": 64,
    "sha3-256": 32,
    "sha3-384": 48,
    "sha3-512": 64,
    "sm3": 32,
}
"""Hash functions that may carry evidence, with their digest length in bytes; MD5, SHA-1 and SHA-224 may not."""

RSA_SIGNATURES: Final[Mapping[str, str | None]] = {
    RSA: None,
    RSA_SHA256: "sha256",
    RSA_SHA384: "sha384",
    RSA_SHA512: "sha512",
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.113549.1.1.4": "md5",
    "2.16.840.1.101.3.4.3.14": "sha3-256",
    "2.16.840.1.101.3.4.3.15": "sha3-384",
    "2.16.840.1.101.3.4.3.16": "sha3-512",
}
"""RSASSA-PKCS1-v1_5 identifiers and the hash they name; `None`: the digest algorithm beside it decides."""

ECDSA_SIGNATURES: Final[Mapping[str, str | None]] = {
    EC_PUBLIC_KEY: None,
    ECDSA_SHA256: "sha256",
    ECDSA_SHA384: "sha384",
    ECDSA_SHA512: "sha512",
    "1.2.840.10045.4.1": "sha1",
    "2.16.840.1.101.3.4.3.10": "sha3-256",
    "2.16.840.1.101.3.4.3.11": "sha3-384",
    "2.16.840.1.101.3.4.3.12": "sha3-512",
}
"""ECDSA identifiers and the hash they name; some signers write the bare key identifier."""
