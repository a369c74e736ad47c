"""From a visit's notes and its exchanges to the `PageResult` that the manifest carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.capture.withholding import mask_string
from evidencekit.model import PageResult, Redirect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.capture.exchanges import Exchange
    from evidencekit.capture.visitnotes import VisitNotes
    from evidencekit.capture.withholding import Secrets


def page_result(notes: VisitNotes, exchanges: Sequence[Exchange], secrets: Secrets) -> PageResult:
    """The result of one page; URLs and title as they may be seen."""
    by_id = {exchange.id: exchange for exchange in exchanges}
    hops = [by_id[hop] for hop in notes.document_ids if hop in by_id]
    last = hops[-1] if hops else None
    redirects = tuple(
        Redirect(url=mask_string(hop.url, secrets)[0], status=hop.response.status)
        for hop in hops[:-1]
        if hop.response is not None
    )
    return PageResult(
        id=notes.page,
        requested_url=notes.requested_url if notes.url_given else mask_string(notes.requested_url, secrets)[0],
        final_url=mask_string(notes.final_url, secrets)[0],
        title=mask_string(notes.title, secrets)[0],
        status=notes.status if last is None or last.response is None else last.response.status,
        content_type="" if last is None or last.response is None else last.response.mime_type,
        redirects=redirects,
        remote_address=None if last is None else last.remote_address,
        protocol=None if last is None else last.protocol,
        verdict=notes.verdict,
        verdict_reason=notes.verdict_reason,
        started_at=notes.started_at,
        initial_at=notes.initial_at,
        finished_at=notes.finished_at,
        width_px=notes.width_px,
        height_px=notes.height_px,
    )
