"""The parts of `manifest.json` that say what happened in the session: pages, completeness, transformations, operator.

Each `x_value` gives the JSON form of docs/spec/manifest.md, each `read_x` reads it back to an equal value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evidencekit.hashing.canonical import format_time
from evidencekit.model import (
    Completeness,
    EnvironmentControl,
    Operator,
    PageResult,
    Redirect,
    Relationship,
    Text,
    Transformation,
)

if TYPE_CHECKING:
    from evidencekit.hashing.fields import Fields
    from evidencekit.model import JsonValue

MAX_STATUS = 999
MAX_PIXELS = 1 << 31
STATED = ("on_behalf_of", "place", "purpose", "lawful_basis")
"""Fields of the operator that came after the first records were made."""
_PAGE_ID = re.compile(r"[0-9]{4,9}")


def text_value(text: Text) -> JsonValue:
    """Give the JSON form of a sentence in two languages."""
    return {"en": text.en, "zh": text.zh}


def read_page_id(fields: Fields, name: str) -> str:
    """Read a page's id: four digits or more.

    Raises:
        FormatError: it is no such id.
    """
    page = fields.text(name, limit=9)
    if not _PAGE_ID.fullmatch(page):
        fields.refuse(name, "is not a page id like 0001", "不是形如 0001 的页面编号")
    return page


def operator_value(operator: Operator) -> JsonValue:
    """Give the JSON form of the operator."""
    return {
        "environment_control": operator.environment_control.value,
        "identity": operator.identity,
        "lawful_basis": operator.lawful_basis,
        "name": operator.name,
        "on_behalf_of": operator.on_behalf_of,
        "place": operator.place,
        "purpose": operator.purpose,
        "relationship": operator.relationship.value,
        "role": operator.role,
    }


def read_operator(fields: Fields) -> Operator:
    """Read the operator; what a record from before these fields does not state is empty.

    Raises:
        FormatError: a field is missing or of another type.
    """
    older = not any(fields.has(name) for name in STATED)
    stated = {name: "" if older else fields.text(name) for name in STATED}
    return Operator(
        name=fields.text("name"),
        role=fields.text("role"),
        relationship=fields.choice("relationship", Relationship),
        environment_control=fields.choice("environment_control", EnvironmentControl),
        identity=fields.text("identity"),
        **stated,
    )


def page_value(page: PageResult) -> JsonValue:
    """Give the JSON form of one page's result."""
    return {
        "content_type": page.content_type,
        "final_url": page.final_url,
        "finished": format_time(page.finished_at),
        "height_px": page.height_px,
        "id": page.id,
        "initial": format_time(page.initial_at),
        "protocol": page.protocol,
        "redirects": [{"status": hop.status, "url": hop.url} for hop in page.redirects],
        "remote_address": page.remote_address,
        "requested_url": page.requested_url,
        "started": format_time(page.started_at),
        "status": page.status,
        "title": page.title,
        "verdict": page.verdict,
        "verdict_reason": text_value(page.verdict_reason),
        "width_px": page.width_px,
    }


def read_page(fields: Fields) -> PageResult:
    """Read one page's result.

    Raises:
        FormatError: a field is missing or of another type.
    """
    return PageResult(
        id=read_page_id(fields, "id"),
        requested_url=fields.text("requested_url"),
        final_url=fields.text("final_url"),
        title=fields.text("title"),
        status=fields.optional("status", lambda name: fields.integer(name, 0, MAX_STATUS)),
        content_type=fields.text("content_type"),
        redirects=tuple(
            Redirect(url=hop.text("url"), status=hop.integer("status", 0, MAX_STATUS))
            for hop in fields.items("redirects")
        ),
        remote_address=fields.optional("remote_address", fields.text),
        protocol=fields.optional("protocol", fields.text),
        verdict=fields.text("verdict"),
        verdict_reason=fields.bilingual("verdict_reason"),
        started_at=fields.time("started"),
        initial_at=fields.time("initial"),
        finished_at=fields.time("finished"),
        width_px=fields.integer("width_px", 0, MAX_PIXELS),
        height_px=fields.integer("height_px", 0, MAX_PIXELS),
    )


def completeness_value(completeness: Completeness) -> JsonValue:
    """Give the JSON form of how every request ended."""
    return {
        "after_t_capture": completeness.after_t_capture,
        "body_bytes": completeness.body_bytes,
        "failed": completeness.failed,
        "not_retrievable": completeness.not_retrievable,
        "partial": completeness.partial,
        "reasons": completeness.reasons,
        "recorded": completeness.recorded,
        "requests": completeness.requests,
        "withheld": completeness.withheld,
    }


def read_completeness(fields: Fields) -> Completeness:
    """Read how every request ended.

    Raises:
        FormatError: a field is missing or of another type.
    """
    return Completeness(
        requests=fields.integer("requests"),
        recorded=fields.integer("recorded"),
        partial=fields.integer("partial"),
        failed=fields.integer("failed"),
        withheld=fields.integer("withheld"),
        not_retrievable=fields.integer("not_retrievable"),
        after_t_capture=fields.integer("after_t_capture"),
        body_bytes=fields.integer("body_bytes"),
        reasons=fields.counts("reasons"),
    )


def transformation_value(transformation: Transformation) -> JsonValue:
    """Give the JSON form of one transformation."""
    return {
        "detail": text_value(transformation.detail),
        "kind": transformation.kind,
        "page": transformation.page,
        "time": format_time(transformation.time),
    }


def read_transformation(fields: Fields) -> Transformation:
    """Read one transformation.

    Raises:
        FormatError: a field is missing or of another type.
    """
    return Transformation(
        time=fields.time("time"),
        kind=fields.text("kind"),
        detail=fields.bilingual("detail"),
        page=fields.optional("page", lambda name: read_page_id(fields, name)),
    )
