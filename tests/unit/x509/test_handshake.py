"""The server's signature over a TLS 1.3 handshake: made by hand for every scheme, and by OpenSSL as the judge."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import FormatError
from evidencekit.x509.handshake import (
    HandshakeMessage,
    Sender,
    UnsupportedHandshakeError,
    check_handshake,
)
from evidencekit.x509.handshakefile import HandshakeFile, format_handshake, handshake_path, parse_handshake
from tests.support.handshakes import certificate, client_hello, compressed, handshake, server, server_hello, sign

SCHEMES = {
    0x0403: "ecdsa_secp256r1_sha256",
    0x0503: "ecdsa_secp384r1_sha384",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0804: "rsa_pss_rsae_sha256",
    0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512",
    0x0807: "ed25519",
}


@pytest.mark.parametrize("suite", [0x1301, 0x1302, 0x1303])
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_every_scheme_and_cipher_suite(scheme: int, suite: int) -> None:
    who = server(scheme)
    proof = check_handshake(handshake(who, suite=suite))
    assert proof.valid
    assert proof.scheme == SCHEMES[scheme]
    assert proof.server_name == "shop.test"
    assert proof.chain == (who.certificate,)
    assert proof.cipher_suite == suite


def test_after_a_retry_the_first_hello_counts_by_its_hash() -> None:
    messages = handshake(server(), retry=True)
    proof = check_handshake(messages)
    assert proof.valid
    assert proof.retried
    other = [client_hello("shop.test"), *messages[1:]]
    assert not check_handshake(other).valid


@pytest.mark.parametrize("place", range(4))
def test_a_bit_turned_anywhere_is_seen(place: int) -> None:
    messages = handshake(server())
    turned = bytearray(messages[place].data)
    turned[min(10, len(turned) - 1)] ^= 1
    messages[place] = HandshakeMessage(sender=messages[place].sender, data=bytes(turned))
    try:
        assert not check_handshake(messages).valid
    except FormatError:
        assert place in {1, 3}  # its own form is broken


def test_a_signature_of_another_key_is_refused() -> None:
    mine, other = server(), server(0x0403, "other.test")
    messages = handshake(mine)
    messages[-1] = sign(other, messages[:-1])
    assert not check_handshake(messages).valid


def test_a_scheme_that_is_not_the_keys_is_refused() -> None:
    messages = handshake(server(0x0403))
    body = bytearray(messages[-1].data)
    body[4:6] = b"\x08\x04"
    messages[-1] = HandshakeMessage(sender=Sender.SERVER, data=bytes(body))
    assert not check_handshake(messages).valid


def test_a_certificate_compressed_with_zlib_is_unpacked() -> None:
    who = server()
    before = [*handshake(who)[:3], compressed(certificate([who.certificate]))]
    proof = check_handshake([*before, sign(who, before)])
    assert proof.valid
    assert proof.compressed
    assert proof.chain == (who.certificate,)


def test_a_certificate_compressed_with_brotli_needs_what_the_browser_decoded() -> None:
    import brotli

    who = server()
    plain = certificate([who.certificate])
    before = [*handshake(who)[:3], compressed(plain, 2, brotli.compress(plain.data[4:]))]
    messages = [*before, sign(who, before)]
    assert check_handshake(messages, [who.certificate]).valid
    with pytest.raises(UnsupportedHandshakeError):
        check_handshake(messages)
    # Somebody else's certificate beside it does not become the signer's.
    assert not check_handshake(messages, [server(0x0403, "other.test").certificate]).valid


@pytest.mark.parametrize("packed", [b"", b"no zlib", b"\x78\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_certificate_that_does_not_unpack_is_no_handshake(packed: bytes) -> None:
    who = server()
    before = [*handshake(who)[:3], compressed(certificate([who.certificate]), 1, packed)]
    with pytest.raises(FormatError):
        check_handshake([*before, sign(who, before)])


def test_a_resumed_connection_proves_nothing() -> None:
    messages = handshake(server())
    messages[1] = server_hello(extensions=b"\0\x29\0\2\0\0")
    with pytest.raises(UnsupportedHandshakeError, match="resumed"):
        check_handshake(messages)


@pytest.mark.parametrize("kept", [0, 1, 2, 3, 4])
def test_a_handshake_cut_short_proves_nothing(kept: int) -> None:
    with pytest.raises(UnsupportedHandshakeError):
        check_handshake(handshake(server())[:kept])


@given(st.lists(st.tuples(st.sampled_from(Sender), st.binary(max_size=80)), max_size=8))
def test_anything_else_is_refused_in_words(messages: list[tuple[Sender, bytes]]) -> None:
    with pytest.raises(FormatError):
        check_handshake([HandshakeMessage(sender=sender, data=data) for sender, data in messages])


def test_the_file_gives_back_what_was_written() -> None:
    who = server()
    file = HandshakeFile(
        capture_id="ab" * 16,
        host="shop.test",
        port=8443,
        address="127.0.0.1:8443",
        time=datetime(2026, 11, 26, 1, 2, 3, 4, tzinfo=UTC),
        messages=tuple(handshake(who)),
        certificates=(who.certificate,),
    )
    assert parse_handshake(format_handshake(file), "x") == file
    assert handshake_path("shop.test", 443) == "capture/tls/shop.test.handshake.json"
    assert handshake_path("::1", 8443) == "capture/tls/__1_8443.handshake.json"
    with pytest.raises(FormatError):
        parse_handshake(format_handshake(file).replace(b"shop.test", b"shop test"), "x")


_LINE = re.compile(r"^(<<<|>>>) (.*?), Handshake \[length [0-9a-f]+\], (\w+)")


def _messages(output: str) -> list[HandshakeMessage]:
    """The handshake messages in what `openssl s_client -msg` prints."""
    found: list[HandshakeMessage] = []
    data, sender, taking = bytearray(), Sender.CLIENT, False
    for line in [*output.splitlines(), "<<< end"]:
        if line.startswith(("<<<", ">>>")):
            if data:
                found.append(HandshakeMessage(sender=sender, data=bytes(data)))
            data = bytearray()
            head = _LINE.match(line)
            taking = head is not None
            sender = Sender.SERVER if line.startswith("<<<") else Sender.CLIENT
        elif line.startswith("    ") and taking:
            data += bytes.fromhex(line)
        elif not line.startswith("    "):
            taking = False
    return found


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
@pytest.mark.parametrize(
    ("key", "scheme", "groups"),
    [
        (["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "ecdsa_secp256r1_sha256", "X25519"),
        (["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "ecdsa_secp384r1_sha384", "P-521"),
        (["rsa", "-pkeyopt", "rsa_keygen_bits:2048"], "rsa_pss_rsae_sha256", "X25519"),
        (["rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"], "rsa_pss_pss_sha256", "X25519"),
        (["ed25519"], "ed25519", "P-521"),
    ],
)
def test_what_openssl_signs(key: list[str], scheme: str, groups: str, tmp_path: Path) -> None:
    pem, keyfile = str(tmp_path / "c.pem"), str(tmp_path / "k.pem")
    subject = ["-keyout", keyfile, "-out", pem, "-subj", "/CN=a.test"]
    made = ["openssl", "req", "-x509", "-newkey", key[0], *key[1:], "-nodes", *subject]
    subprocess.run(made, check=True, capture_output=True)
    server_process = subprocess.Popen(
        ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", pem, "-key", keyfile, "-tls1_3", "-groups", groups],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server_process.stdout is not None
        deadline = time.monotonic() + 20
        port = ""
        while not port and time.monotonic() < deadline:
            line = server_process.stdout.readline()
            port = line.rpartition(":")[2].strip() if line.startswith("ACCEPT") else ""
        asked = ["-connect", f"127.0.0.1:{port}", "-servername", "a.test", "-groups", f"P-256:{groups}"]
        shown = subprocess.run(
            ["openssl", "s_client", *asked, "-msg", "-tls1_3"],
            input="",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        server_process.kill()
        server_process.communicate()
    proof = check_handshake(_messages(shown.stdout))
    assert proof.valid
    assert proof.scheme == scheme
    assert proof.server_name == "a.test"
    assert proof.retried  # the client guessed P-256, which the server does not take
    assert proof.leaf == x509.load_pem_x509_certificate(Path(pem).read_bytes())
