"""TLS 1.3 handshakes put together message by message and signed, for every way that a server may sign."""

from __future__ import annotations

import hashlib
import os
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from evidencekit.x509.handshake import HandshakeMessage, Sender

if TYPE_CHECKING:
    from collections.abc import Sequence

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
RETRY = hashlib.sha256(b"HelloRetryRequest").digest()
_CONTEXT = b" " * 64 + b"TLS 1.3, server CertificateVerify\0"
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


@dataclass(frozen=True, kw_only=True)
class Server:
    """A key, its certificate, and the scheme that it signs by."""

    key: Key
    certificate: bytes
    scheme: int
    bits: str


@cache
def server(scheme: int = 0x0403, host: str = "shop.test") -> Server:
    """A server for a signature scheme (RFC 8446 §4.2.3)."""
    key: Key
    if scheme == 0x0807:
        key = ed25519.Ed25519PrivateKey.generate()
    elif scheme in {0x0403, 0x0503, 0x0603}:
        key = ec.generate_private_key(
            {3: ec.SECP256R1(), 5: ec.SECP384R1(), 6: ec.SECP521R1()}[scheme >> 8 if scheme > 0x0403 else 3]
        )
    else:
        key = rsa.generate_private_key(65537, 2048)
    bits = {0x0403: "256", 0x0503: "384", 0x0603: "512", 0x0804: "256", 0x0805: "384", 0x0806: "512"}.get(scheme, "256")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    )
    certificate = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return Server(key=key, certificate=certificate.public_bytes(Encoding.DER), scheme=scheme, bits=bits)


def vector(data: bytes, prefix: int) -> bytes:
    """A vector with its length before it."""
    return len(data).to_bytes(prefix, "big") + data


def message(sender: Sender, kind: int, body: bytes) -> HandshakeMessage:
    """One handshake message."""
    return HandshakeMessage(sender=sender, data=bytes((kind,)) + vector(body, 3))


def client_hello(host: str) -> HandshakeMessage:
    """A ClientHello that asks for a host, or for none."""
    name = vector(vector(b"\0" + vector(host.encode(), 2), 2), 2) if host else b""
    extensions = (b"\0\0" + name if host else b"") + b"\0\x2b" + vector(b"\2\3\4", 2)
    body = b"\3\3" + os.urandom(32) + vector(os.urandom(32), 1) + vector(b"\x13\x01\x13\x02", 2) + b"\1\0"
    return message(Sender.CLIENT, 1, body + vector(extensions, 2))


def server_hello(suite: int = 0x1301, *, random: bytes | None = None, extensions: bytes = b"") -> HandshakeMessage:
    """A ServerHello, or with `RETRY` a HelloRetryRequest."""
    chosen = b"\0\x2b" + vector(b"\3\4", 2) + extensions
    body = b"\3\3" + (random or os.urandom(32)) + vector(b"", 1) + suite.to_bytes(2, "big") + b"\0" + vector(chosen, 2)
    return message(Sender.SERVER, 2, body)


def certificate(chain: Sequence[bytes]) -> HandshakeMessage:
    """A Certificate message."""
    return message(Sender.SERVER, 11, b"\0" + vector(b"".join(vector(der, 3) + b"\0\0" for der in chain), 3))


def compressed(plain: HandshakeMessage, algorithm: int = 1, packed: bytes | None = None) -> HandshakeMessage:
    """A CompressedCertificate message (RFC 8879); zlib by default."""
    body = plain.data[4:]
    packed = zlib.compress(body) if packed is None else packed
    return message(Sender.SERVER, 25, algorithm.to_bytes(2, "big") + len(body).to_bytes(3, "big") + vector(packed, 3))


def sign(who: Server, before: Sequence[HandshakeMessage], hash_name: str = "sha256") -> HandshakeMessage:
    """The CertificateVerify over the messages before it; a HelloRetryRequest is taken into account."""
    digest = hashlib.new(hash_name)
    rest = list(before)
    if rest[1].data[6:38] == RETRY:
        first = hashlib.new(hash_name, rest[0].data).digest()
        digest.update(b"\xfe\0\0" + vector(first, 1))
        rest = rest[1:]
    for each in rest:
        digest.update(each.data)
    data = _CONTEXT + digest.digest()
    key, chosen = who.key, _HASHES[who.bits]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(data, ec.ECDSA(chosen))
    elif isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(data, padding.PSS(padding.MGF1(chosen), chosen.digest_size), chosen)
    else:
        signature = key.sign(data)
    return message(Sender.SERVER, 15, who.scheme.to_bytes(2, "big") + vector(signature, 2))


def handshake(
    who: Server, host: str = "shop.test", *, suite: int = 0x1301, retry: bool = False
) -> list[HandshakeMessage]:
    """A whole handshake up to CertificateVerify."""
    messages = [client_hello(host)]
    if retry:
        messages += [server_hello(suite, random=RETRY), client_hello(host)]
    messages += [server_hello(suite), message(Sender.SERVER, 8, b"\0\0"), certificate([who.certificate])]
    return [*messages, sign(who, messages, "sha384" if suite == 0x1302 else "sha256")]
