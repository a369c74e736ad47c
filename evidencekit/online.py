"""What `verify --online` fetches before the offline verifier judges: who was revoked, and the log as it is now.

Nothing fetched is believed for where it came from: a revocation list or an OCSP response counts by its issuer's
signature, the log by its key. The addresses stand in certificates and bundles of strangers, so only public hosts are
asked, few of them, within bounds of time and size; what cannot be had is said, and the findings that need it stay open.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cryptography import x509

from evidencekit.bundle import paths
from evidencekit.bundle.reader import open_bundle
from evidencekit.capture.url_policy import check_url, resolve_and_check
from evidencekit.errors import EvidenceError, FormatError, LedgerError
from evidencekit.ledger.policy import Policy, parse_policy
from evidencekit.ledger.proof import parse_proof
from evidencekit.ledger.source import http_source
from evidencekit.model import Text
from evidencekit.revocations import certificates_of, fetch_answers
from evidencekit.signing.note import split_note
from evidencekit.standing import standing_of
from evidencekit.x509.cms import parse_signed_data
from evidencekit.x509.signerinfo import load_embedded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidencekit.bundle.reader import Bundle
    from evidencekit.ledger.amendment import Standing
    from evidencekit.ledger.source import Fetch
    from evidencekit.verify.trust import Trust

MAX_LOG_BYTES: Final = 256 << 20
"""Of a log, so much is read at most: its entries up to some millions."""
LOG_TIMEOUT_S: Final = 120.0
_REPLY_TIMEOUT_S: Final = 10.0
_MAX_MEMBERS: Final = 64
_MAX_PROOF_BYTES: Final = 1 << 18
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was fetched, and what was not, in a sentence each."""

    crls: tuple[x509.CertificateRevocationList, ...]
    ocsp: tuple[bytes, ...]
    standing: Standing | None
    missed: tuple[Text, ...]

    def added_to(self, trust: Trust) -> Trust:
        """Return the caller's trust with the revocation lists and OCSP responses beside their own."""
        return replace(trust, crls=(*trust.crls, *self.crls), ocsp=(*trust.ocsp, *self.ocsp))


def fetch_for(bundle: Path, trust: Trust, *, standing: bool = True, allow_private: bool = False) -> Fetched:
    """Fetch what may tell more of a bundle than it does itself.

    Args:
        bundle: the bundle; it is not judged here.
        trust: the caller's anchors; a witness policy among them may say where the log is published.
        standing: also look for the log.
        allow_private: also ask hosts of a private network that the bundle names.

    Raises:
        FormatError: no bundle. StorageError: it cannot be read.
    """
    with open_bundle(bundle) as opened:
        given = (*trust.signers, *trust.tsas)
        named = [(*path, *given) for path in _paths(opened)] or [given]
        place = _place_of_log(opened, trust, allow_private=allow_private) if standing else None
    answers = fetch_answers(named, allow_private=allow_private)
    missed = [_nothing_from(url) for url in answers.missed]
    found = None
    if isinstance(place, Text):
        missed.append(place)
    elif place is not None:
        try:
            found = standing_of(bundle, _bounded(http_source(place, timeout_s=_REPLY_TIMEOUT_S)), trust.logs)
        except EvidenceError as error:
            missed.append(Text(en=f"the log at {place}: {error.en}", zh=f"{place} 处的日志：{error.zh}"))
    crls = tuple(x509.load_der_x509_crl(data) for data in answers.crls)
    return Fetched(crls=crls, ocsp=answers.ocsp, standing=found, missed=tuple(missed))


def _paths(bundle: Bundle) -> Iterator[tuple[x509.Certificate, ...]]:
    """Give the certificates in each seal and token."""
    names = [name for name in bundle.names() if name.endswith((".p7s", ".tsr", ".tst"))][:_MAX_MEMBERS]
    for name in names:
        try:
            data = bundle.read(name, limit=_MAX_PROOF_BYTES)
            if name.endswith(".p7s"):
                yield load_embedded(parse_signed_data(data))
            else:
                yield certificates_of(data)
        except FormatError:
            continue  # its own finding says why


def _place_of_log(bundle: Bundle, trust: Trust, *, allow_private: bool) -> str | Text:
    """Tell where the log is published: by the caller's policy, else by the bundle's, which may name a public host."""
    try:
        note = parse_proof(bundle.read(paths.ENTRY_PROOF, limit=_MAX_PROOF_BYTES)).checkpoint
        origin = split_note(note)[0].split(b"\n", 1)[0].decode()
        given = _address(trust.policies, origin)
        if given is not None:
            return given
        own = (parse_policy(bundle.read(paths.POLICY, limit=_MAX_PROOF_BYTES)),) if paths.POLICY in bundle else ()
        named = _address(own, origin)
        if named is None:
            return Text(
                en=f"no address of the log {origin} is known; name it with --ledger URL",
                zh=f"未知日志 {origin} 的公布地址；请以 --ledger 网址 指定",
            )
        _require_public(named, allow_private=allow_private)
    except (EvidenceError, UnicodeDecodeError) as error:
        en, zh = (error.en, error.zh) if isinstance(error, EvidenceError) else (str(error), str(error))
        return Text(en=f"the log was not asked: {en}", zh=f"未查询日志：{zh}")
    return named


def _address(policies: tuple[Policy, ...], origin: str) -> str | None:
    return next((line.url for policy in policies for line in policy.logs if line.name == origin and line.url), None)


def _require_public(url: str, *, allow_private: bool) -> None:
    check_url(url, allow_private=allow_private)
    parts = urlsplit(url)
    resolve_and_check(parts.hostname or "", parts.port or _PORTS[parts.scheme], allow_private=allow_private)


def _bounded(fetch: Fetch) -> Fetch:
    """Stop reading a log that serves more, or longer, than an honest one needs."""
    until = time.monotonic() + LOG_TIMEOUT_S
    read = 0

    def within(path: str) -> bytes | None:
        nonlocal read
        data = fetch(path)
        read += len(data or b"")
        if read > MAX_LOG_BYTES or time.monotonic() > until:
            raise LedgerError(
                f"it serves more than {MAX_LOG_BYTES >> 20} MiB or takes over {LOG_TIMEOUT_S:g} s; read a copy of it "
                "with --ledger DIR",
                f"其内容超过 {MAX_LOG_BYTES >> 20} MiB 或耗时超过 {LOG_TIMEOUT_S:g} 秒；请以 --ledger 目录 读取其副本",
            )
        return data

    return within


def _nothing_from(url: str) -> Text:
    return Text(
        en=f"no revocation list or OCSP response from {url[:200]}", zh=f"未能取得 {url[:200]} 的吊销列表或 OCSP 答复"
    )
