"""What the browser's network errors mean, in plain sentences.

Names as in Chromium's `net/base/net_error_list.h`.
"""

from __future__ import annotations

import re

from evidencekit.errors import NavigationError
from evidencekit.model import Text

_NET_ERROR = re.compile(r"net::(ERR_[A-Z0-9_]+)")

_MEANINGS: tuple[tuple[str, Text], ...] = (
    ("ERR_NAME_NOT_RESOLVED", Text(en="the host name does not resolve; check the spelling and the network", zh="域名无法解析;请检查拼写和网络")),
    ("ERR_CONNECTION_REFUSED", Text(en="the server refuses the connection; check address and port", zh="服务器拒绝连接;请检查地址和端口")),
    ("ERR_CONNECTION_", Text(en="the connection broke; try again", zh="连接中断;请重试")),
    ("ERR_EMPTY_RESPONSE", Text(en="the server closed the connection without an answer; try again", zh="服务器未作应答即关闭连接;请重试")),
    ("ERR_ADDRESS_", Text(en="the address cannot be reached; check the network", zh="无法到达该地址;请检查网络")),
    ("ERR_INTERNET_DISCONNECTED", Text(en="this machine has no network; connect it", zh="本机没有网络连接;请先联网")),
    ("ERR_PROXY_", Text(en="the proxy does not work; check the proxy settings", zh="代理不可用;请检查代理设置")),
    ("ERR_TUNNEL_", Text(en="the proxy does not work; check the proxy settings", zh="代理不可用;请检查代理设置")),
    ("ERR_CERT_DATE_INVALID", Text(en="the server's certificate has expired or is not yet valid; check this machine's clock. Use --allow-tls-errors to capture all the same, which is recorded", zh="服务器证书已过期或尚未生效;请检查本机时钟。如仍要取证,请使用 --allow-tls-errors(会记入证据)")),
    ("ERR_CERT_COMMON_NAME_INVALID", Text(en="the server's certificate is for another host. Use --allow-tls-errors to capture all the same, which is recorded", zh="服务器证书属于另一个域名。如仍要取证,请使用 --allow-tls-errors(会记入证据)")),
    ("ERR_CERT_AUTHORITY_INVALID", Text(en="the server's certificate comes from no trusted authority. Use --allow-tls-errors to capture all the same, which is recorded", zh="服务器证书不是由受信任的机构签发。如仍要取证,请使用 --allow-tls-errors(会记入证据)")),
    ("ERR_CERT_", Text(en="the server's certificate is not accepted. Use --allow-tls-errors to capture all the same, which is recorded", zh="服务器证书不被接受。如仍要取证,请使用 --allow-tls-errors(会记入证据)")),
    ("ERR_SSL_", Text(en="the TLS handshake failed; the server is misconfigured or the connection is interfered with", zh="TLS 握手失败;服务器配置有误或连接受到干扰")),
    ("ERR_TOO_MANY_REDIRECTS", Text(en="the page redirects without end", zh="网页无限重定向")),
    ("ERR_TIMED_OUT", Text(en="the server did not answer in time; try again", zh="服务器未在规定时间内应答;请重试")),
    ("ERR_UNSAFE_PORT", Text(en="browsers refuse this port; check the URL", zh="浏览器拒绝访问该端口;请检查网址")),
    ("ERR_INVALID_", Text(en="the server's answer is not valid HTTP", zh="服务器的应答不是有效的 HTTP")),
    ("ERR_HTTP2_", Text(en="the server broke the HTTP/2 protocol; try again", zh="服务器违反了 HTTP/2 协议;请重试")),
    ("ERR_QUIC_", Text(en="the server broke the QUIC protocol; try again", zh="服务器违反了 QUIC 协议;请重试")),
    ("ERR_BLOCKED_BY_", Text(en="the browser refused the page", zh="浏览器拒绝打开该网页")),
    ("ERR_ABORTED", Text(en="the page load was aborted: the answer is a download or has no content. Use `evidencekit deposit` for files", zh="网页加载被中止:应答是下载文件或没有内容。文件请使用 `evidencekit deposit`")),
)  # fmt: skip
_UNKNOWN = Text(en="the page could not be loaded; try again", zh="网页无法加载;请重试")


def net_error(message: str) -> str | None:
    """The name of the network error in a message (`ERR_…`), or None."""
    found = _NET_ERROR.search(message)
    return found.group(1) if found else None


def navigation_error(url: str, name: str | None) -> NavigationError:
    """The error for a navigation that ended with the network error `name`."""
    meaning = next((text for prefix, text in _MEANINGS if (name or "").startswith(prefix)), _UNKNOWN)
    shown, code = url[:200], f" (net::{name})" if name else ""
    return NavigationError(f"{shown}: {meaning.en}{code}", f"{shown}:{meaning.zh}{code}")
