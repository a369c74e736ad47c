"""Ask, at the time of signing and stamping, whether certificates were revoked; the answers are kept in the bundle.

Later nobody may publish them any more. What cannot be had is left out: then `revocation` is NOT_PERFORMED. Revocation
lists (RFC 5280) and OCSP responses (RFC 6960, asked as RFC 5019 §2.1 has it: SHA-1 names, no extensions, because that
is what every responder answers) are believed for their issuer's signature alone.

Addresses in a TSA's certificates come from strangers: only public hosts are asked, few of them, and only what answers
the question is kept. Those in the signer's own certificate are the user's choice, so an intranet is asked, too.
"""

from __future__ import annotations

import hashlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from evidencekit.capture.url_policy import check_url, resolve_and_check
from evidencekit.errors import EvidenceError, FormatError, SigningError
from evidencekit.model import Outcome, Text
from evidencekit.timestamp.authority import SELF_ISSUED_POLICY
from evidencekit.timestamp.token import parse_response, parse_token
from evidencekit.transport.http import get, post
from evidencekit.x509.certificate import MALFORMED, extension_of, names_as_issuer
from evidencekit.x509.crl import load_crl
from evidencekit.x509.ocsp import MAX_OCSP_BYTES, ask_ocsp
from evidencekit.x509.path import Purpose
from evidencekit.x509.revocation import check_revocation
from evidencekit.x509.signature import certificate_signed_by
from evidencekit.x509.signerinfo import load_embedded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from evidencekit.signing.signer import Signer
    from evidencekit.timestamp.client import StampReply
    from evidencekit.x509.checks import Check

