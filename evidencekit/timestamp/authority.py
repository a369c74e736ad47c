"""The embedded TSA: answers a TimeStampReq with a token of its own (RFC 3161 §2.4.2).

It attests its own clock, nothing more. Its policy, `SELF_ISSUED_POLICY`, says so in every token, and
checks report `self_issued`.

Serial numbers must be unique for ever, across restarts and copies of the key (§2.4.2). They are the
microseconds since 1970 followed by 64 random bits: two tokens share one only if they are made in the
same microsecond and draw the same 64 bits. That needs no counter that a restored backup would reset.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from evidencekit.errors import FormatError, UsageError
from evidencekit.timestamp.query import Query, parse_query
from evidencekit.timestamp.token import FAILURE_NAMES, GRANTED
from evidencekit.x509 import cms, der, oids
from evidencekit.x509.certificate import encoded_parts
from evidencekit.x509.digests import digest

if TYPE_CHECKING:
    from cryptography import x509

SELF_ISSUED_POLICY: Final = "2.25.34281955188649169761549124388192400127"
"""Policy "self-issued, not independent": an identifier from the UUID
19ca76e3-3eee-4402-99a0-ff83989a32ff (ITU-T X.667 §7.2), drawn once for this library."""

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Clock: TypeAlias = Callable[[], datetime]

_REJECTION: Final = 2
_BITS: Final = {name: bit for bit, name in FAILURE_NAMES.items()}


def system_clock() -> datetime:
    """Return the system's time, aware, UTC."""
    return datetime.now(UTC)


class Authority:
    """A time-stamping authority that holds its key in memory; safe to share between threads.

    Args:
        key: ECDSA (P-256 or larger), RSA (2048 bits or more) or Ed25519 private key.
        certificate: Its certificate, with critical extended key usage timeStamping alone.
        chain: Issuing certificates to embed beside it, nearest first.
        policy: The policy identifier of its tokens.
        clock: Where the time comes from.
        accuracy: The deviation it claims, in whole milliseconds, at least one.

    Raises:
        UsageError: The key does not belong to the certificate or is of another kind, or the accuracy is none.
    """

    __slots__ = ("_accuracy", "_certificate", "_chain", "_clock", "_key", "_policy", "_scheme")

    def __init__(
        self,
        key: PrivateKey,
        certificate: x509.Certificate,
        chain: Sequence[x509.Certificate] = (),
        *,
        policy: str = SELF_ISSUED_POLICY,
        clock: Clock = system_clock,
        accuracy: timedelta = timedelta(seconds=1),
    ) -> None:
        if key.public_key() != certificate.public_key():
            raise UsageError(
                "The TSA key does not belong to its certificate; give the matching pair.",
                "时间戳私钥与证书不匹配；请提供配对的密钥与证书。",
            )
        self._key = key
        self._certificate = certificate
        self._chain = tuple(chain)
        self._policy = policy
        self._clock = clock
        self._scheme = _scheme(key)
        self._accuracy = _encode_accuracy(accuracy)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate that its tokens are checked with."""
        return self._certificate

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The issuing certificates it embeds."""
        return self._chain

    @property
    def clock(self) -> Clock:
        """Where its time comes from."""
        return self._clock

    def reply(self, query: bytes) -> bytes:
        """Answer a TimeStampReq with a TimeStampResp; a request that cannot be served gets a rejection."""
        try:
            request = parse_query(query)
        except FormatError as error:
            return _reject("badDataFormat", error.en)
        refusal = self._refusal(request)
        if refusal is not None:
            return _reject(*refusal)
        try:
            now = self._clock()
        except Exception as error:  # noqa: BLE001 - a caller's clock may raise anything; no token without time
            return _reject("timeNotAvailable", f"the clock fails: {type(error).__name__}")
        try:
            token = self._issue(request, now)
        except (UnsupportedAlgorithm, ValueError, OverflowError) as error:
            return _reject("systemFailure", f"the key fails: {type(error).__name__}")
        return der.sequence(der.sequence(der.integer(GRANTED)), token)

    def _refusal(self, request: Query) -> tuple[str, str] | None:
        if request.version != 1:
            return "badRequest", f"version {request.version} is not 1"
        size = oids.DIGEST_SIZES.get(request.imprint.algorithm)
        if size is None:
            return "badAlg", f"hash function {request.imprint.algorithm} is not accepted"
        if size != len(request.imprint.digest):
            return "badDataFormat", "the digest has not the length of its hash function"
        if request.extensions:
            return "unacceptedExtension", "no extension is accepted"
        if request.policy not in {None, self._policy}:
            return "unacceptedPolicy", f"the policy is {self._policy}"
        return None

    def _issue(self, request: Query, now: datetime) -> bytes:
        content = self._info(request, now)
        template = cms.SignatureTemplate(
            content_type=oids.TST_INFO,
            content=content,
            content_digest=digest(self._scheme.digest, content),
            scheme=self._scheme,
            certificate=self._certificate,
            chain=self._chain,
            at=now,
            embed=request.cert_req,
        )
        return cms.build_signed_data(template, self._sign)

    def _info(self, request: Query, now: datetime) -> bytes:
        subject = der.encode(der.context(4), encoded_parts(self._certificate).subject)
        return der.sequence(
            der.integer(1),
            der.oid(self._policy),
            request.imprint.raw,
            der.integer(_serial(now)),
            der.generalized_time(now),
            self._accuracy,
            *(() if request.nonce is None else (der.integer(request.nonce),)),
            der.encode(der.context(0), subject),
        )

    def _sign(self, data: bytes) -> bytes:
        match self._key:
            case ec.EllipticCurvePrivateKey():
                return self._key.sign(data, ec.ECDSA(hashes.SHA256()))
            case rsa.RSAPrivateKey():
                return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
            case _:
                return self._key.sign(data)


def _scheme(key: object) -> cms.SignatureScheme:
    match key:
        case ec.EllipticCurvePrivateKey() if key.key_size >= 256:  # noqa: PLR2004 - bits
            return cms.ECDSA_SHA256
        case rsa.RSAPrivateKey() if key.key_size >= 2048:  # noqa: PLR2004 - bits
            return cms.RSA_SHA256
        case ed25519.Ed25519PrivateKey():
            return cms.ED25519
        case _:
            raise UsageError(
                "A TSA key is ECDSA of 256 bits or more, RSA of 2048 bits or more, or Ed25519.",
                "时间戳密钥须为 256 位以上 ECDSA、2048 位以上 RSA 或 Ed25519。",
            )


def _serial(now: datetime) -> int:
    elapsed = now - datetime(1970, 1, 1, tzinfo=UTC)
    return max(elapsed // timedelta(microseconds=1), 0) << 64 | secrets.randbits(64)


def _encode_accuracy(accuracy: timedelta) -> bytes:
    seconds, millis = divmod(accuracy // timedelta(milliseconds=1), 1000)
    if seconds < 0 or (seconds, millis) == (0, 0):
        raise UsageError(
            f"A TSA's accuracy of {accuracy} says nothing; give one millisecond or more.",
            f"时间戳精度 {accuracy} 无意义；请给出至少一毫秒。",
        )
    return der.sequence(
        *((der.integer(seconds),) if seconds else ()),
        *((der.integer(millis, tag=der.implicit(0)),) if millis else ()),
    )


def _reject(failure: str, text: str) -> bytes:
    status = der.sequence(der.integer(_REJECTION), der.sequence(der.utf8_string(text)), der.bit_string(_BITS[failure]))
    return der.sequence(status)
