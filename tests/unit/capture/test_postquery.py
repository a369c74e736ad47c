"""What stands for a request's body in the index: as warcio.js writes it, which replay programs look up."""

from __future__ import annotations

import pytest

from evidencekit.capture.postquery import post_query

PARTS = b'--x\r\nContent-Disposition: form-data; name="a b"\r\n\r\n\xe8\x8c\xb6\r\n--x--\r\n'


@pytest.mark.parametrize(
    ("kind", "body", "query"),
    [
        ("application/x-www-form-urlencoded; charset=UTF-8", b"q=%E8%8C%B6&page=3", "q=%E8%8C%B6&page=3"),
        ("application/json", b'{"query":"{a {b}}","variables":{"n":1}}', "query=%7Ba+%7Bb%7D%7D&n=1"),
        (
            "application/json",
            b'{"a":[1,2.0,1.5],"b":{"a":true},"c":null,"d":""}',
            "a=1&a.2_=2&a.3_=1.5&a.4_=true&c=null",
        ),
        ("application/json", b'{"~":"\xe8\x8c\xb6"}', "%7E=%E8%8C%B6"),
        ("application/json", b"not json", ""),
        ("application/json", b"[" * 100_000, ""),
        ("text/plain;charset=UTF-8", b"plain words", ""),
        ("text/plain", b'{"n":7}', "n=7"),
        ("multipart/form-data; boundary=x", PARTS, "a+b=%E8%8C%B6"),
        ("multipart/form-data", PARTS, ""),
        ("application/octet-stream", b"\x01ok", "__wb_post_data=AW9r"),
        ("", "茶".encode(), "__wb_post_data="),
    ],
)
def test_a_body_becomes_the_query_that_replay_looks_up(kind: str, body: bytes, query: str) -> None:
    assert post_query(body, kind) == query