MAX_SOURCES: Final = 8
MAX_CRL_BYTES: Final = 4 << 20
TIMEOUT_S: Final = 5.0
OF_TSAS, OF_SIGNER = "proof/tsa/", "proof/seal/"
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A revocation list by its address, or a question to an OCSP responder about a certificate of `issuer`."""

    url: str
    certificate: x509.Certificate
    issuer: x509.Certificate | None = None
    """None for a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Revocation lists and OCSP responses, DER, and the addresses that gave none that counts."""

    crls: tuple[bytes, ...]
    ocsp: tuple[bytes, ...]
    missed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerStatus:
    """What is known of a signer's certificates at the time of signing: `files` to keep, by member name.

    `open` says why it is not known whether they were revoked; None when it is, or when nobody publishes it.
    """

    files: dict[str, bytes]
    open: Text | None = None


def fetch_tsa_revocations(replies: Iterable[Path], *, allow_private: bool = False) -> dict[str, bytes]:
    """Fetch what the certificates in some replies name, all at once, within five seconds.

    Args:
        replies: files with a TimeStampResp each; self-issued ones and those that cannot be read name nothing.
        allow_private: also ask hosts of a private network.

    Returns:
        Revocation lists and OCSP responses by the member names under which a bundle keeps them; fewer, or none, when
        they cannot be had.
    """
    certificates = (certificates_of(reply.read_bytes()) for reply in replies)
    sources = [source for found in certificates for source in _sources_of(found)]
    return _fetch_all(sources, OF_TSAS, allow_private=allow_private)


@dataclass(slots=True)
class Vetting:
    """Says of replies just received whether their TSAs were revoked; asks about the same certificates once a session.

    `fetch_tsa_revocations` asks anew for what the bundle keeps.
    """

    allow_private: bool = False
    _asked: dict[tuple[x509.Certificate, ...], dict[str, bytes]] = field(default_factory=dict)

    def __call__(self, replies: Sequence[StampReply]) -> tuple[Text | None, ...]:
        """Give for each reply why its TSA's certificates void it; None where nothing is known against them.

        RFC 3161 §4 decides which revocations do. What the certificates name is asked within five seconds. A certificate
        whose issuer is not in the token stays open: nobody could say whether a list is its issuer's.
        """
        found = [certificates_of(each.response) for each in replies]
        new = list(dict.fromkeys(path for path in found if path not in self._asked))
        sources = [source for path in new for source in _sources_of(path)]
        files = _fetch_all(sources, OF_TSAS, allow_private=self.allow_private)
        self._asked |= dict.fromkeys(new, files)
        return tuple(_void(reply, path, self._asked[path]) for reply, path in zip(replies, found, strict=True))


def _void(reply: StampReply, path: tuple[x509.Certificate, ...], files: Mapping[str, bytes]) -> Text | None:
    crls, responses = _of_kind(files, ".crl"), _of_kind(files, ".ocsp")
    at = reply.check.gen_time or reply.received_at
    for certificate in path:
        step = check_revocation(
            (certificate,), at=at, purpose=Purpose.TIMESTAMPING, crls=crls, ocsp=responses, issuers=path
        )
        if step.outcome is Outcome.FAILED:
            return Text(
                en=f"TSA {reply.tsa}: {step.reason.en}; its token is not kept, use another TSA",
                zh=f"时间戳机构 {reply.tsa}：{step.reason.zh}；其时间戳不予保存，请更换机构",
            )
    return None


def fetch_answers(paths: Iterable[Sequence[x509.Certificate]], *, allow_private: bool = False) -> Answers:
    """Fetch the lists that certificates name, and ask their responders, all at once.

    Args:
        paths: certificates that belong together; a responder is asked about one whose issuer is among its own.
        allow_private: also ask hosts of a private network.
    """
    sources = _few(source for path in paths for source in _sources_of(path))
    found = _fetch_each(sources, allow_private=allow_private)
    got = list(zip(sources, found, strict=True))
    return Answers(
        crls=tuple(dict.fromkeys(data for source, data in got if data is not None and source.issuer is None)),
        ocsp=tuple(dict.fromkeys(data for source, data in got if data is not None and source.issuer is not None)),
        missed=tuple(dict.fromkeys(source.url for source, data in got if data is None)),
    )


def certificates_of(data: bytes) -> tuple[x509.Certificate, ...]:
    """Those in a token or a whole reply; none when it is self-issued or cannot be read."""
    try:
        token = parse_token(parse_response(data).token or b"")
    except FormatError:
        try:
            token = parse_token(data)
        except FormatError:
            return ()
    return () if token.policy == SELF_ISSUED_POLICY else load_embedded(token.signed_data)


def check_signer_now(signer: Signer, *, at: datetime, ask: bool) -> SignerStatus:
    """Ask whether the certificates of a signer were revoked, and refuse a signer who was.

    Args:
        signer: who is about to sign; a self-signed certificate names nobody who could say.
        at: the time, aware.
        ask: whether third parties may be asked.

    Raises:
        SigningError: a certificate was revoked.
    """
    path = (signer.certificate, *signer.chain)
    sources = list(_sources_of(path))
    files = _fetch_all(sources, OF_SIGNER, allow_private=True) if ask else {}
    brought: Sequence[bytes] = getattr(signer, "crls", ())
    step = _judge(path, at, [*brought, *_of_kind(files, ".crl")], _of_kind(files, ".ocsp"))
    if step.outcome is Outcome.FAILED:
        raise SigningError(
            f"The signer cannot sign: {step.reason.en}; use another signer, or rotate the identity.",
            f"签署人不能签名：{step.reason.zh}；请更换签署方，或轮换身份。",
        )
    known = step.outcome is Outcome.PASSED or not sources
    return SignerStatus(files=files, open=None if known else _not_known(sources, asked=ask))


def _judge(
    path: tuple[x509.Certificate, ...], at: datetime, crls: Sequence[bytes], responses: Sequence[bytes]
) -> Check:
    # A list that is older than the moment of signing says nothing about it unless it is still in force.
    return check_revocation(path, at=at, purpose=Purpose.SEALING, crls=crls, ocsp=responses, issuers=path[1:])


def _not_known(sources: Sequence[_Source], *, asked: bool) -> Text:
    hosts = ", ".join(dict.fromkeys(urlsplit(each.url).hostname or "?" for each in sources))
    if not asked:
        return Text(
            en=f"whether the signer's certificate was revoked was not asked ({hosts}), because no third party may be",
            zh=f"未查询签署人证书是否被吊销({hosts})：已要求不联系第三方",
        )
    return Text(
        en=f"whether the signer's certificate was revoked is not known: {hosts} gave no answer that counts",
        zh=f"无法得知签署人证书是否被吊销：{hosts} 未给出有效答复",
    )


def _sources_of(certificates: Sequence[x509.Certificate]) -> Iterator[_Source]:
    """What these certificates name: lists, and responders where the issuer is among them."""
    for certificate in certificates:
        if certificate.issuer == certificate.subject:
            continue
        issuer = next((each for each in certificates if _issued(each, certificate)), None)
        if issuer is not None:
            yield from (_Source(url=url, certificate=certificate, issuer=issuer) for url in _responders(certificate))
        yield from (_Source(url=url, certificate=certificate) for url in _points(certificate))


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    named = issuer != certificate and names_as_issuer(certificate, issuer)
    return named and certificate_signed_by(certificate, issuer).outcome is Outcome.PASSED


def _points(certificate: x509.Certificate) -> list[str]:
    """The addresses of the lists that a certificate names (RFC 5280 §4.2.1.13)."""
    extension = extension_of(certificate, x509.CRLDistributionPoints)
    points = () if extension is None else extension.value
    return _web(name for point in points for name in point.full_name or ())


def _responders(certificate: x509.Certificate) -> list[str]:
    extension = extension_of(certificate, x509.AuthorityInformationAccess)
    described = () if extension is None else extension.value
    return _web(each.access_location for each in described if each.access_method == AuthorityInformationAccessOID.OCSP)


def _web(names: Iterable[x509.GeneralName]) -> list[str]:
    found = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return [url for url in found if url.startswith(("http://", "https://"))]


def _fetch_all(sources: Iterable[_Source], folder: str, *, allow_private: bool) -> dict[str, bytes]:
    unique = _few(sources)
    found = _fetch_each(unique, allow_private=allow_private)
    return {
        f"{folder}{hashlib.sha256(data).hexdigest()[:32]}{'.ocsp' if source.issuer else '.crl'}": data
        for source, data in zip(unique, found, strict=True)
        if data is not None
    }


def _few(sources: Iterable[_Source]) -> list[_Source]:
    """Each list and each question once, and not more than a stranger may make us ask."""
    unique = {(each.url, each.certificate if each.issuer else None): each for each in sources}
    return list(itertools.islice(unique.values(), MAX_SOURCES))


def _fetch_each(sources: Sequence[_Source], *, allow_private: bool) -> list[bytes | None]:
    if not sources:
        return []
    with ThreadPoolExecutor(len(sources), "revocation") as pool:
        return list(pool.map(partial(_fetch, allow_private=allow_private), sources))


def _fetch(source: _Source, *, allow_private: bool) -> bytes | None:
    if source.issuer is None:
        return _fetch_list(source.url, allow_private=allow_private)
    try:
        _require_reachable(source.url, allow_private=allow_private)
        return _ask(source.url, source.certificate, source.issuer)
    except EvidenceError:
        return None


def _fetch_list(url: str, *, allow_private: bool) -> bytes | None:
    try:
        _require_reachable(url, allow_private=allow_private)
        body = get(url, limit=MAX_CRL_BYTES, timeout_s=TIMEOUT_S).body
        load_crl(body)
    except EvidenceError:
        return None
    return body


def _require_reachable(url: str, *, allow_private: bool) -> None:
    check_url(url, allow_private=allow_private)
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    resolve_and_check(parts.hostname or "", port, allow_private=allow_private)


def _ask(url: str, certificate: x509.Certificate, issuer: x509.Certificate) -> bytes | None:
    """Give a responder's answer if it is one: about this certificate, signed as it must be, and of today."""
    try:
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303 (RFC 5019)
        question = builder.build().public_bytes(Encoding.DER)
    except MALFORMED:
        return None
    reply = post(
        url,
        question,
        content_type="application/ocsp-request",
        accept="application/ocsp-response",
        limit=MAX_OCSP_BYTES,
        timeout_s=TIMEOUT_S,
    )
    answer = ask_ocsp(reply.body, certificate, issuer, at=datetime.now(UTC))
    return None if answer is None or not (answer.conclusive or answer.revocation) else reply.body


def _of_kind(files: Mapping[str, bytes], suffix: str) -> list[bytes]:
    return [data for name, data in files.items() if name.endswith(suffix)]
