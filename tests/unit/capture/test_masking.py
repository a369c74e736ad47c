"""Every spelling of a secret is found, nothing else is touched, streams equal whole texts."""

from __future__ import annotations

import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.capture.masking import CHUNK_CHARS, Masker
from evidencekit.capture.sensitive import reason_for_header, reason_for_name

VALUE = 'k3y/with "quotes" & <angles>\\+=密码-9'


@pytest.mark.parametrize(
    "spelled",
    [
        VALUE,
        quote(VALUE),
        quote(VALUE, safe=""),
        quote(VALUE, safe="").lower().replace("%e5", "%e5"),
        quote_plus(VALUE),
        quote(quote(VALUE, safe=""), safe=""),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1].replace("/", "\\/"),
        json.dumps(json.dumps(VALUE))[3:-3],
        json.dumps(VALUE)[1:-1].replace("<", "\\u003c").replace("&", "\\u0026"),
        html.escape(VALUE),
        html.escape(VALUE, quote=False),
        html.escape(VALUE).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        html.escape(html.escape(VALUE)),
        html.escape(json.dumps(VALUE)[1:-1]),
        "".join(f"&#x{ord(c):x};" if not c.isalnum() or ord(c) > 127 else c for c in VALUE),
    ],
)
def test_every_spelling_is_masked(spelled: str) -> None:
    masker = Masker([(VALUE, "token")])
    data, reasons = masker.mask(f"before {spelled} after".encode())
    assert data == b"before [withheld:token] after"
    assert reasons == ("token",)


def test_text_without_secrets_is_the_same_object() -> None:
    data = b"an ordinary page about k3y and quotes"
    masked, reasons = Masker([(VALUE, "token")]).mask(data)
    assert masked is data
    assert reasons == ()


def test_overlapping_secrets_leave_no_rest() -> None:
    masker = Masker([("abcdefghij", "cookie"), ("ghijklmnop", "token")])
    assert masker.mask(b"<abcdefghijklmnop>") == (b"<[withheld:cookie]>", ("cookie", "token"))


def test_long_secrets_are_found_in_pieces() -> None:
    secret = "".join(f"{n:05d}" for n in range(CHUNK_CHARS))
    data, _ = Masker([(secret, "token")]).mask(f"x{secret}y".encode())
    assert data == b"x[withheld:token]y" or set(data.split(b"[withheld:token]")) == {b"x", b"", b"y"}


@given(
    values=st.lists(st.text(alphabet="abc/+&密", min_size=2, max_size=6), min_size=1, max_size=4, unique=True),
    text=st.text(alphabet="abc/+&密 ", max_size=400),
    size=st.integers(1, 40),
)
def test_a_stream_hides_what_the_whole_text_hides(values: list[str], text: str, size: int) -> None:
    masker = Masker([(value, "token") for value in values])
    data = text.encode()
    reasons: set[str] = set()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    streamed = b"".join(masker.mask_stream(pieces, reasons))
    whole, found = masker.mask(data)
    assert streamed == whole
    assert reasons == set(found)


def test_runs_of_backslashes_do_not_make_the_search_explode() -> None:
    masker = Masker([("ab" + "\\" * 500 + '"' * 20 + "!", "cookie")])
    begun = time.process_time()
    masker.mask(b"ab" + b"\\" * 1900 + b'"' * 19)
    assert time.process_time() - begun < 1


def test_many_long_secrets_cost_little() -> None:
    masker = Masker([(f"{n:04d}-{'/='.join('q' * 8 for _ in range(40))}", "cookie") for n in range(2000)])
    begun = time.process_time()
    masker.mask(b"<p>nothing of the kind</p>" * 4000)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("password", "password"),
        ("new_password2", "password"),
        ("userPwd", "password"),
        ("user[password]", "password"),
        ("密码", "password"),
        ("access_token", "token"),
        ("csrfmiddlewaretoken", "token"),
        ("X-CSRF-Token", "token"),
        ("PHPSESSID", "token"),
        ("sid", "token"),
        ("api-key", "token"),
        ("clientSecret", "token"),
        ("classid", None),
        ("author", None),
        ("tokenName", None),
        ("passwordHint", None),
        ("token_type", None),
        ("q", None),
        ("", None),
        ("pinned", None),
    ],
)
def test_names(name: str, reason: str | None) -> None:
    assert reason_for_name(name) == reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Set-Cookie", "cookie"),
        ("AUTHORIZATION", "authorization"),
        ("x-api-key", "token"),
        ("X-Amz-Security-Token", "token"),
        ("access-control-allow-credentials", None),
        ("sec-websocket-key", None),
        ("content-type", None),
    ],
)
def test_header_names(name: str, reason: str | None) -> None:
    assert reason_for_header(name) == reason
