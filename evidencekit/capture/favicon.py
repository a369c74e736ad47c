"""A page's icon as its server gave it, out of the recorded exchanges: nothing is asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evidencekit.capture.exchanges import Exchange

MOST_BYTES = 1 << 20
_SUFFIXES = {
    "image/x-icon": "ico",
    "image/vnd.microsoft.icon": "ico",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/jpeg": "jpg",
}
_OK = 200


def find_icon(icons: Sequence[str], exchanges: Iterable[Exchange]) -> tuple[Exchange, str] | None:
    """Find the first icon that came as a picture.

    Args:
        icons: addresses that the page names, in its order.
        exchanges: with secrets masked.

    Returns:
        The exchange and the suffix of a file for its body, or None.
    """
    came = {each.url: each for each in exchanges if _is_icon(each)}
    for url in icons:
        exchange = came.get(url)
        if exchange is not None and exchange.response is not None:
            return exchange, _SUFFIXES[exchange.response.mime_type.lower()]
    return None


def _is_icon(exchange: Exchange) -> bool:
    head, body = exchange.response, exchange.response_body
    return (
        head is not None
        and head.status == _OK
        and head.mime_type.lower() in _SUFFIXES
        and body is not None
        and 0 < body.size <= MOST_BYTES
    )
