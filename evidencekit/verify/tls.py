"""The servers' signatures over the TLS handshakes of the capture, checked again (docs/spec/tls.md)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from cryptography import x509

from evidencekit.errors import FormatError
from evidencekit.verify.tally import Tally
from evidencekit.x509.certificate import MALFORMED
from evidencekit.x509.handshake import UnsupportedHandshakeError, check_handshake
from evidencekit.x509.handshakefile import FILE_LIMIT, FOLDER, SUFFIX, parse_handshake

if TYPE_CHECKING:
    from evidencekit.model import Finding, JsonValue
    from evidencekit.verify.case import Case
    from evidencekit.x509.handshake import HandshakeProof
    from evidencekit.x509.handshakefile import HandshakeFile

MAX_FILES: Final = 400


def check_tls(case: Case) -> Finding:
    """`tls.handshake`: the holder of each certificate's key took part in a handshake; nothing about when."""
    tally = Tally("tls.handshake", FOLDER)
    names = [name for name in case.names if name.startswith(FOLDER) and name.endswith(SUFFIX)]
    if not names:
        tally.skip(
            "the bundle holds no TLS 1.3 handshake: plain HTTP, HTTP/3, TLS 1.2, or fast mode",
            "证据包中没有 TLS 1.3 握手：明文 HTTP、HTTP/3、TLS 1.2 或快速模式",
        )
        return tally.close("", "")
    capture_id = case.manifest.capture_id
    proved: list[JsonValue] = []
    for name in names[:MAX_FILES]:
        try:
            file = parse_handshake(case.data(name, limit=FILE_LIMIT), name)
            proof = check_handshake(file.messages, file.certificates)
        except UnsupportedHandshakeError as error:
            tally.doubt(f"{name}: {error.en}", f"{name}:{error.zh}")
            continue
        except FormatError as error:
            tally.fail(f"{name}: {error.en}", f"{name}:{error.zh}")
            continue
        if file.capture_id != capture_id:
            tally.fail(f"{name} is of another capture", f"{name} 属于另一次取证")
        _judge(tally, name, file, proof)
        proved.append(_detail(file, proof))
    if len(names) > MAX_FILES:
        tally.doubt(f"only the first {MAX_FILES} handshakes were checked", f"只核验了前 {MAX_FILES} 个握手")
    tally.details["handshakes"] = proved
    return tally.close(
        f"in {len(proved)} TLS 1.3 handshakes the holder of the certificate's key took part; this says neither when (a "
        "handshake can be replayed) nor what bytes the page had, and behind a CDN the key holder is the CDN",
        f"在 {len(proved)} 次 TLS 1.3 握手中，证书私钥的持有者确曾参与；这不证明握手的时间（握手可被重放），也不证明"
        "网页的字节，经 CDN 访问时私钥持有者为 CDN",
    )


def _judge(tally: Tally, name: str, file: HandshakeFile, proof: HandshakeProof) -> None:
    if not proof.valid:
        tally.fail(
            f"{name}: the server's signature is not over this handshake", f"{name}：服务器签名与此次握手的字节不符"
        )
    asked = proof.server_name.lower().rstrip(".")
    if asked != ("" if _is_address(file.host) else file.host.lower().rstrip(".")):
        tally.fail(
            f"{name}: the browser asked for {asked or 'no name'!r}, not for {file.host!r}",
            f"{name}：浏览器请求的主机为 {asked or '（无）'!r}，而非 {file.host!r}",
        )
    if not names_host(proof.leaf, file.host):
        tally.doubt(f"{name}: the certificate does not name {file.host}", f"{name}：证书中没有 {file.host} 这一名称")


def _detail(file: HandshakeFile, proof: HandshakeProof) -> dict[str, JsonValue]:
    return {
        "host": file.host,
        "port": file.port,
        "scheme": proof.scheme,
        "valid": proof.valid,
        "subject": proof.leaf.subject.rfc4514_string()[:300],
        "issuer": proof.leaf.issuer.rfc4514_string()[:300],
        "client_random": proof.client_random.hex(),
    }


def names_host(certificate: x509.Certificate, host: str) -> bool:
    """Tell whether a certificate's subjectAltName holds a host (RFC 9525 §6); one leading `*` stands for one label."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *MALFORMED):
        return False
    if _is_address(host):
        return any(str(each) == host for each in names.get_values_for_type(x509.IPAddress))
    wanted = host.lower().rstrip(".")
    parent = f"*.{wanted.partition('.')[2]}"
    return any(name.lower().rstrip(".") in {wanted, parent} for name in names.get_values_for_type(x509.DNSName))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
