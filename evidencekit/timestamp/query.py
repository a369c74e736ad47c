"""TimeStampReq (RFC 3161 §2.4.1): what is asked of a TSA."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from evidencekit.errors import FormatError, UsageError
from evidencekit.x509 import der, oids
from evidencekit.x509.signature import parse_algorithm

MAX_QUERY_BYTES: Final = 4096
_NONCE_BITS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Imprint:
    """MessageImprint: the hash function's identifier and the digest. `raw` is its encoding."""

    oid: str
    digest: bytes
    raw: bytes

    @property
    def algorithm(self) -> str:
        """The hash function's name, or its identifier when unknown."""
        return oids.HASH_NAMES.get(self.oid, self.oid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A parsed TimeStampReq."""

    version: int
    imprint: Imprint
    policy: str | None
    nonce: int | None
    cert_req: bool
    extensions: bool
    """Whether the request carries extensions; none is known here."""


def random_nonce() -> int:
    """Return a positive random number of 64 bits: large enough that no two queries share it (RFC 3161 §2.4.1)."""
    return secrets.randbits(_NONCE_BITS) | 1 << (_NONCE_BITS - 1)


def build_query(
    digest: bytes,
    *,
    algorithm: str = "sha256",
    nonce: int | None = None,
    policy: str | None = None,
    cert_req: bool = True,
) -> bytes:
    """Write a TimeStampReq, DER.

    Args:
        digest: What to stamp.
        algorithm: Name of the hash function that made it.
        nonce: Number the reply must repeat; `None` writes none (see `random_nonce`).
        policy: Policy to ask for, dotted.
        cert_req: Whether the TSA shall embed its certificate.

    Raises:
        UsageError: The digest does not have the length of its hash function, or that one proves nothing.
    """
    if oids.DIGEST_SIZES.get(algorithm) != len(digest):
        raise UsageError(
            f"A digest of {len(digest)} bytes is none of {algorithm}; give one of {', '.join(oids.DIGEST_SIZES)}.",
            f"{len(digest)} 字节的摘要不是 {algorithm} 的摘要；可用算法：{'、'.join(oids.DIGEST_SIZES)}。",
        )
    # Parameters are NULL: RFC 5754 §2 asks to accept either form, and some TSAs accept this one only.
    function = der.sequence(der.oid(oids.HASH_OIDS[algorithm]), der.null())
    return der.sequence(
        der.integer(1),
        der.sequence(function, der.octet_string(digest)),
        *(() if policy is None else (der.oid(policy),)),
        *(() if nonce is None else (der.integer(nonce),)),
        *((der.boolean(value=True),) if cert_req else ()),
    )


def parse_query(data: bytes) -> Query:
    """Read a TimeStampReq, DER.

    Raises:
        FormatError: Another structure, or over 4 KiB.
    """
    cursor = der.Cursor(der.parse(data, limit=MAX_QUERY_BYTES), "TimeStampReq")
    version = der.read_integer(cursor.take())
    imprint = parse_imprint(cursor.take())
    policy, nonce = cursor.optional(der.OID), cursor.optional(der.INTEGER)
    cert_req = cursor.optional(der.BOOLEAN)
    extensions = cursor.optional(der.context(0))
    cursor.end()
    return Query(
        version=version,
        imprint=imprint,
        policy=None if policy is None else der.read_oid(policy),
        nonce=None if nonce is None else der.read_integer(nonce),
        cert_req=cert_req is not None and der.read_boolean(cert_req),
        extensions=extensions is not None,
    )


def parse_imprint(node: der.Node) -> Imprint:
    """Read a MessageImprint.

    Raises:
        FormatError: Another structure, or hash parameters that are neither absent nor NULL.
    """
    cursor = der.Cursor(node, "MessageImprint")
    function = parse_algorithm(cursor.take())
    digest = der.read_octets(cursor.take())
    cursor.end()
    if not function.plain:
        raise FormatError("MessageImprint: the hash function has parameters")
    return Imprint(oid=function.oid, digest=digest, raw=node.raw)
