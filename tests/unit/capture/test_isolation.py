"""`--isolate` in real network namespaces: nothing that leads inward arrives, and nothing is left behind."""

from __future__ import annotations

import ipaddress
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evidencekit.capture import isolation
from evidencekit.capture.dnsrelay import is_answer, is_query, nameservers
from evidencekit.capture.egress import REFUSED, Link, rules_inside, rules_outside
from evidencekit.capture.isolation import require_isolation
from evidencekit.capture.url_policy import is_private_address
from evidencekit.errors import UsageError
from tests.support.tools import program

ROOT = Path(__file__).parents[3]
NOTHING: dict[str, list[str]] = {"devices": [], "forwarding": [], "state": [], "tables": []}


def in_a_small_internet(case: str, folder: Path) -> dict[str, Any]:
    """Run a case of tests/support/inward.py in namespaces of its own."""
    for name in ("ip", "nft", "nsenter"):
        program(name)
    if os.geteuid() != 0:
        pytest.skip("only root makes network namespaces")
    apart = (program("unshare"), "--net", "--mount", "--propagation", "private")
    done = subprocess.run(
        [*apart, sys.executable, "-m", "tests.support.inward", case, str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.browser
def test_a_name_that_turns_inward_after_its_check_reaches_the_private_server_zero_times(tmp_path: Path) -> None:
    found = in_a_small_internet("http://rebind.example/,isolated", tmp_path)
    assert found["told"]["page.resolve"]["addresses"] == ["93.184.216.34"]  # it passed the check
    assert found["kind"] == "NavigationError"
    assert "cannot be reached" in found["ended"]
    assert found["reached"] == []
    assert found["left"] == NOTHING


@pytest.mark.browser
def test_the_same_name_without_isolation_reaches_it_before_it_is_given_up(tmp_path: Path) -> None:
    """The stated limit of the guard, and the proof that the test above can fail."""
    found = in_a_small_internet("http://rebind.example/,open", tmp_path)
    assert found["kind"] == "BlockedUrlError"
    assert "/" in found["reached"]


@pytest.mark.browser
def test_nothing_that_a_public_page_asks_for_inside_arrives_and_the_record_says_so(tmp_path: Path) -> None:
    found = in_a_small_internet("http://asks.example/,isolated", tmp_path)
    assert found["reached"] == []
    assert found["lines"]["http://asks.example/"] == ["recorded", None, "93.184.216.34:80"]
    inward = {url: line for url, line in found["lines"].items() if "inward.example" in url}
    assert {url.rpartition("/")[2] for url in inward} == {"image", "frame", "fetch", "socket", "beacon"}
    assert {line[0] for line in inward.values()} == {"failed"}
    (said,) = found["transformations"]
    assert "network namespace of its own" in said
    assert found["told"]["browser.isolated"]["refused"] >= len(inward)
    assert found["told"]["browser.isolated"]["lookups"] >= 2
    # The packets are those of the namespace's own way out.
    assert [each["name"] for each in found["packets"]["interfaces"]] == ["ek0"]
    assert found["packets"]["isolated"] is True
    assert found["left"] == NOTHING


@pytest.mark.browser
def test_a_page_that_navigates_inward_arrives_nowhere(tmp_path: Path) -> None:
    found = in_a_small_internet("http://navigates.example/,isolated", tmp_path)
    assert found["reached"] == []
    assert found["lines"]["http://inward.example/secret"][:2] == ["failed", "net::ERR_ADDRESS_UNREACHABLE"]
    assert any("could not be reached" in text for text in found["partial"])
    assert found["left"] == NOTHING


def test_a_run_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    found = in_a_small_internet("killed", tmp_path)
    assert all(found["before"].values())  # there was something to leave
    assert found["left"] == NOTHING


def test_of_two_at_a_time_the_first_to_end_leaves_the_other_its_way_out(tmp_path: Path) -> None:
    found = in_a_small_internet("twice", tmp_path)
    assert (len(found["both"]["tables"]), len(found["one"]["tables"])) == (2, 1)
    assert found["one"]["forwarding"] == ["out0"]
    assert found["different"]
    assert found["reaches"]
    assert found["left"] == NOTHING


def test_the_rules_refuse_what_the_policy_calls_private() -> None:
    networks = [ipaddress.IPv4Network(each) for each in REFUSED]
    chosen = random.Random(7)
    edges = [each for network in networks for each in (network[0], network[-1])]
    around = [ipaddress.IPv4Address((int(each) + step) % 2**32) for each in edges for step in (-1, 1)]
    others = [ipaddress.IPv4Address(chosen.getrandbits(32)) for _ in range(5_000)]
    relays = ipaddress.IPv4Network("192.88.99.0/24")
    for address in (*edges, *around, *others):
        refused = any(address in network for network in networks)
        assert refused == (is_private_address(address) or address in relays), address


def test_the_rules_name_what_they_are_about() -> None:
    link = Link(name="00112233", inner="198.18.0.2", outer="198.18.0.1", exit="eth0", opened=True)
    outside = rules_outside(link)
    assert "table inet evidencekit_00112233" in outside
    assert 'iifname "eth0" oifname != "ek*" drop' in outside
    assert 'iifname "eth0"' not in rules_outside(
        Link(name="00112233", inner="198.18.0.2", outer="198.18.0.1", exit="eth0", opened=False)
    )
    for words in (outside, rules_inside()):
        assert all(network in words for network in REFUSED)


def test_only_one_plain_query_is_passed_on() -> None:
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"
    assert is_query(query)
    assert not is_query(query[:12])
    assert not is_query(query + bytes(1232))
    assert not is_query(query[:2] + b"\x81" + query[3:])  # an answer
    assert not is_query(query[:2] + b"\x28" + query[3:])  # an update
    assert not is_query(query[:4] + b"\x00\x02" + query[6:])  # two questions
    assert not is_query(b"GET / HTTP/1.1\r\n\r\n")
    assert is_answer(query[:2] + b"\x81" + query[3:], query)
    assert not is_answer(b"\x00\x00\x81" + query[3:], query)
    assert not is_answer(query, query)


def test_resolvers_are_those_of_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(
        "# nameserver 9.9.9.9\nnameserver 192.0.2.1\nsearch x\n nameserver ::1\nnameserver a\nnameserver b\n"
    )
    assert nameservers(file) == ("192.0.2.1", "::1", "a")
    assert nameservers(tmp_path / "none") == ("127.0.0.1",)


def test_it_is_refused_in_one_sentence_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="leave out one of them"):
        require_isolation(allow_private=True)
    monkeypatch.setenv("PATH", "")
    if os.geteuid() == 0:
        with pytest.raises(UsageError, match=r"apt-get install iproute2 nftables util-linux"):
            require_isolation(allow_private=False)
    monkeypatch.setattr(isolation, "runs_as_root", lambda: False)
    with pytest.raises(UsageError, match="needs Linux and root"):
        require_isolation(allow_private=False)
