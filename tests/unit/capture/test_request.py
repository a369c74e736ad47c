"""What a caller may ask for."""

from __future__ import annotations

import pytest

from evidencekit.capture.request import CaptureRequest, Limits, check_request
from evidencekit.errors import UsageError

URLS = ("https://example.com/",)


def test_the_defaults_are_usable() -> None:
    check_request(CaptureRequest(urls=URLS))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (CaptureRequest(urls=()), "1 to 200 pages"),
        (CaptureRequest(urls=URLS * 201), "201 were given"),
        (CaptureRequest(urls=URLS, width_px=0), "width"),
        (CaptureRequest(urls=URLS, height_px=10_000), "height"),
        (CaptureRequest(urls=URLS, device_scale=float("nan")), "device scale"),
        (CaptureRequest(urls=URLS, device_scale=float("inf")), "device scale"),
        (CaptureRequest(urls=URLS, locale="zh-CN,--flag"), "language tag"),
        (CaptureRequest(urls=URLS, locale=""), "language tag"),
        (CaptureRequest(urls=URLS, timezone="Mars/Olympus"), "time zone"),
        (CaptureRequest(urls=URLS, timezone="../etc/passwd"), "time zone"),
        (CaptureRequest(urls=URLS, limits=Limits(navigation_s=0)), "navigation limit"),
        (CaptureRequest(urls=URLS, limits=Limits(page_s=-1)), "page limit"),
        (CaptureRequest(urls=URLS, limits=Limits(requests=0)), "request limit"),
        (CaptureRequest(urls=URLS, limits=Limits(requests=1 << 20)), "request limit"),
        (CaptureRequest(urls=URLS, limits=Limits(body_bytes=0)), "body limit"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(request_: CaptureRequest, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        check_request(request_)
    assert caught.value.zh
