"""A server's signature over a TLS 1.3 handshake, checked again from the handshake's messages (RFC 8446 §4.4.3).

The server signs the transcript up to its certificate, the browser's fresh ClientHello included. Whoever holds the
messages can check that signature years later: the holder of the certificate's key took part in this handshake. It
says neither when (an old handshake can be shown again) nor what was sent afterwards, and behind a content delivery
network the holder of the key is the network. Nothing here is secret: all of it travels before any key is used, or
(from EncryptedExtensions on) holds the certificate and parameters only.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from evidencekit.errors import FormatError
from evidencekit.x509.certificate import MAX_CERTIFICATE_BYTES, load_certificate, public_key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

MESSAGE_LIMIT: Final = (1 << 24) + 3
CLIENT_HELLO: Final = 1
SERVER_HELLO: Final = 2
ENCRYPTED_EXTENSIONS: Final = 8
CERTIFICATE: Final = 11
CERTIFICATE_REQUEST: Final = 13
CERTIFICATE_VERIFY: Final = 15
COMPRESSED_CERTIFICATE: Final = 25  # RFC 8879 §4
_MESSAGE_HASH: Final = 254  # RFC 8446 §4.4.1
_RETRY_RANDOM: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # §4.1.3
_CONTEXT: Final = b" " * 64 + b"TLS 1.3, server CertificateVerify\x00"
_TRANSCRIPT_HASHES: Final = {0x1301: "sha256", 0x1302: "sha384", 0x1303: "sha256"}  # appendix B.4
_HASHES: Final = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
_SCHEMES: Final = {
    0x0403: ("ecdsa_secp256r1_sha256", "sha256"),
    0x0503: ("ecdsa_secp384r1_sha384", "sha384"),
    0x0603: ("ecdsa_secp521r1_sha512", "sha512"),
    0x0804: ("rsa_pss_rsae_sha256", "sha256"),
    0x0805: ("rsa_pss_rsae_sha384", "sha384"),
    0x0806: ("rsa_pss_rsae_sha512", "sha512"),
    0x0809: ("rsa_pss_pss_sha256", "sha256"),
    0x080A: ("rsa_pss_pss_sha384", "sha384"),
    0x080B: ("rsa_pss_pss_sha512", "sha512"),
    0x0807: ("ed25519", ""),
    0x0808: ("ed448", ""),
}
_CURVES: Final = {"ecdsa_secp256r1_sha256": 256, "ecdsa_secp384r1_sha384": 384, "ecdsa_secp521r1_sha512": 521}
_SERVER_NAME: Final = 0
_PRE_SHARED_KEY: Final = 41
_ZLIB: Final = 1
_MIN_RSA_BITS: Final = 2048
_CHAIN_LIMIT: Final = 20


class Sender(StrEnum):
    """Who sent a message."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeMessage:
    """One handshake message whole: type, length (3 bytes), body (RFC 8446 §4)."""

    sender: Sender
    data: bytes

    @property
    def kind(self) -> int:
        """The message's type."""
        return self.data[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeProof:
    """What a handshake proves.

    `server_name` is the name the browser asked for, empty for an IP address; `chain` is DER, leaf first, as the server
    sent it; `valid` says whether the leaf's key made the signature. `retried` says that a HelloRetryRequest came first.
    """

    valid: bool
    scheme: str
    cipher_suite: int
    server_name: str
    client_random: bytes
    leaf: x509.Certificate
    chain: tuple[bytes, ...]
    retried: bool
    compressed: bool


class UnsupportedHandshakeError(FormatError):
    """A handshake that carries no server signature to check, or one of an unknown algorithm."""


def check_handshake(messages: Sequence[HandshakeMessage], received: Sequence[bytes] = ()) -> HandshakeProof:
    """Check the server's CertificateVerify over the messages before it.

    Args:
        messages: in the order sent, from the first ClientHello to CertificateVerify; later ones are ignored.
        received: the chain as the browser decoded it, DER, leaf first; used where the certificate message is
            compressed by an algorithm that is not zlib. The signature then still is over the compressed message.

    Raises:
        UnsupportedHandshakeError: resumed, not TLS 1.3, or signed by an algorithm that is not known here.
        FormatError: not a handshake.
    """
    flight = _Flight(messages)
    chain = flight.chain(received)
    leaf = load_certificate(chain[0])
    scheme, signature = _parse_verify(flight.verify)
    signed = _CONTEXT + flight.transcript()
    return HandshakeProof(
        valid=_is_valid(leaf, scheme, signature, signed),
        scheme=_SCHEMES[scheme][0],
        cipher_suite=flight.cipher_suite,
        server_name=flight.server_name,
        client_random=flight.hello.data[6:38],
        leaf=leaf,
        chain=chain,
        retried=flight.retry is not None,
        compressed=flight.certificate.kind == COMPRESSED_CERTIFICATE,
    )


class _Flight:
    """The messages by their part in the handshake, in the one order that is lawful (RFC 8446 §2, §4)."""

    def __init__(self, messages: Sequence[HandshakeMessage]) -> None:
        for message in messages:
            if len(message.data) < 4 or int.from_bytes(message.data[1:4], "big") != len(message.data) - 4:  # noqa: PLR2004
                raise FormatError("a handshake message does not have the length that it states")
        rest = list(messages)
        self.hello = _take(rest, Sender.CLIENT, CLIENT_HELLO)
        self.first_hello: HandshakeMessage | None = None
        self.retry: HandshakeMessage | None = None
        self.answer = _take(rest, Sender.SERVER, SERVER_HELLO)
        if self.answer.data[6:38] == _RETRY_RANDOM:
            self.first_hello, self.retry = self.hello, self.answer
            self.hello = _take(rest, Sender.CLIENT, CLIENT_HELLO)
            self.answer = _take(rest, Sender.SERVER, SERVER_HELLO)
        self.cipher_suite, extensions = _parse_server_hello(self.answer.data)
        if self.cipher_suite not in _TRANSCRIPT_HASHES:
            raise UnsupportedHandshakeError(f"cipher suite 0x{self.cipher_suite:04x} is not one of TLS 1.3")
        if _PRE_SHARED_KEY in extensions:
            raise UnsupportedHandshakeError("the connection was resumed: the server signed nothing")
        self.server_name = _parse_server_name(self.hello.data)
        self.after = [_take(rest, Sender.SERVER, ENCRYPTED_EXTENSIONS)]
        if rest and rest[0].kind == CERTIFICATE_REQUEST:
            self.after.append(rest.pop(0))
        self.certificate = _take(rest, Sender.SERVER, CERTIFICATE, COMPRESSED_CERTIFICATE)
        self.after.append(self.certificate)
        self.verify = _take(rest, Sender.SERVER, CERTIFICATE_VERIFY).data

    def transcript(self) -> bytes:
        """The transcript hash before CertificateVerify (RFC 8446 §4.4.1)."""
        name = _TRANSCRIPT_HASHES[self.cipher_suite]
        digest = hashlib.new(name)
        if self.first_hello is not None and self.retry is not None:
            first = hashlib.new(name, self.first_hello.data).digest()
            digest.update(bytes((_MESSAGE_HASH, 0, 0, len(first))) + first + self.retry.data)
        for message in (self.hello, self.answer, *self.after):
            digest.update(message.data)
        return digest.digest()

    def chain(self, received: Sequence[bytes]) -> tuple[bytes, ...]:
        """The certificates, leaf first."""
        if self.certificate.kind == CERTIFICATE:
            return _parse_chain(self.certificate.data[4:])
        body = _Reader(self.certificate.data[4:])
        algorithm, length = body.integer(2), body.integer(3)
        packed = body.vector(3)
        if algorithm != _ZLIB:
            if not received:
                raise UnsupportedHandshakeError("the certificate message is compressed, and its content is not there")
            return tuple(received[:_CHAIN_LIMIT])
        try:
            plain = zlib.decompressobj().decompress(packed, length + 1)
        except zlib.error as error:
            raise FormatError("the compressed certificate message cannot be unpacked") from error
        if len(plain) != length:
            raise FormatError("the compressed certificate message does not have the length that it states")
        return _parse_chain(plain)


def _take(rest: list[HandshakeMessage], sender: Sender, *kinds: int) -> HandshakeMessage:
    if not rest or rest[0].sender is not sender or rest[0].kind not in kinds:
        found = f"a message of type {rest[0].kind} from the {rest[0].sender}" if rest else "the end"
        raise UnsupportedHandshakeError(
            f"no full TLS 1.3 handshake with a certificate: {found} stands where the {sender}'s message of type "
            f"{kinds[0]} belongs"
        )
    return rest.pop(0)


class _Reader:
    """Reads TLS presentation language (RFC 8446 §3)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        piece = self._data[self._at : self._at + size]
        if len(piece) != size:
            raise FormatError("a handshake message ends too early")
        self._at += size
        return piece

    def integer(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, prefix: int) -> bytes:
        return self.take(self.integer(prefix))

    @property
    def more(self) -> bool:
        return self._at < len(self._data)


def _parse_server_hello(data: bytes) -> tuple[int, frozenset[int]]:
    reader = _Reader(data[4:])
    reader.take(34)
    reader.vector(1)
    suite = reader.integer(2)
    reader.take(1)
    return suite, frozenset(kind for kind, _ in _extensions(reader))


def _parse_server_name(data: bytes) -> str:
    """The host name in a ClientHello (RFC 6066 §3); empty when there is none."""
    reader = _Reader(data[4:])
    reader.take(34)
    reader.vector(1)
    reader.vector(2)
    reader.vector(1)
    for kind, body in _extensions(reader):
        if kind == _SERVER_NAME:
            names = _Reader(_Reader(body).vector(2))
            names.take(1)
            return names.vector(2).decode("ascii", "replace")
    return ""


def _extensions(reader: _Reader) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    if reader.more:
        body = _Reader(reader.vector(2))
        while body.more:
            found.append((body.integer(2), body.vector(2)))
    return found


def _parse_chain(body: bytes) -> tuple[bytes, ...]:
    """The certificates of a Certificate message (RFC 8446 §4.4.2)."""
    reader = _Reader(body)
    reader.vector(1)
    entries = _Reader(reader.vector(3))
    chain: list[bytes] = []
    while entries.more and len(chain) < _CHAIN_LIMIT:
        chain.append(entries.vector(3))
        entries.vector(2)
    if not chain or len(chain[0]) > MAX_CERTIFICATE_BYTES:
        raise FormatError("the certificate message holds no usable certificate")
    return tuple(chain)


def _parse_verify(data: bytes) -> tuple[int, bytes]:
    reader = _Reader(data[4:])
    scheme, signature = reader.integer(2), reader.vector(2)
    if scheme not in _SCHEMES:
        raise UnsupportedHandshakeError(f"signature scheme 0x{scheme:04x} cannot be checked by this version")
    return scheme, signature


def _is_valid(leaf: x509.Certificate, scheme: int, signature: bytes, data: bytes) -> bool:
    name, hash_name = _SCHEMES[scheme]
    key = public_key_of(leaf)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size == _CURVES.get(name):
            key.verify(signature, data, ec.ECDSA(_HASHES[hash_name]))
        elif isinstance(key, rsa.RSAPublicKey) and name.startswith("rsa_pss") and key.key_size >= _MIN_RSA_BITS:
            chosen = _HASHES[hash_name]
            # The salt is as long as the hash (RFC 8446 §4.2.3).
            key.verify(signature, data, padding.PSS(padding.MGF1(chosen), chosen.digest_size), chosen)
        elif (isinstance(key, ed25519.Ed25519PublicKey) and name == "ed25519") or (
            isinstance(key, ed448.Ed448PublicKey) and name == "ed448"
        ):
            key.verify(signature, data)
        else:
            return False
    except UnsupportedAlgorithm as error:
        raise UnsupportedHandshakeError(f"{name} cannot be checked here") from error
    except InvalidSignature:
        return False
    return True
