"""Which URLs and addresses a capture may touch.

Only `http` and `https`. Without `allow_private` no loopback, private, link-local, carrier-grade NAT, metadata,
multicast or otherwise special address, in whatever notation a browser would read it (WHATWG URL §3.5, the IPv4
parser: decimal, octal, hexadecimal, one to four parts). The check of names before navigation can be outrun by DNS
(rebinding); therefore the recorder also checks the peer address of every exchange.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import unquote, urlsplit

from evidencekit.errors import BlockedUrlError, NavigationError

URL_LIMIT = 8192
_SCHEMES = frozenset({"http", "https"})
_LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa")
_LABEL_DOTS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_MAX_RESOLVED = 64

_EMBEDDED_IPV4 = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible, deprecated
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056
)
_ALSO_PRIVATE = (
    ipaddress.ip_network("100.64.0.0/10"),  # RFC 6598, also cloud metadata (100.100.100.200)
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("198.18.0.0/15"),
    ipaddress.ip_network("fec0::/10"),
    ipaddress.ip_network("2001::/32"),  # Teredo hides an IPv4 peer
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_url(url: str, *, allow_private: bool) -> None:
    """Refuse a URL that must not be captured; it is never changed.

    Raises:
        BlockedUrlError: wrong scheme, credentials in the URL, no host, or a private host.
    """
    shown = url[:200]
    if not url or len(url) > URL_LIMIT or _UNSAFE.search(url[:1] + url[-1:]):
        raise BlockedUrlError(
            f"{shown!r} is no usable URL: empty, longer than {URL_LIMIT} characters, or with blanks around it",
            f"{shown!r} 不是可用的网址：为空、超过 {URL_LIMIT} 个字符，或首尾有空白",
        )
    if _CONTROL.search(url):
        # A browser leaves line breaks and tabs out, so what is printed would not be what was opened.
        raise BlockedUrlError(
            f"{shown!r} holds a line break, a tab or another control character; remove it",
            f"{shown!r} 含有换行、制表符或其他控制字符；请删除",
        )
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BlockedUrlError(
            f"{shown} is no valid URL ({error}); check it", f"{shown} 不是有效的网址({error})"
        ) from error
    if parts.scheme.lower() not in _SCHEMES:
        raise BlockedUrlError(
            f"{shown} is refused: only http: and https: pages can be captured",
            f"拒绝 {shown}：只能对 http: 和 https: 网页取证",
        )
    if "@" in parts.netloc or "\\" in parts.netloc:
        raise BlockedUrlError(
            "the URL holds a user name or password, which would become part of the evidence; remove it from the URL",
            "网址中含有用户名或密码，会成为证据的一部分；请从网址中去除",
        )
    if not host:
        raise BlockedUrlError(f"{shown} names no host; check it", f"{shown} 没有主机名；请检查")
    if not allow_private:
        _check_host(host, shown)


def _check_host(host: str, shown: str) -> None:
    name = normal_host(host)
    address = parse_address(name)
    if address is not None and is_private_address(address):
        raise _private(shown, str(address))
    if address is None and is_local_name(name):
        raise _private(shown, name)


def _private(shown: str, what: str) -> BlockedUrlError:
    return BlockedUrlError(
        f"{shown} leads to the private address {what}; use --allow-private if you mean to capture a private server",
        f"{shown} 指向内网地址 {what}；如确需对内网服务器取证，请使用 --allow-private",
    )


def normal_host(host: str) -> str:
    """The host as a browser reads it: percent-decoded, lower case, full-width forms folded, trailing dot dropped."""
    text = unquote(host, errors="replace").translate(_LABEL_DOTS)
    folded = "".join(chr(ord(c) - 0xFEE0) if "\uff01" <= c <= "\uff5e" else c for c in text)
    return folded.lower().strip("[]").rstrip(".")


def is_local_name(name: str) -> bool:
    """Whether a host name is local by its form: a single label, or below a local or reserved domain."""
    return "." not in name or any(name == local or name.endswith("." + local) for local in _LOCAL_NAMES)


def parse_address(name: str) -> Address | None:
    """The address that a browser would read from a host, or None when it is a name."""
    bare = name.partition("%")[0]
    if ":" in bare:
        try:
            return ipaddress.IPv6Address(bare)
        except ValueError:
            return None
    parts = bare.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):  # noqa: PLR2004 (WHATWG: at most 4 parts)
        return None
    numbers = [_ipv4_number(part) for part in parts]
    last_limit = 256 ** (5 - len(numbers))
    if None in numbers or any((number or 0) > 255 for number in numbers[:-1]) or (numbers[-1] or 0) >= last_limit:  # noqa: PLR2004
        return None
    value = numbers[-1] or 0
    for place, number in enumerate(numbers[:-1]):
        value += (number or 0) << (8 * (3 - place))
    return ipaddress.IPv4Address(value)


def _ipv4_number(part: str) -> int | None:
    """One part of an IPv4 host (WHATWG URL, IPv4 number parser)."""
    if len(part) > 16:  # noqa: PLR2004 (beyond 32 bits in any base but for leading zeros, which we refuse)
        return None
    try:
        if part[:2] in {"0x", "0X"}:
            return int(part[2:] or "0", 16)
        return int(part, 8) if len(part) > 1 and part.startswith("0") else int(part)
    except ValueError:
        return None


def is_private_address(address: Address) -> bool:
    """Whether an address is anything but ordinary public unicast; embedded IPv4 addresses count."""
    if isinstance(address, ipaddress.IPv6Address):
        for network, shift in _EMBEDDED_IPV4:
            if address in network and int(address) > 1:
                return is_private_address(ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF))
    special = not address.is_global or address.is_multicast or address.is_reserved
    return special or any(address.version == network.version and address in network for network in _ALSO_PRIVATE)


def is_private_peer(peer: str) -> bool:
    """Whether `ip:port` (IPv6 in brackets) is a private peer; an unreadable peer counts as private."""
    host = peer.rpartition(":")[0].strip("[]")
    try:
        return is_private_address(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return True


def resolve_and_check(host: str, port: int, *, allow_private: bool) -> tuple[str, ...]:
    """Resolve a host with the system resolver and check every address. Blocks; run it in a thread.

    Returns:
        The addresses, in the resolver's order.

    Raises:
        BlockedUrlError: an address is private.
        NavigationError: the name does not resolve.
    """
    name = normal_host(host)
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NavigationError(
            f"the host name {name[:200]} does not resolve; check the spelling and the network",
            f"域名 {name[:200]} 无法解析；请检查拼写和网络",
        ) from error
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found[:_MAX_RESOLVED]))
    if not allow_private:
        for address in addresses:
            if is_private_address(ipaddress.ip_address(address.partition("%")[0])):
                raise _private(name[:200], address)
    return addresses


def host_resolver_rules() -> str:
    """Chromium `--host-resolver-rules` under which private names and address literals do not resolve.

    A rule matches text, so each range ends in a digit: `10.*` would also match the domain `10.com`. This stops
    requests of a public page to private literals before anything is sent; names are checked at the peer address.
    """
    prefixes = ["0.", "10.", "127.", "169.254.", "192.168.", "192.0.0."]
    prefixes += [f"172.{second}." for second in range(16, 32)]
    prefixes += [f"100.{second}." for second in range(64, 128)]
    patterns = [f"{prefix}*{digit}" for prefix in prefixes for digit in range(10)]
    patterns += ["[::]", "[::1]", "[::ffff:*", "[fc*", "[fd*", "[fe8*", "[fe9*", "[fea*", "[feb*", "[64:ff9b:*"]
    patterns += [pattern for name in _LOCAL_NAMES for pattern in (name, f"*.{name}")]
    return ",".join(f"MAP {pattern} ^NOTFOUND" for pattern in patterns)
