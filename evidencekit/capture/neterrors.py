"""What the browser's network errors mean, in plain sentences.

Names as in Chromium's `net/base/net_error_list.h`.
"""

from __future__ import annotations

import re

from evidencekit.errors import NavigationError

_NET_ERROR = re.compile(r"net::(ERR_[A-Z0-9_]+)")

_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (
        "ERR_NAME_NOT_RESOLVED",
        "the host name does not resolve; check spelling and network",
        "域名无法解析；请检查拼写和网络",
    ),
    (
        "ERR_CONNECTION_REFUSED",
        "the server refuses the connection; check address and port",
        "服务器拒绝连接；请检查地址和端口",
    ),
    ("ERR_CONNECTION_", "the connection broke; try again", "连接中断；请重试"),
    (
        "ERR_EMPTY_RESPONSE",
        "the server closed the connection without an answer; try again",
        "服务器未作应答即断开；请重试",
    ),
    ("ERR_ADDRESS_", "the address cannot be reached; check the network", "无法到达该地址；请检查网络"),
    ("ERR_INTERNET_DISCONNECTED", "this machine has no network; connect it", "本机没有网络连接；请先联网"),
    ("ERR_PROXY_", "the proxy does not work; check the proxy settings", "代理不可用；请检查代理设置"),
    ("ERR_TUNNEL_", "the proxy does not work; check the proxy settings", "代理不可用；请检查代理设置"),
    ("ERR_CERT_DATE_INVALID", "the server's certificate is expired or not yet valid", "服务器证书已过期或尚未生效"),
    ("ERR_CERT_COMMON_NAME_INVALID", "the server's certificate is for another host", "服务器证书属于另一个域名"),
    (
        "ERR_CERT_AUTHORITY_INVALID",
        "the server's certificate is from no trusted authority",
        "服务器证书不是由受信任的机构签发",
    ),
    ("ERR_CERT_", "the server's certificate is not accepted", "服务器证书不被接受"),
    (
        "ERR_SSL_",
        "the TLS handshake failed: server misconfigured, or interference",
        "TLS 握手失败：服务器配置有误或受到干扰",
    ),
    ("ERR_TOO_MANY_REDIRECTS", "the page redirects without end; check the URL", "网页无限重定向；请检查网址"),
    ("ERR_TIMED_OUT", "the server did not answer in time; try again", "服务器未在规定时间内应答；请重试"),
    ("ERR_UNSAFE_PORT", "browsers refuse this port; check the URL", "浏览器拒绝访问该端口；请检查网址"),
    (
        "ERR_INVALID_AUTH_CREDENTIALS",
        "the server asks for a user name and a password; pages behind a login need a recorded session",
        "服务器要求用户名和密码；需要登录的网页须用录制会话取证",
    ),
    ("ERR_INVALID_", "the server's answer is not valid HTTP; check the URL", "服务器的应答不是有效的 HTTP；请检查网址"),
    ("ERR_HTTP2_", "the server broke the HTTP/2 protocol; try again", "服务器违反了 HTTP/2 协议；请重试"),
    ("ERR_QUIC_", "the server broke the QUIC protocol; try again", "服务器违反了 QUIC 协议；请重试"),
    ("ERR_BLOCKED_BY_", "the browser refused the page; check the URL", "浏览器拒绝打开该网页；请检查网址"),
    (
        "ERR_ABORTED",
        "the load was aborted: a download, or an answer without content; use `evidencekit deposit` for files",
        "加载被中止：应答是下载文件或没有内容；文件请使用 `evidencekit deposit`",
    ),
)
_TLS_ADVICE = (
    "; check this machine's clock and network, or use --allow-tls-errors, which the evidence will say",
    ";请检查本机时钟和网络，或使用 --allow-tls-errors(会记入证据)",
)
_UNKNOWN = ("", "the page could not be loaded; try again", "网页无法加载；请重试")


def net_error(message: str) -> str | None:
    """The name of the network error in a message (`ERR_…`), or None."""
    found = _NET_ERROR.search(message)
    return found.group(1) if found else None


def navigation_error(url: str, name: str | None) -> NavigationError:
    """The error for a navigation that ended with the network error `name`."""
    _, en, zh = next((entry for entry in _MEANINGS if (name or "").startswith(entry[0])), _UNKNOWN)
    if name is not None and name.startswith("ERR_CERT_"):
        en, zh = en + _TLS_ADVICE[0], zh + _TLS_ADVICE[1]
    shown, code = url[:200], f" (net::{name})" if name else ""
    return NavigationError(f"{shown}: {en}{code}", f"{shown}:{zh}{code}")
