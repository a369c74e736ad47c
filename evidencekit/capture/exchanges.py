"""One request and what became of it: the value that recorder, archive and withholding share.

`format_exchanges` and `parse_exchanges` (docs/spec/exchanges.md) live here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from evidencekit.model import JsonValue

Headers = tuple[tuple[str, str], ...]
"""Names and values in the order received, duplicates kept."""


class ExchangeOutcome(StrEnum):
    """How a request ended; there is no sixth way (design: zero silent loss)."""

    RECORDED = "recorded"
    PARTIAL = "partial"
    FAILED = "failed"
    WITHHELD = "withheld"
    NOT_RETRIEVABLE = "not-retrievable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Decoded body bytes spooled to `file`; `sha256` is lower-case hex, `size` in bytes."""

    file: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """Status line and headers as received; `raw` is the HTTP/1.x header block when the channel gives it."""

    status: int
    status_text: str
    headers: Headers
    mime_type: str
    raw: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A finished exchange. Sizes in bytes; `protocol` is the ALPN id (`http/1.1`, `h2`, `h3`)."""

    id: str
    page: str | None
    url: str
    method: str
    resource_type: str
    initiator: str
    target: str
    outcome: ExchangeOutcome
    reason: str | None
    started: datetime
    finished: datetime | None
    after_t_capture: bool
    from_cache: bool
    from_service_worker: bool
    redirected_from: str | None
    redirected_to: str | None
    protocol: str | None
    remote_address: str | None
    security: Mapping[str, JsonValue] | None
    request_headers: Headers
    request_body: Body | None
    response: ResponseHead | None
    response_body: Body | None
    encoded_size: int | None
