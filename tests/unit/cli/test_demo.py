"""The demonstration shop: two origins, only packaged files, gone afterwards."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from urllib.parse import urljoin

import pytest

from evidencekit_cli.demo.server import serve_shop


def fetch(url: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(url, timeout=5) as reply:
        return reply.headers["Content-Type"], reply.read()


def test_page_script_and_second_origin_are_served() -> None:
    with serve_shop() as url:
        media_type, page = fetch(url)
        html = page.decode()
        assert media_type == "text/html; charset=utf-8"
        assert "山间茶铺" in html
        assert "Mountain Tea House" in html
        assert "{{" not in html
        stylesheet = re.search(r'<link rel="stylesheet" href="([^"]+)"', html)
        assert stylesheet is not None
        assert stylesheet[1].startswith("http://localhost:")
        assert not stylesheet[1].startswith(url.replace("127.0.0.1", "localhost"))
        assert fetch(stylesheet[1])[0] == "text/css; charset=utf-8"
        products = fetch(urljoin(url, "products.json"))[1].decode()
        images = re.findall(r'"image": "([^"]+)"', products)
        assert len(images) == 10
        for image in images:
            assert fetch(urljoin(stylesheet[1], image))[0] == "image/svg+xml"
        assert fetch(urljoin(stylesheet[1], "banner.png"))[1].startswith(b"\x89PNG")
    with pytest.raises(urllib.error.URLError):
        fetch(url)


@pytest.mark.parametrize("path", ["/../server.py", "/%2e%2e/server.py", "//etc/passwd", "/nothing"])
def test_nothing_else_is_served(path: str) -> None:
    with serve_shop() as url, pytest.raises(urllib.error.HTTPError, match="404") as caught:
        fetch(url.rstrip("/") + path)
    caught.value.close()
