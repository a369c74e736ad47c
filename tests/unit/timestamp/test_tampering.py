"""No byte of a token that this library issues can be changed without notice, and no bytes break the parsers."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidencekit.errors import FormatError
from evidencekit.model import Outcome
from evidencekit.timestamp.check import TokenCheck, check_token
from evidencekit.timestamp.query import build_query, parse_query
from evidencekit.timestamp.token import parse_response, parse_token
from evidencekit.x509 import cms, der
from evidencekit.x509.digests import digest

STAMPED = digest("sha256", b"what was seen")
MASKS = (0x01, 0x80, 0x0A, 0xFF)  # 0x0A turns sha256WithRSAEncryption into rsaEncryption
Identities = Callable[[str], Any]


def judge(data: bytes, anchors: Any) -> TokenCheck:
    return check_token(data, digest=STAMPED, anchors=anchors, at=datetime.now(UTC))


def unnoticed(found: TokenCheck) -> bool:
    return found.intact and found.trusted is Outcome.PASSED and not found.unaccounted


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "whole"), [("p256", True), ("rsa", False), ("ed25519", False), ("p256-self", True)])
def test_every_byte_counts(tsa_identities: Identities, kind: str, whole: bool) -> None:
    identity = tsa_identities(kind)
    response = identity.authority().reply(build_query(STAMPED, nonce=5))
    data = response if whole else parse_response(response).token or b""
    assert unnoticed(judge(data, [identity.anchor]))
    for position in range(len(data)):
        for mask in (0x01, 0x80) if kind == "p256" else (0x01,):
            changed = bytearray(data)
            changed[position] ^= mask
            assert not unnoticed(judge(bytes(changed), [identity.anchor])), (position, mask)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["p256", "rsa"])
def test_more_values_of_every_unprotected_byte_count(tsa_identities: Identities, kind: str) -> None:
    # Outside content, certificates, signed attributes and signature. RSA has two names for one signature,
    # which differ in a byte after a one: all values there.
    identity = tsa_identities(kind)
    data = parse_response(identity.authority().reply(build_query(STAMPED))).token or b""
    signed = cms.parse_signed_data(data)
    signer = signed.signers[0]
    covered: set[int] = set()
    for part in (signed.content or b"", *signed.certificates, signer.signed_octets[4:], signer.signature):
        start = data.index(part)
        covered.update(range(start, start + len(part)))
    loose = [position for position in range(len(data)) if position not in covered]
    assert 80 < len(loose) < 250
    for position in loose:
        for mask in range(1, 256) if kind == "rsa" and data[position - 1] == 1 else (*MASKS, 0x20, 0x40, 0x04):
            changed = data[:position] + bytes((data[position] ^ mask,)) + data[position + 1 :]
            assert not unnoticed(judge(changed, [identity.anchor])), (position, mask)


def with_parts(token: bytes, change: Callable[[list[bytes]], None]) -> bytes:
    """Rebuild a token with the encoded parts of its SignedData changed."""
    kind, wrapped = der.children(der.parse(token))
    parts = [node.raw for node in der.children(der.parse(wrapped.content))]
    change(parts)
    return der.sequence(kind.raw, der.encode(der.context(0), der.sequence(*parts)))


def test_additions_are_reported(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    token = parse_response(identity.authority().reply(build_query(STAMPED))).token or b""
    stranger = tsa_identities("p256-self").certificate.public_bytes(encoding_der())

    def add_certificate(parts: list[bytes]) -> None:
        parts[3] = der.encode(der.context(0), der.parse(parts[3]).content, stranger)

    def add_crl(parts: list[bytes]) -> None:
        parts.insert(4, der.encode(der.context(1), der.sequence(der.integer(1))))

    def add_attribute(parts: list[bytes]) -> None:
        signer = der.children(der.children(der.parse(parts[-1]))[0])
        extra = der.encode(der.context(1), der.sequence(der.oid("1.2.3"), der.set_of(der.null())))
        parts[-1] = der.set_of(der.sequence(*(n.raw for n in signer), extra))

    def add_digest_algorithm(parts: list[bytes]) -> None:
        sha512 = der.sequence(der.oid("2.16.840.1.101.3.4.2.3"))
        parts[1] = der.set_of(*(n.raw for n in der.children(der.parse(parts[1]))), sha512)

    def lower_version(parts: list[bytes]) -> None:
        parts[0] = der.integer(1)

    for change in (add_certificate, add_crl, add_attribute, add_digest_algorithm, lower_version):
        found = judge(with_parts(token, change), [identity.anchor])
        assert found.intact, change.__name__
        assert len(found.unaccounted) == 1, change.__name__
    assert unnoticed(judge(with_parts(token, lambda _: None), [identity.anchor]))


def encoding_der() -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.DER


def test_a_second_signer_is_refused(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    token = parse_response(identity.authority().reply(build_query(STAMPED))).token or b""

    def double(parts: list[bytes]) -> None:
        signer = der.parse(parts[-1]).content
        parts[-1] = der.encode(der.SET, signer, signer)

    found = judge(with_parts(token, double), [identity.anchor])
    assert found.integrity is Outcome.FAILED
    assert found.reason.en.startswith("2 signers")


def indefinite(node: der.Node) -> bytes:
    """Re-encode a value with indefinite lengths, and its content octets in two pieces, as BER allows."""
    if node.tag & der.CONSTRUCTED:
        return bytes((node.tag, 0x80)) + b"".join(indefinite(n) for n in der.children(node)) + b"\0\0"
    if node.tag == der.OCTET_STRING and len(node.content) > 100:
        halves = der.octet_string(node.content[:50]), der.octet_string(node.content[50:])
        return b"\x24\x80" + b"".join(halves) + b"\0\0"
    return node.raw


def test_ber_is_read_and_reported(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    token = parse_response(identity.authority().reply(build_query(STAMPED))).token or b""
    kind, wrapped = der.children(der.parse(token))
    version, digests, content, certificates, signers = der.children(der.parse(wrapped.content))
    parts = (version.raw, digests.raw, indefinite(content), certificates.raw, signers.raw)
    loose = b"\x30\x80" + kind.raw + b"\xa0\x80\x30\x80" + b"".join(parts) + b"\0\0" * 3
    found = judge(loose, [identity.anchor])
    assert found.intact, found.reason
    assert found.trusted is Outcome.PASSED
    assert [text.en for text in found.unaccounted] == ["the encoding is not DER"]


PARSERS = (parse_response, parse_token, parse_query, cms.parse_signed_data)


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_parse_or_are_a_format_error(data: bytes) -> None:
    for parse in PARSERS:
        with_format_error(parse, data)


def with_format_error(parse: Callable[[bytes], Any], data: bytes) -> None:
    try:
        parse(data)
    except FormatError:
        return


def sample(identities: Identities, made: dict[str, bytes] = {}) -> bytes:  # noqa: B006 - one reply for all examples
    if not made:
        made["reply"] = identities("p256").authority().reply(build_query(STAMPED, nonce=9))
    return made["reply"]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_tokens_parse_or_are_a_format_error(tsa_identities: Identities, data: st.DataObject) -> None:
    response = bytearray(sample(tsa_identities))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(response) - 1))
        action = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if action == "set":
            response[position] = data.draw(st.integers(0, 255))
        elif action == "cut":
            del response[position : position + data.draw(st.integers(1, 40))]
        else:
            response[position:position] = data.draw(st.binary(max_size=8))
        response = response or bytearray(b"0")
    for parse in PARSERS:
        with_format_error(parse, bytes(response))
    found = judge(bytes(response), [tsa_identities("p256").anchor])
    assert isinstance(found.integrity, Outcome)


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x30\x80" * 100_000,
        b"\x24\x80" * 100_000,
        b"\x30\x84\x00\x01\x86\x9c" + b"\x30\x00" * 50_000,
        b"\x30\x84\xff\xff\xff\xff",
        b"\xff" * 1000,
        b"\x30\x88" + b"\xff" * 8,
        b"\x30" + der.encode(0, b"\x05\x00" * 60_000)[1:],
    ],
)
def test_bombs_end_quickly(bomb: bytes) -> None:
    for parse in PARSERS:
        with pytest.raises(FormatError):
            parse(bomb)
    assert judge(bomb, []).integrity is Outcome.FAILED
