"""The HTTP client against servers that lie, drip and flood, all on loopback."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evidencekit.errors import TransportError
from evidencekit.transport.http import get, post, public_url


@contextmanager
def serving(answer: Callable[[socket.socket, bytes], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A raw TCP server: reads a request's headers and body, then lets `answer` write what it likes."""
    listener = socket.create_server(("127.0.0.1", 0))
    requests: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            try:
                data = read_request(connection)
                requests.append(data)
                answer(connection, data)
            except OSError:
                return  # the client hung up, as it should

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/tsa", requests
    finally:
        listener.close()


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(4096)
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += connection.recv(4096)
    return head + b"\r\n\r\n" + body


def reply(body: bytes, *, status: str = "200 OK", extra: str = "", content_type: str = "text/plain") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def saying(data: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _: connection.sendall(data)


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def send(url: str, *, limit: int = 1000, timeout_s: float = 5.0) -> bytes:
    return post(url, b"ask", content_type="application/x", accept="a/b", limit=limit, timeout_s=timeout_s).body


def test_a_plain_exchange() -> None:
    with serving(saying(reply(b"pong", content_type="A/B; charset=x", extra="Retry-After: 7\r\n"))) as (url, requests):
        found = post(url, b"ping", content_type="application/x", accept="a/b", limit=4, timeout_s=5)
    assert (found.status, found.content_type, found.body) == (200, "a/b", b"pong")
    assert (found.proxy, found.retry_after_s) == (None, 7.0)
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /tsa HTTP/1.1")
    assert body == b"ping"
    for line in (b"Content-Type: application/x", b"Accept: a/b", b"Accept-Encoding: identity"):
        assert line in head
    assert b"Authorization" not in head
    assert b"Cookie" not in head


def test_get_fetches() -> None:
    with serving(saying(reply(b"list"))) as (url, requests):
        assert get(url, limit=4, timeout_s=5).body == b"list"
    assert requests[0].startswith(b"GET /tsa")


@pytest.mark.parametrize("status", ["404 Not Found", "500 Broken", "204 No Content"])
def test_any_status_is_an_answer(status: str) -> None:
    with serving(saying(reply(b"", status=status))) as (url, _):
        assert get(url, timeout_s=5).status == int(status[:3])


def test_redirects_are_not_followed() -> None:
    with serving(saying(reply(b"never"))) as (target, asked):
        moved = reply(b"", status="302 Found", extra=f"Location: {target}\r\n")
        with serving(saying(moved)) as (url, _):
            assert post(url, b"x", content_type="a/b", timeout_s=5).status == 302
    assert asked == []


def test_a_body_over_the_limit_is_refused() -> None:
    with serving(saying(reply(bytes(1001)))) as (url, _), pytest.raises(TransportError, match="over 1000 bytes"):
        send(url)


def test_an_endless_body_is_cut_off() -> None:
    def flood(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"4000\r\n" + bytes(0x4000) + b"\r\n")

    with serving(flood) as (url, _), pytest.raises(TransportError, match="over 100000 bytes"):
        send(url, limit=100_000)


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", b"."),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n.\r\n"),
    ],
)
def test_a_server_that_drips_is_cut_off(head: bytes, drop: bytes) -> None:
    ended = threading.Event()

    def drip(connection: socket.socket, _: bytes) -> None:
        try:
            connection.sendall(head)
            for _n in range(200):
                connection.sendall(drop)
                time.sleep(0.05)
        finally:
            ended.set()

    with serving(drip) as (url, _):
        started = time.monotonic()
        with pytest.raises(TransportError, match=r"within 0\.6 s"):
            send(url, timeout_s=0.6)
        assert time.monotonic() - started < 2
        assert ended.wait(2), "the connection was left open"


def test_a_server_that_says_nothing_is_left() -> None:
    with serving(lambda *_: time.sleep(3)) as (url, _), pytest.raises(TransportError, match=r"within 0\.4 s"):
        send(url, timeout_s=0.4)


def test_a_tls_handshake_that_never_ends_is_left() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    started = time.monotonic()
    with listener, pytest.raises(TransportError, match=r"within 0\.4 s"):
        send(f"https://127.0.0.1:{listener.getsockname()[1]}/", timeout_s=0.4)
    assert time.monotonic() - started < 2


def test_a_certificate_of_nobody_known_is_refused(tmp_path: Path) -> None:
    import ssl
    import subprocess

    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=127.0.0.1", "-days", "2"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def handshake() -> None:
        try:
            connection, _ = listener.accept()
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            return

    threading.Thread(target=handshake, daemon=True).start()
    with listener, pytest.raises(TransportError, match="certificate"):
        send(f"https://127.0.0.1:{listener.getsockname()[1]}/")


def test_nobody_there() -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    with pytest.raises(TransportError, match="refused"):
        send(f"http://user:secret@127.0.0.1:{port}/")


BROKEN = {
    "nothing": b"",
    "not HTTP": b"not http at all\r\n\r\n",
    "cut body": reply(b"short")[:-2],
    "zeros": bytes(70_000),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers_are_transport_errors(name: str) -> None:
    with serving(saying(BROKEN[name])) as (url, _), pytest.raises(TransportError) as caught:
        send(url, limit=100_000)
    assert url in caught.value.en


def test_compressed_answers_are_refused() -> None:
    import gzip

    bomb = reply(gzip.compress(bytes(1_000_000)), extra="Content-Encoding: gzip\r\n")
    with serving(saying(bomb)) as (url, _), pytest.raises(TransportError, match="compressed"):
        send(url, limit=1 << 20)


@pytest.mark.parametrize("url", ["ftp://h/", "file:///etc/passwd", "http://", "//h", "", "http://[::1", "http://h:0/"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(TransportError, match="not an http or https address"):
        send(url)


def test_credentials_go_to_the_server_and_nowhere_else() -> None:
    with serving(saying(reply(b"", status="500 No"))) as (url, requests):
        with_secret = url.replace("//", "//me:s%40cret@")
        post(with_secret, b"x", content_type="a/b", timeout_s=5)
        assert b"Authorization: Basic bWU6c0BjcmV0" in requests[0]
        assert public_url(with_secret) == url
    with serving(saying(b"garbage\r\n\r\n")) as (url, _), pytest.raises(TransportError) as caught:
        post(url.replace("//", "//me:s%40cret@"), b"x", content_type="a/b", limit=0, timeout_s=2)
    assert "cret" not in caught.value.en + caught.value.zh


def test_the_home_is_not_searched_for_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    with serving(saying(reply(b""))) as (url, requests):
        send(url)
    assert b"Authorization" not in requests[0]


def test_a_proxy_from_the_environment_is_used_and_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(saying(reply(b"by proxy"))) as (proxy, requests):
        address = proxy.removesuffix("/tsa")
        monkeypatch.setenv("http_proxy", address.replace("//", "//who:secret@"))
        found = get("http://tsa.invalid/x", timeout_s=5)
    assert found.body == b"by proxy"
    assert found.proxy == address
    assert requests[0].startswith(b"GET http://tsa.invalid/x HTTP/1.1")


def test_many_at_once() -> None:
    with serving(saying(reply(b"yes"))) as (url, _):
        found: list[bytes] = []
        threads = [threading.Thread(target=lambda: found.append(send(url))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [b"yes"] * 8
