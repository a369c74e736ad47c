"""HTTP for machines: one request, one bounded answer, within one deadline. The only user of requests.

- The deadline is for everything: name lookup, connection, TLS, headers, body. A server that sends a
  byte a second is cut off, because a watchdog shuts the connection down, whatever the reader does.
- The body may not exceed `limit` bytes; compressed answers are refused, so the limit holds.
- Redirects are answers, not instructions: the caller sees the status.
- Proxies come from the environment as in requests, and the answer says which one was used.
  Credentials come from the URL alone, never from a `.netrc`.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from evidencekit.errors import TransportError
from evidencekit.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.poolmanager import PoolManager

_CHUNK: Final = 1 << 14
_GRACE_S: Final = 0.5
_AGENT: Final = f"evidencekit/{__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """An answer. `content_type` is lower case without parameters; `proxy` names the proxy without credentials."""

    status: int
    content_type: str
    body: bytes
    proxy: str | None
    retry_after_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    url: str
    body: bytes | None
    headers: Mapping[str, str]
    limit: int
    timeout_s: float


def post(  # noqa: PLR0913 (what bounds an exchange, by name)
    url: str,
    body: bytes,
    *,
    content_type: str,
    accept: str = "*/*",
    limit: int = 1 << 20,
    timeout_s: float = 30.0,
    headers: Mapping[str, str] | None = None,
) -> HttpReply:
    """Send `body` and return the answer, whatever its status.

    Args:
        url: Absolute `http` or `https` URL; a user name and password in it are sent as basic authentication.
        body: What to send.
        content_type: Media type of `body`.
        accept: Media type asked for.
        headers: Further request headers, such as credentials; they appear in no message.
        limit: Most bytes of body to accept.
        timeout_s: Seconds for everything together.

    Raises:
        TransportError: No complete answer within the bounds.
    """
    sent = {**(headers or {}), "Content-Type": content_type, "Accept": accept}
    return _bounded(_Request(method="POST", url=url, body=body, headers=sent, limit=limit, timeout_s=timeout_s))


def get(url: str, *, accept: str = "*/*", limit: int = 1 << 20, timeout_s: float = 30.0) -> HttpReply:
    """Fetch a URL and return the answer, whatever its status; bounds as for `post`.

    Raises:
        TransportError: No complete answer within the bounds.
    """
    headers = {"Accept": accept}
    return _bounded(_Request(method="GET", url=url, body=None, headers=headers, limit=limit, timeout_s=timeout_s))


def public_url(url: str) -> str:
    """Return the URL without user name and password, for messages and records."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(malformed URL)"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class _Watch:
    """Shuts down every connection of a request when its time is over."""

    def __init__(self, timeout_s: float) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.expired = False
        self._timer = threading.Timer(timeout_s, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def add(self, connection: socket.socket) -> None:
        """Watch a connection through a second descriptor, since TLS takes the first one over."""
        with self._lock:
            self._sockets.append(connection.dup())
            if self.expired:
                self._shut_down()

    def stop(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        with self._lock:
            for held in self._sockets:
                held.close()
            self._sockets.clear()

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            self._shut_down()

    def _shut_down(self) -> None:
        for held in self._sockets:
            with contextlib.suppress(OSError):  # the other side may have closed it
                held.shutdown(socket.SHUT_RDWR)


class _WatchedAdapter(HTTPAdapter):
    """Makes the connections of a request, direct or through a proxy, known to its watch."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch
        super().__init__(max_retries=0)
        _watch_pools(self.poolmanager, watch)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: object) -> PoolManager:
        """Return the manager of connections through a proxy; called by requests."""
        manager: PoolManager = super().proxy_manager_for(proxy, **proxy_kwargs)
        _watch_pools(manager, self._watch)
        return manager


def _watch_pools(manager: PoolManager, watch: _Watch) -> None:
    manager.pool_classes_by_scheme = {
        scheme: _watched_pool(kind, watch) for scheme, kind in manager.pool_classes_by_scheme.items()
    }


def _watched_pool(kind: type[HTTPConnectionPool], watch: _Watch) -> type[HTTPConnectionPool]:
    base = kind.ConnectionCls
    if not issubclass(base, HTTPConnection):
        return kind
    return type(kind.__name__, (kind,), {"ConnectionCls": _watched(base, watch)})


def _watched(base: type[HTTPConnection], watch: _Watch) -> type[HTTPConnection]:
    def open_connection(self: HTTPConnection) -> socket.socket:
        opened = base._new_conn(self)  # noqa: SLF001 - the one place where the bare socket is seen
        watch.add(opened)
        return opened

    return type(base.__name__, (base,), {"_new_conn": open_connection})


def _bounded(request: _Request) -> HttpReply:
    """Run the exchange in a thread, since neither name lookup nor a stuck connect can be interrupted."""
    _require_http(request.url)
    outcome: queue.SimpleQueue[HttpReply | TransportError] = queue.SimpleQueue()
    worker = threading.Thread(target=lambda: outcome.put(_attempt(request)), name="evidencekit-http", daemon=True)
    worker.start()
    try:
        found = outcome.get(timeout=request.timeout_s + _GRACE_S)
    except queue.Empty:
        raise _too_slow(request) from None
    if isinstance(found, TransportError):
        raise found
    return found


def _require_http(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise TransportError(
            f"{public_url(url)!r} is not an http or https address; correct the configured URL.",
            f"{public_url(url)!r} 不是 http 或 https 地址；请更正所配置的网址。",
        )


def _attempt(request: _Request) -> HttpReply | TransportError:
    watch = _Watch(request.timeout_s)
    try:
        return _exchange(request, watch)
    except TransportError as error:
        return error
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        if watch.expired or isinstance(error, requests.Timeout):
            return _too_slow(request)
        where, why = public_url(request.url), _first_line(error)
        return TransportError(f"No answer from {where}: {why}", f"{where} 无应答：{why}")
    finally:
        watch.stop()


def _exchange(request: _Request, watch: _Watch) -> HttpReply:
    with requests.Session() as session:
        adapter = _WatchedAdapter(watch)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        headers = {**request.headers, "User-Agent": _AGENT, "Accept-Encoding": "identity"}
        prepared = session.prepare_request(
            requests.Request(
                request.method, public_url(request.url), headers, data=request.body, auth=_auth(request.url)
            )
        )
        settings = session.merge_environment_settings(prepared.url or "", {}, True, None, None)
        response = session.send(prepared, timeout=request.timeout_s, allow_redirects=False, **settings)
        with response:
            proxy = requests.utils.select_proxy(prepared.url or "", settings["proxies"])
            return _read_reply(response, request, watch, None if proxy is None else public_url(proxy))


def _read_reply(response: requests.Response, request: _Request, watch: _Watch, proxy: str | None) -> HttpReply:
    where = public_url(request.url)
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        raise TransportError(f"{where} compressed its answer unasked", f"{where} 擅自压缩了应答")
    body = bytearray()
    while chunk := response.raw.read(_CHUNK, decode_content=False):
        body += chunk
        if len(body) > request.limit:
            raise TransportError(
                f"The answer from {where} is over {request.limit} bytes", f"{where} 的应答超过 {request.limit} 字节"
            )
    if watch.expired:
        raise _too_slow(request)
    return HttpReply(
        status=response.status_code,
        content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        body=bytes(body),
        proxy=proxy,
        retry_after_s=_seconds(response.headers.get("Retry-After", "")),
    )


def _auth(url: str) -> AuthBase:
    parts = urlsplit(url)
    if parts.username is None:
        return _NoAuth()
    return HTTPBasicAuth(unquote(parts.username), unquote(parts.password or ""))


class _NoAuth(AuthBase):
    """Keeps requests from looking for a `.netrc`."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r


def _seconds(value: str) -> float | None:
    """Read the delay form of Retry-After (RFC 9110 §10.2.3); dates are not worth a clock."""
    return float(value) if value.isascii() and value.isdigit() and len(value) <= 6 else None  # noqa: PLR2004 - eleven days


def _too_slow(request: _Request) -> TransportError:
    where = public_url(request.url)
    return TransportError(
        f"No complete answer from {where} within {request.timeout_s:g} s; try again or another server.",
        f"{where} 未在 {request.timeout_s:g} 秒内完整应答；请重试或更换服务器。",
    )


def _first_line(error: Exception) -> str:
    """Return what went wrong without the nesting of requests, and without credentials in URLs."""
    cause: BaseException = error
    while isinstance(cause.__cause__ or cause.__context__, Exception):
        cause = cause.__cause__ or cause.__context__ or cause
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return f"{type(cause).__name__}: {str(cause).splitlines()[0][:200] if str(cause) else ''}".rstrip(": ")
