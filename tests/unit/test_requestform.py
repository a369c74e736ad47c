"""The request as JSON: every field, exactly."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from evidencekit.capture.request import CaptureRequest, Limits, Mode
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.requestform import request_value

REQUEST = CaptureRequest(urls=("https://shop.test/?a=$(id)&b='x#y", "https://商店.test/"))


def test_every_field_is_there() -> None:
    value = request_value(REQUEST)
    assert set(value) == {each.name for each in fields(CaptureRequest)}
    limits = value["limits"]
    assert isinstance(limits, dict)
    assert set(limits) == {each.name for each in fields(Limits)}


def test_urls_are_kept_as_given() -> None:
    assert request_value(REQUEST)["urls"] == ["https://shop.test/?a=$(id)&b='x#y", "https://商店.test/"]


def test_each_choice_changes_the_bytes() -> None:
    changed = [
        REQUEST,
        replace(REQUEST, mode=Mode.FORENSIC),
        replace(REQUEST, allow_private=True),
        replace(REQUEST, allow_tls_errors=True),
        replace(REQUEST, allow_http_errors=True),
        replace(REQUEST, third_party=False),
        replace(REQUEST, include_secrets=True),
        replace(REQUEST, limits=replace(REQUEST.limits, quiet_s=10.5)),
    ]
    assert len({canonical_bytes(request_value(request)) for request in changed}) == len(changed)


@given(scale=st.floats(0.5, 4), seconds=st.floats(0.1, 86_400))
def test_fractions_are_exact_decimal_text(scale: float, seconds: float) -> None:
    limits = replace(REQUEST.limits, navigation_s=seconds)
    value = request_value(replace(REQUEST, device_scale=scale, limits=limits))
    assert canonical_bytes(value)
    assert Fraction(float(str(value["device_scale"]))) == Fraction(scale)
    assert isinstance(value["limits"], dict)
    assert float(str(value["limits"]["navigation_s"])) == seconds
