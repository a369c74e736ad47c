"""`--pcap`: real packets with the keys that open them, for the holder; a missing dumpcap is named."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.launcher import find_browser
from evidencekit.capture.packets import Interface, counts_in
from evidencekit.capture.request import CaptureRequest, Limits
from evidencekit.capture.session import capture_session
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter
from tests.support import site
from tests.support.tools import program

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.model import Capture

WORDS = """Capturing on 'Loopback: lo' and 'eth0'
File: /x/traffic.pcapng
Packets captured: 19
Packets received/dropped on interface 'Loopback: lo': 19/3 (pcap:3/dumpcap:0/flushed:0/ps_ifdrop:0) (86.4%)
Packets received/dropped on interface 'eth0': 0/0 (pcap:0/dumpcap:0/flushed:0/ps_ifdrop:0) (0.0%)
"""


def test_losses_are_read_from_what_dumpcap_says() -> None:
    assert counts_in(WORDS) == (
        Interface(name="Loopback: lo", received=19, dropped=3),
        Interface(name="eth0", received=0, dropped=0),
    )
    assert counts_in("dumpcap: something else") == ()


def capture(folder: Path) -> Capture:
    folder.mkdir(exist_ok=True)
    with (
        site.serve(site.page, tls=site.self_signed(folder)) as url,
        ChainWriter(folder / "worklog.jsonl", format_name=WORKLOG, capture_id="0" * 32) as worklog,
    ):
        return asyncio.run(
            capture_session(
                CaptureRequest(
                    urls=(url,),
                    allow_private=True,
                    allow_tls_errors=True,
                    third_party=False,
                    packets=True,
                    limits=Limits(quiet_s=5),
                ),
                capture_id="0" * 32,
                staging=folder / "staging",
                worklog=worklog,
                on_root=lambda _root, _document: None,
            )
        )


@pytest.mark.browser
def test_the_packets_open_with_the_keys_and_both_stay_out_of_the_bundle(tmp_path: Path) -> None:
    program("dumpcap")
    tshark = program("tshark")
    if os.geteuid() != 0:
        pytest.skip("only root captures packets here")
    made = capture(tmp_path)
    pcap, keys = (made.private_files[name] for name in ("traffic.pcapng", "tls-keys.txt"))
    opened = ("-o", f"tls.keylog_file:{keys}", "-d", "tcp.port==1-65535,tls")
    wanted = ("-Y", "http.response.code == 200", "-T", "fields", "-e", "http.file_data")
    shown = subprocess.run(
        [tshark, "-r", str(pcap), *opened, *wanted],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "lamps" in shown or b"lamps".hex() in shown.replace(":", "")
    report = json.loads((tmp_path / "staging/bundle/capture/packets.json").read_bytes())
    assert report["pcap"]["sha256"] == hashlib.sha256(pcap.read_bytes()).hexdigest()
    assert report["keys"]["sha256"] == hashlib.sha256(keys.read_bytes()).hexdigest()
    assert sum(each["received"] for each in report["interfaces"]) > 10
    assert [each["dropped"] for each in report["interfaces"]] == [0] * len(report["interfaces"])
    bundle = tmp_path / "staging/bundle"
    assert not [each for each in bundle.rglob("*") if each.name in {"traffic.pcapng", "tls-keys.txt"}]
    secret = keys.read_text().splitlines()[-1].split()[-1].encode()
    assert not [each for each in bundle.rglob("*") if each.is_file() and secret in each.read_bytes()]
    assert not [text for text in made.not_performed if "dumpcap" in text.en]


@pytest.mark.browser
def test_without_dumpcap_the_capture_goes_on_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVIDENCEKIT_BROWSER", str(find_browser().path))
    monkeypatch.setenv("PATH", "")
    made = capture(tmp_path / "capture")
    assert [text.en for text in made.not_performed if "dumpcap" in text.en] == [
        "no packets were captured: dumpcap is missing (apt-get install wireshark-common)"
    ]
    assert "traffic.pcapng" not in made.private_files
    assert "tls-keys.txt" not in made.private_files
