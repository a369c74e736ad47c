"""Secrets are collected wherever they travel and appear nowhere in the public view."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.exchanges import Body, Exchange, ExchangeOutcome, Headers, ResponseHead
from evidencekit.capture.httpmessage import request_block, response_block
from evidencekit.capture.withholding import Secrets, mask_exchange, mask_string, mask_text

if TYPE_CHECKING:
    from pathlib import Path

_AT = datetime(2026, 11, 23, tzinfo=UTC)
_COOKIE = "c00kie-VALUE/4711=="
_PASSWORD = "p&ss w0rd <äöü>"  # noqa: S105 - seeded
_BEARER = "bearer-TOKEN-0815"


def _spooled(path: Path, data: bytes) -> Body:
    path.write_bytes(data)
    return Body(file=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _exchange(
    tmp_path: Path,
    *,
    number: int = 1,
    url: str = "https://shop.test/",
    request: tuple[Headers, bytes | None] = ((), None),
    response: tuple[Headers, bytes] = ((), b""),
    mime_type: str = "text/html",
) -> Exchange:
    identity = f"{number:06d}"
    request_headers, request_data = request
    response_headers, response_data = response
    return Exchange(
        id=identity,
        page="0001",
        url=url,
        method="POST",
        resource_type="Fetch",
        initiator="https://shop.test/app.js",
        target="page",
        outcome=ExchangeOutcome.RECORDED,
        reason=None,
        started=_AT,
        finished=_AT,
        after_t_capture=False,
        from_cache=False,
        from_service_worker=False,
        redirected_from=None,
        redirected_to=None,
        protocol="http/1.1",
        remote_address="192.0.2.1:443",
        security=None,
        request_headers=request_headers,
        request_body=None if request_data is None else _spooled(tmp_path / f"{identity}.q", request_data),
        response=ResponseHead(
            status=200,
            status_text="OK",
            headers=response_headers,
            mime_type=mime_type,
            raw="HTTP/1.1 200 OK\r\n" + "".join(f"{name}: {value}\r\n" for name, value in response_headers),
        ),
        response_body=_spooled(tmp_path / f"{identity}.a", response_data),
        encoded_size=None,
    )


def _blocks(exchange: Exchange) -> bytes:
    return b"".join([*request_block(exchange), *response_block(exchange)])


def _form(**fields: str) -> bytes:
    from urllib.parse import urlencode

    return urlencode(fields).encode()


def test_seeded_secrets_appear_nowhere(tmp_path: Path) -> None:
    page = f'<p>{_COOKIE}</p><a href="/?next=c00kie-VALUE%2F4711%3D%3D">"p&amp;ss w0rd &lt;äöü&gt;"</a>{_BEARER}'
    exchanges = [
        _exchange(
            tmp_path,
            number=1,
            request=((("Content-Type", "application/x-www-form-urlencoded"),), _form(user="li", password=_PASSWORD)),
            response=((("Set-Cookie", f"sid={_COOKIE}; Path=/; HttpOnly"),), page.encode()),
        ),
        _exchange(
            tmp_path,
            number=2,
            url=f"https://api.test/x?access_token={_BEARER}&page=2#top",
            request=(
                (("Authorization", f"Bearer {_BEARER}"), ("Cookie", f"sid={_COOKIE}"), ("Referer", f"/?k={_BEARER}")),
                None,
            ),
            response=((), json.dumps({"echo": [_PASSWORD, _COOKIE]}).encode()),
            mime_type="application/json",
        ),
    ]
    secrets = Secrets()
    for exchange in exchanges:
        secrets.observe(exchange)
    masked = [mask_exchange(exchange, secrets, tmp_path) for exchange in exchanges]
    public = b"".join(_blocks(item.exchange) for item in masked) + repr([item.exchange for item in masked]).encode()
    for secret in (_COOKIE, _PASSWORD, _BEARER, "c00kie-VALUE%2F", "p%26ss", "&lt;äöü", "w0rd", "4711"):
        assert secret.encode() not in public, secret
    assert masked[0].request_reasons == ("password",)
    assert masked[0].response_reasons == ("authorization", "cookie", "password")
    assert masked[1].reasons == ("authorization", "cookie", "password", "token")
    assert masked[1].exchange.url == "https://api.test/x?access_token=[withheld:token]&page=2#top"
    body = masked[0].exchange.response_body
    assert body is not None
    assert body.size == body.file.stat().st_size
    assert body.sha256 == hashlib.sha256(body.file.read_bytes()).hexdigest()
    assert exchanges[0].response_body == _spooled(tmp_path / "000001.a", page.encode()), "the original stays"


def test_an_exchange_without_secrets_is_the_same_value(tmp_path: Path) -> None:
    exchange = _exchange(tmp_path, response=((("Content-Type", "text/html"),), b"<p>hello</p>"))
    secrets = Secrets()
    secrets.observe(exchange)
    masked = mask_exchange(exchange, secrets, tmp_path)
    assert masked.exchange == exchange
    assert masked.reasons == ()


def test_short_values_are_masked_in_their_place_only(tmp_path: Path) -> None:
    exchange = _exchange(
        tmp_path,
        url="https://shop.test/?token=a1&x=a1",
        request=((("Content-Type", "application/json"),), b'{"password":"red","n":"red", "pin": 1234}'),
        response=((), b"<p>a red shoe a1</p>"),
    )
    secrets = Secrets()
    secrets.observe(exchange)
    masked = mask_exchange(exchange, secrets, tmp_path)
    assert b'{"password":"[withheld:password]","n":"red", "pin": "[withheld:password]"}' in _blocks(masked.exchange)
    assert b"<p>a red shoe a1</p>" in _blocks(masked.exchange)
    assert masked.exchange.url == "https://shop.test/?token=[withheld:token]&x=a1"


def test_multipart_fields(tmp_path: Path) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="user"\r\n\r\nli\r\n'
        b'--b\r\nContent-Disposition: form-data; name="passwd"\r\n'
        b"Content-Type: text/plain\r\n\r\ns3cr\r\net!\r\n--b--\r\n"
    )
    exchange = _exchange(tmp_path, request=((("Content-Type", "multipart/form-data; boundary=b"),), body))
    masked = mask_exchange(exchange, Secrets(), tmp_path)
    public = b"".join(request_block(masked.exchange))
    assert b"\r\n\r\nli\r\n" in public
    assert b"s3cr" not in public
    assert b"et!" not in public


def test_basic_credentials_hide_the_password_elsewhere() -> None:
    secrets = Secrets()
    pair = base64.b64encode(b"li:very-secret-9").decode()
    secrets._observe_header("authorization", f"Basic {pair}")
    assert mask_text(f"{pair} very-secret-9".encode(), secrets)[0] == b"[withheld:authorization] [withheld:password]"


def test_userinfo_of_a_url_is_masked() -> None:
    assert mask_string("https://li:pw@a.test/", Secrets()) == ("https://li:[withheld:password]@a.test/", ("password",))


def test_values_in_the_operators_own_url_stay() -> None:
    url = "https://note.test/item?xsec_token=AB12CD34EF56&t=1"
    secrets = Secrets(given_urls=(url,))
    secrets.add("AB12CD34EF56", "token")
    assert mask_string(url, secrets) == (url, ())
    other = "https://note.test/api?token=AB12CD34EF57"
    assert mask_string(other, secrets)[0] == "https://note.test/api?token=[withheld:token]"


@pytest.mark.parametrize(
    "value",
    [
        "正品保证假一赔十",
        "%E6%AD%A3%E5%93%81%E4%BF%9D%E8%AF%81",
        "All rights reserved",
        "2026-11-23",
        "1763869651",
        "1763869651123",
        "Asia/Shanghai",
        "www.shop.test",
        "00000000",
        "undefined",
    ],
)
def test_ordinary_cookie_values_do_not_blank_the_page(value: str) -> None:
    secrets = Secrets()
    secrets.add_document_cookie(f"a={value}")
    assert mask_text(value.encode(), secrets) == (value.encode(), ())


def test_storage_values_by_key_and_by_json_key() -> None:
    secrets = Secrets()
    state = '{"refreshToken":"storage-SECRET-2","x":"seen-this"}'
    secrets.add_storage([("auth.token", "storage-SECRET-1"), ("state", state)])
    masked, reasons = mask_text(b"storage-SECRET-1 storage-SECRET-2 seen-this", secrets)
    assert masked == b"[withheld:storage] [withheld:storage] seen-this"
    assert reasons == ("storage",)


def test_media_bodies_are_left_alone_but_text_that_claims_to_be_media_is_not(tmp_path: Path) -> None:
    secrets = Secrets()
    secrets.add("seeded-secret", "token")
    picture = _exchange(tmp_path, number=1, response=((), b"\x89PNG\x00seeded-secret"), mime_type="image/png")
    text = _exchange(tmp_path, number=2, response=((), b"seeded-secret"), mime_type="image/png")
    assert mask_exchange(picture, secrets, tmp_path).exchange == picture
    assert b"seeded" not in _blocks(mask_exchange(text, secrets, tmp_path).exchange)


def test_large_bodies_are_masked_in_a_stream(tmp_path: Path) -> None:
    secrets = Secrets()
    secrets.add("seeded-secret", "token")
    data = (b"x" * ((1 << 20) - 5) + b"seeded-secret") * 9
    exchange = _exchange(tmp_path, response=((), data), mime_type="text/plain")
    masked = mask_exchange(exchange, secrets, tmp_path).exchange
    assert masked.response_body is not None
    assert masked.response_body.file.read_bytes() == data.replace(b"seeded-secret", b"[withheld:token]")
    clean = dataclasses.replace(exchange, id="000009", response_body=_spooled(tmp_path / "c", b"y" * (9 << 20)))
    assert mask_exchange(clean, secrets, tmp_path).exchange == clean
    assert not (tmp_path / "000009.response.public").exists()


def test_with_include_secrets_nothing_is_masked(tmp_path: Path) -> None:
    exchange = _exchange(tmp_path, request=((("Cookie", f"a={_COOKIE}"),), None))
    secrets = Secrets(include=True)
    secrets.observe(exchange)
    secrets.add(_COOKIE, "cookie")
    assert mask_exchange(exchange, secrets, tmp_path).exchange == exchange
    assert mask_text(_COOKIE.encode(), secrets) == (_COOKIE.encode(), ())


def test_too_many_secrets_are_said_to_be_too_many() -> None:
    from evidencekit.capture.withholding import MOST_SECRETS

    secrets = Secrets()
    for number in range(MOST_SECRETS):
        secrets.add(f"secret-{number:06d}", "token")
    assert not secrets.overflowed
    secrets.add("one-more-secret", "token")
    assert secrets.overflowed
