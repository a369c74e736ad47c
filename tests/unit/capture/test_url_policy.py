"""Which URLs and addresses may be captured."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.capture.url_policy import (
    check_url,
    host_resolver_rules,
    is_private_address,
    is_private_peer,
    normal_host,
    parse_address,
    resolve_and_check,
)
from evidencekit.errors import BlockedUrlError, NavigationError

PUBLIC = [
    "https://example.com/",
    "http://example.com:8080/a?b=$(id)&c='x#y",
    "https://www.例子.cn/商品?名=值",
    "https://8.8.8.8/",
    "https://[2606:4700:4700::1111]/",
    "https://10.com/",
    "https://127.example.org/",
    "https://example.com./",
    "HTTPS://EXAMPLE.COM/",
]

PRIVATE = [
    "http://localhost/",
    "http://LOCALHOST:80/",
    "http://localhost./",
    "http://a.localhost/",
    "http://intranet/",
    "http://printer.local/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0x7f.0.0.1/",
    "http://0x7f000001/",
    "http://0x7F.1/",
    "http://127.0.0.1./",
    "http://0/",
    "http://0.0.0.0/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://0300.0250.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:0:0:0:0:0:1]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://127。0。0。1/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://%31%32%37.0.0.1/",
    "http://loc%61lhost/",
]

REFUSED_ALWAYS = [
    "",
    " http://example.com/",
    "http://example.com/ ",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/html,x",
    "blob:https://example.com/1",
    "about:blank",
    "ftp://example.com/",
    "view-source:https://example.com/",
    "chrome://version",
    "example.com",
    "//example.com/",
    "http://",
    "http:///path",
    "http://user:secret@example.com/",
    "http://user@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://[::1",
    "http://example.com:99999/",
    "http://example.com:port/",
    "https://example.com/" + "a" * 9000,
    "https://example.com/a\nb",
    "https://exam\tple.com/",
    "https://example.com/\x00",
]


@pytest.mark.parametrize("url", PUBLIC)
def test_a_public_url_is_let_through(url: str) -> None:
    check_url(url, allow_private=False)


@pytest.mark.parametrize("url", PRIVATE)
def test_a_private_host_is_refused_in_every_notation(url: str) -> None:
    with pytest.raises(BlockedUrlError, match="private"):
        check_url(url, allow_private=False)
    check_url(url, allow_private=True)


@pytest.mark.parametrize("url", REFUSED_ALWAYS)
@pytest.mark.parametrize("allow_private", [False, True])
def test_what_is_no_web_page_is_refused_even_on_private_networks(url: str, allow_private: bool) -> None:
    with pytest.raises(BlockedUrlError) as caught:
        check_url(url, allow_private=allow_private)
    assert caught.value.zh


def test_credentials_are_not_repeated_in_the_error() -> None:
    with pytest.raises(BlockedUrlError) as caught:
        check_url("https://user:hunter2secret@example.com/", allow_private=False)
    assert "hunter2secret" not in caught.value.en + caught.value.zh


@given(st.text())
def test_any_text_is_either_let_through_or_refused_in_words(url: str) -> None:
    refusal = None
    try:
        check_url(url, allow_private=False)
    except BlockedUrlError as error:
        refusal = error
    assert refusal is None or (refusal.en and refusal.zh)


@given(st.ip_addresses(v=4))
def test_every_notation_of_an_address_is_read_as_that_address(address: ipaddress.IPv4Address) -> None:
    number, parts = int(address), str(address).split(".")
    notations = [
        str(address),
        str(number),
        hex(number),
        f"0{number:o}",
        ".".join(hex(int(part)) for part in parts),
        ".".join(f"0{int(part):o}" for part in parts),
        f"{parts[0]}.{number & 0xFFFFFF}",
        f"{parts[0]}.{parts[1]}.{number & 0xFFFF}",
    ]
    assert {parse_address(normal_host(notation)) for notation in notations} == {address}


def test_numbers_out_of_range_are_names_and_never_wrap_around() -> None:
    for host in ("256.0.0.1", "1.2.3.256", "4294967296", "0x100000000", "1.2.3.4.5", "09.0.0.1", "1.16777216"):
        assert parse_address(host) is None


def test_embedded_ipv4_decides_for_the_ipv6_address_around_it() -> None:
    assert is_private_address(ipaddress.ip_address("::ffff:192.168.1.1"))
    assert not is_private_address(ipaddress.ip_address("64:ff9b::8.8.8.8"))


def test_a_peer_is_judged_by_its_address_and_an_unreadable_one_counts_as_private() -> None:
    assert is_private_peer("127.0.0.1:443")
    assert is_private_peer("[::1]:443")
    assert is_private_peer("[fe80::1%eth0]:443")
    assert is_private_peer("")
    assert is_private_peer("garbage")
    assert not is_private_peer("1.1.1.1:443")
    assert not is_private_peer("[2606:4700:4700::1111]:443")


def test_a_name_that_resolves_to_loopback_is_refused_unless_private_is_allowed() -> None:
    with pytest.raises(BlockedUrlError, match="private"):
        resolve_and_check("localhost", 80, allow_private=False)
    assert {"127.0.0.1", "::1"} & set(resolve_and_check("localhost", 80, allow_private=True))


def test_a_name_that_does_not_resolve_is_a_navigation_error() -> None:
    with pytest.raises(NavigationError, match="resolve"):
        resolve_and_check("no-such-host.invalid", 80, allow_private=False)
    with pytest.raises(NavigationError):
        resolve_and_check("a" * 70 + ".example", 80, allow_private=False)


def _matches(pattern: str, text: str) -> bool:
    """Chromium's base::MatchPattern for patterns that hold no question mark."""
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text) is not None


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "127.0.0.1", "192.168.1.9", "172.20.0.3", "100.127.9.9", "169.254.169.254"]
)
def test_resolver_rules_cover_private_literals(address: str) -> None:
    patterns = [rule.split()[1] for rule in host_resolver_rules().split(",")]
    assert any(_matches(pattern, address) for pattern in patterns)


@pytest.mark.parametrize("host", ["10.com", "127.example.org", "100.128.0.1", "172.32.0.1", "11.0.0.1", "example.com"])
def test_resolver_rules_leave_public_hosts_alone(host: str) -> None:
    patterns = [rule.split()[1] for rule in host_resolver_rules().split(",")]
    assert not any(_matches(pattern, host) for pattern in patterns)
