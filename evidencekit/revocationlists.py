"""Fetch, at the time of stamping, the revocation lists of the TSAs that stamped, to be kept with their tokens.

Later nobody may publish them any more. What cannot be had is left out: without lists, `revocation` is NOT_PERFORMED.
The addresses stand in certificates of strangers: only public hosts are asked, few of them, and only lists are kept.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cryptography import x509

from evidencekit.capture.url_policy import check_url, resolve_and_check
from evidencekit.errors import EvidenceError, FormatError
from evidencekit.timestamp.authority import SELF_ISSUED_POLICY
from evidencekit.timestamp.token import parse_response, parse_token
from evidencekit.transport.http import get
from evidencekit.x509.certificate import extension_of
from evidencekit.x509.crl import load_crl
from evidencekit.x509.signerinfo import load_embedded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

MAX_LISTS: Final = 6
MAX_BYTES: Final = 4 << 20
TIMEOUT_S: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}


def fetch_revocation_lists(replies: Iterable[Path], *, allow_private: bool = False) -> dict[str, bytes]:
    """Fetch the lists that the certificates in some replies name, all at once, within five seconds.

    Args:
        replies: files with a TimeStampResp each; self-issued ones and those that cannot be read name none.
        allow_private: also ask hosts of a private network.

    Returns:
        The lists by the member names under which a bundle keeps them; fewer, or none, when they cannot be had.
    """
    urls = list(dict.fromkeys(url for reply in replies for url in points_of_token(reply.read_bytes())))[:MAX_LISTS]
    found = fetch_lists(urls, allow_private=allow_private).values()
    return {f"proof/tsa/{hashlib.sha256(each).hexdigest()[:32]}.crl": each for each in found}


def fetch_lists(urls: Sequence[str], *, allow_private: bool = False) -> dict[str, bytes]:
    """Fetch revocation lists, all at once, and give those that came, DER, by their address."""
    if not urls:
        return {}
    with ThreadPoolExecutor(len(urls), "crl") as pool:
        found = pool.map(partial(_fetch, allow_private=allow_private), urls)
        return {url: each for url, each in zip(urls, found, strict=True) if each}


def points_of_token(data: bytes) -> Iterator[str]:
    """Give the addresses of lists that the certificates of a token or a whole reply name, unless self-issued."""
    try:
        token = parse_token(parse_response(data).token or b"")
    except FormatError:
        try:
            token = parse_token(data)
        except FormatError:
            return
    if token.policy != SELF_ISSUED_POLICY:
        yield from points_of(load_embedded(token.signed_data))


def points_of(certificates: Iterable[x509.Certificate]) -> Iterator[str]:
    """Give the addresses of the revocation lists that certificates name (RFC 5280 §4.2.1.13)."""
    for certificate in certificates:
        extension = extension_of(certificate, x509.CRLDistributionPoints)
        for point in () if extension is None else extension.value:
            names = [name.value for name in point.full_name or () if isinstance(name, x509.UniformResourceIdentifier)]
            yield from (name for name in names if name.startswith(("http://", "https://")))


def _fetch(url: str, *, allow_private: bool) -> bytes | None:
    try:
        check_url(url, allow_private=allow_private)
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        resolve_and_check(parts.hostname or "", port, allow_private=allow_private)
        reply = get(url, limit=MAX_BYTES, timeout_s=TIMEOUT_S)
        load_crl(reply.body)
    except EvidenceError:
        return None
    return reply.body
