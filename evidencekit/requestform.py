"""The request as JSON: what T_open stamps and the manifest repeats."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.capture.request import CaptureRequest
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
        "limits": {each.name: _number(getattr(limits, each.name)) for each in fields(limits)},
    }


def _number(value: float) -> JsonValue:
    return value if isinstance(value, int) else repr(value).removesuffix(".0")
