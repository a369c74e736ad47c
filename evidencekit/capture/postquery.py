"""The `requestBody` of an index line: a request's body as the query by which replay programs look up its answer.

Replay programs find the answer to a POST by its URL with the method and the body appended as a query (CDXJ 0.1.0;
the rules are those of warcio.js `postToGetUrl`, which both its indexer and the replay use). Without the field every
request to one address would be answered alike. Records are not touched: this is of the index alone.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 16 << 10
"""Bytes of a body; replay programs cut what they look up far earlier."""

_FIELD = re.compile(r'name="([^"]+)"\r\n\r\n([^\r\n]*)', re.IGNORECASE)
_DEEPEST = 64


def post_query(body: bytes, content_type: str) -> str:
    """Give the query that stands for a body; empty where replay looks for none.

    Args:
        body: as it may be seen, secrets masked; at most `LONGEST` bytes.
        content_type: the request's `Content-Type`.
    """
    kind, text = content_type.partition(";")[0], body.decode("utf-8", "replace")
    if kind == "application/x-www-form-urlencoded":
        query = text
    elif kind in {"application/json", "text/plain"}:
        query = _form(_of_json(text))
    elif kind == "multipart/form-data":
        query = _form(_of_parts(text, content_type.partition("boundary=")[2]))
    else:
        query = _of_bytes(text)
    return query


def _of_json(text: str) -> dict[str, str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, str] = {}
    repeated: dict[str, int] = {}
    for key, word in _words(value, "", 0):
        name = key
        if key in found:
            repeated[key] = repeated.get(key, 1) + 1
            name = f"{key}.{repeated[key]}_"
        found[name] = word
    return found


def _words(value: object, key: str, depth: int) -> Iterator[tuple[str, str]]:
    """Give the simple values in order, each by the name of its own field; empty ones are left out."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _words(each, name, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _words(each, key, depth + 1)
    elif value is None or isinstance(value, bool):
        yield key, {None: "null", True: "true", False: "false"}[value]
    elif value != "":
        yield key, str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _of_parts(text: str, boundary: str) -> dict[str, str]:
    if not boundary:
        return {}
    parts = re.split(f"-*{re.escape(boundary)}-*", text, flags=re.IGNORECASE)
    return {found[1]: found[2] for part in parts if (found := _FIELD.search(part.strip()))}


def _of_bytes(text: str) -> str:
    try:
        return f"__wb_post_data={base64.b64encode(text.encode('latin-1')).decode()}"
    except UnicodeEncodeError:
        return "__wb_post_data="


def _form(fields: dict[str, str]) -> str:
    """As `URLSearchParams` writes it (URL standard, application/x-www-form-urlencoded)."""
    return "&".join(f"{_escape(name)}={_escape(value)}" for name, value in fields.items())


def _escape(text: str) -> str:
    return quote_plus(text, safe="*-._", errors="replace").replace("~", "%7E")
