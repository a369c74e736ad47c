"""The certificate chain of the capture connection itself, as the browser received it."""

from __future__ import annotations

import base64
import binascii
import re
import textwrap
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evidencekit.capture.cdp import value_at
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evidencekit.capture.cdp import CdpSession
    from evidencekit.capture.exchanges import Exchange

ORIGIN_LIMIT = 200
_CHAIN_LIMIT = 20
_UNLAWFUL = re.compile(r"[^A-Za-z0-9.-]")


def tls_origins(exchanges: Iterable[Exchange]) -> tuple[str, ...]:
    """Origins (`https://host:port`) that answered over TLS, in order of first use, at most 200."""
    origins: dict[str, None] = {}
    for exchange in exchanges:
        if exchange.security is None or not exchange.url.startswith("https:"):
            continue
        try:
            parts = urlsplit(exchange.url)
            port = parts.port
        except ValueError:
            continue
        if parts.hostname and len(origins) < ORIGIN_LIMIT:
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            origins.setdefault(f"https://{host}" + (f":{port}" if port not in {None, 443} else ""))
    return tuple(origins)


async def certificate_chain(session: CdpSession, origin: str) -> tuple[bytes, ...]:
    """DER certificates of an origin, leaf first, as `Network.getCertificate` gives them; empty when it has none."""
    try:
        answer = await session.call("Network.getCertificate", {"origin": origin}, timeout_s=10.0)
    except BrowserError:
        return ()
    table = value_at(answer, "tableNames")
    chain: list[bytes] = []
    for text in table[:_CHAIN_LIMIT] if isinstance(table, list) else ():
        try:
            chain.append(base64.b64decode(str(text), validate=True))
        except (binascii.Error, ValueError):
            return ()
    return tuple(chain)


def pem_chain(chain: Iterable[bytes]) -> bytes:
    """PEM text of a chain (RFC 7468), 64 characters a line."""
    blocks = []
    for der in chain:
        body = "\n".join(textwrap.wrap(base64.b64encode(der).decode("ascii"), 64))
        blocks.append(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    return "".join(blocks).encode("ascii")


def chain_path(origin: str) -> str:
    """Bundle path of an origin's chain; a port stands after an underscore."""
    host = origin.removeprefix("https://").replace("[", "").replace("]", "").replace(":", "_")
    return f"capture/tls/{_UNLAWFUL.sub('_', host)[:120]}.pem"
