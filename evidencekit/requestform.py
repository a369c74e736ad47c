"""The request as JSON: what T_open stamps and the manifest repeats."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.capture.request import CaptureRequest, ProcessRequest
    from evidencekit.model import JsonValue


def request_value(request: CaptureRequest) -> Mapping[str, JsonValue]:
    """Give every field of the request under its name; fractions as decimal text, which RFC 8785 keeps exact."""
    limits = request.limits
    return {
        "urls": list(request.urls),
        "mode": request.mode.value,
        "width_px": request.width_px,
        "height_px": request.height_px,
        "device_scale": _number(float(request.device_scale)),
        "locale": request.locale,
        "timezone": request.timezone,
        "allow_private": request.allow_private,
        "allow_tls_errors": request.allow_tls_errors,
        "allow_http_errors": request.allow_http_errors,
        "third_party": request.third_party,
        "include_secrets": request.include_secrets,
        "strict": request.strict,
        "dismiss_banners": request.dismiss_banners,
        "headed": request.headed,
        "isolate": request.isolate,
        "packets": request.packets,
        "limits": {each.name: _number(getattr(limits, each.name)) for each in fields(limits)},
        "profile_owner": request.profile_owner,
        "process": None if request.process is None else _process(request.process),
    }


def _process(process: ProcessRequest) -> Mapping[str, JsonValue]:
    """A recorded process; the secrets of a script's steps stand by reference."""
    return {
        "kind": process.kind.value,
        "account_owner": process.account_owner,
        "rights": process.rights,
        "steps": [step.shown for step in process.steps],
        "video": process.video,
        "timeout_s": _number(process.timeout_s),
        "segment_s": _number(process.segment_s),
    }


def _number(value: float) -> JsonValue:
    return value if isinstance(value, int) else repr(value).removesuffix(".0")
