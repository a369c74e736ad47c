"""The server's own log is the oracle: every byte served over real TLS is in the archive or named in the ledger.

One page that does everything, over HTTP/1.1, HTTP/2 and HTTP/3, in standard and forensic mode. What each capture kept
becomes the table of docs/fidelity.md, a row for each row of the study of channels; the test compares it with the page.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.request import Mode
from tests.support.oracle.broken import ANSWERS, serving_broken
from tests.support.oracle.fidelity import DOCS, table
from tests.support.oracle.oddities import DONE
from tests.support.oracle.told import Told, done, lines_of, lost, record, response_of, state_of, take
from tests.support.preserved import trusted_context
from tests.support.replay import replaying

if TYPE_CHECKING:
    from pathlib import Path

# What its module makes is made once: one worker runs it whole.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("oracle")]

PAGE = DOCS / "fidelity.md"
KINDS = ("h1", "h2", "h3")
MODES = (Mode.STANDARD, Mode.FORENSIC)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Mode], Told]:
    return {
        (kind, mode): take(kind, mode, tmp_path_factory.mktemp(f"{kind}-{mode.value}"))
        for kind in KINDS
        for mode in MODES
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_served_is_lost(kind: str, mode: Mode, told: dict[tuple[str, Mode], Told]) -> None:
    found = told[kind, mode]
    assert list(lost(found)) == []
    # The other way round: nothing is claimed to have travelled that was not served.
    travelled = [each for each in found.records if not (each.line["from_cache"] and response_of(each)["status"] != 304)]
    assert len(travelled) == len(found.served)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_does_what_it_does_unrecorded(kind: str, mode: Mode, told: dict[tuple[str, Mode], Told]) -> None:
    assert told[kind, mode].state == done(told[kind, mode])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_odd_is_lost(kind: str, mode: Mode, tmp_path: Path) -> None:
    """Codings that lie, fields in GBK, redirects that never end, reports, pings: what sites do seldom, all at once."""
    found = take(kind, mode, tmp_path, "/odd/")
    assert found.state == DONE
    assert [line for line in lost(found) if "/odd/no-gzip" not in line] == []
    # What cannot be decoded is no text that the page could have had; it is named, and kept as it came in forensic mode.
    (broken,) = [each for each in found.records if str(each.line["url"]).endswith("/odd/no-gzip")]
    assert broken.line["outcome"] == "partial"
    assert broken.line["reason"] == "net::ERR_CONTENT_DECODING_FAILED"
    # What a policy of the page forbade got no answer.
    answered = [each for each in found.records if each.line["response"] is not None]
    travelled = [each for each in answered if not (each.line["from_cache"] and response_of(each)["status"] != 304)]
    assert len(travelled) == len(found.served)
    assert found.network["missing_events"] == []
    assert found.network["unmatched"] == []


def test_every_broken_answer_has_its_line_and_its_reason(tmp_path: Path) -> None:
    trusted_context(tmp_path)
    with serving_broken(tmp_path / "server.pem") as (port, asked):
        record(f"https://shop.test:{port}/", Mode.STANDARD, tmp_path)
    bundle = tmp_path / "staging/bundle"
    assert state_of(bundle) == "all asked"
    lines = {str(line["url"]).rpartition("/")[2]: line for line in lines_of(bundle)}
    assert {path[1:] for path in asked} <= set(lines)
    for name, (_, outcome, reason) in ANSWERS.items():
        assert (name, lines[name]["outcome"], lines[name]["reason"]) == (name, outcome, reason)


@pytest.mark.parametrize("kind", KINDS)
def test_the_two_accounts_agree(kind: str, told: dict[tuple[str, Mode], Told]) -> None:
    for mode in MODES:
        network = told[kind, mode].network
        assert network["unmatched"] == []
        assert network["only_here"] == []
        assert network["missing_events"] == []
        assert network["complete"]


@pytest.mark.parametrize("mode", MODES)
def test_replay_shows_what_was_coded_in_every_way(
    mode: Mode, told: dict[tuple[str, Mode], Told], replayer: Path, tmp_path: Path
) -> None:
    found = told["h2", mode]
    address = str(found.records[0].line["url"])
    with replaying((found.folder / "capture/page.wacz").read_bytes(), address, replayer, tmp_path) as find:
        frame = find("明前龙井")  # the page itself is coded with br
        assert frame is not None
        frame.wait_for_function("window.ran_br && window.ran_zstd", timeout=30_000)
        # Its style sheet is coded with gzip; its pictures are not coded.
        assert frame.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(34, 102, 51)"
        frame.wait_for_function("[...document.images].every((image) => image.naturalWidth > 0)", timeout=30_000)


def test_the_table_is_what_the_captures_kept(told: dict[tuple[str, Mode], Told]) -> None:
    found = table([told[kind, mode] for kind in KINDS for mode in MODES])
    if os.environ.get("EVIDENCEKIT_WRITE_FIDELITY"):
        PAGE.write_text(found, encoding="utf-8")
    assert "NO" not in re.findall(r"\bNO\b", found)
    assert PAGE.read_text(encoding="utf-8") == found
