"""A person at a headed browser: from the search to the order, filmed, logged, sealed; and what a kill leaves."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from evidencekit.hashing.process import Deed, Marker, parse_process
from tests.support.market import COLOURS, PASSWORD, SESSION, USER, open_market
from tests.support.person import Person, sitting_at_a_screen
from tests.support.program import Program, processes_naming, read_ledger
from tests.support.realpages import ENDED, GO, PLAYING, RealSite, open_real_site
from tests.support.tools import browser

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from subprocess import Popen

    from evidencekit.model import JsonValue

ALONE = ("--allow-private", "--mode", "fast", "--tsa", "none", "--no-third-party")
OWNER = "湖畔公司 李明"
LOUDNESS = re.compile(r"max_volume: (-?[0-9.]+) dB")
SILENCE_DB = -50.0
LIVE_S = float(os.environ.get("EVIDENCEKIT_LIVE_S", "8"))
"""How long a live stream runs before it is cut, in seconds."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="drives an X display"),
]


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    browser()


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    with sitting_at_a_screen(tmp_path) as somebody:
        yield somebody


@pytest.fixture
def market() -> Iterator[str]:
    with open_market() as url:
        yield url


class Recorder:
    """The running command: keys in, sentences out."""

    def __init__(self, process: Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []

    def key(self, text: str, answer: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        self.until(answer)

    def until(self, word: str) -> None:
        assert self.process.stderr is not None
        while True:
            line = self.process.stderr.readline()
            assert line, f"it ended before it said {word!r}: {self.said}"
            self.said.append(line)
            if word in line:
                return


@contextmanager
def recording(program: Program, url: str, *more: str) -> Iterator[Recorder]:
    command = (sys.executable, "-m", "evidencekit_cli", "record", url, *ALONE, "--account-owner", OWNER, *more)
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=program._environment(),
        start_new_session=True,
    ) as process:
        try:
            yield Recorder(process)
        finally:
            process.kill()


def buy(somebody: Person, recorder: Recorder) -> None:
    """Sign in, pass the slider, search, look, order, pay, fetch the invoice: as a person does."""
    somebody.write(COLOURS["user"], USER)
    somebody.write(COLOURS["password"], PASSWORD)
    somebody.click(COLOURS["go"])
    somebody.drag(COLOURS["knob"], 370)
    somebody.see(COLOURS["q"])
    recorder.key("l", "signed in")
    recorder.key("c", "solved a challenge")
    somebody.write(COLOURS["q"], "longjing")
    somebody.press("Return")
    somebody.see(COLOURS["item"])
    recorder.key("1", "shot 1 listing")
    somebody.click(COLOURS["item"])
    somebody.see(COLOURS["buy"])
    recorder.key("2", "shot 2 price")
    somebody.click(COLOURS["play"])
    somebody.click(COLOURS["seller"])
    time.sleep(2)
    recorder.key("4", "shot 3 seller")
    recorder.key("n 卖家自称“厂家直销” sold by the maker", "note kept 1")
    somebody.press("ctrl+w")
    somebody.click(COLOURS["buy"])
    time.sleep(2)
    somebody.press("Return")
    somebody.see(COLOURS["pay"])
    recorder.key("5", "shot 4 order")
    somebody.click(COLOURS["pay"])
    somebody.click(COLOURS["invoice"])
    recorder.key("6", "shot 5 payment")
    somebody.click(COLOURS["parcel"])
    time.sleep(2)
    recorder.key("7", "shot 6 logistics")


def logged(data: bytes) -> list[tuple[str, dict[str, JsonValue]]]:
    lines = [json.loads(line) for line in data.splitlines()[1:]]
    return [(line["step"], {"object": line["object"], **line["detail"]}) for line in lines]


def loudest_db(film: Path) -> float:
    heard = subprocess.run(
        ["ffmpeg", "-hide_banner", "-nostdin", "-i", str(film), "-vn", "-af", "volumedetect", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = LOUDNESS.search(heard.stderr)
    assert found is not None, heard.stderr
    return float(found[1])


def seconds_of(film: Path) -> float:
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(film)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(shown.stdout)


def test_from_the_search_to_the_order(tmp_path: Path, person: Person, market: str) -> None:
    program = Program(home=tmp_path / "home", variables=person.variables)
    bundle, folder = tmp_path / "order.zip", tmp_path / "unpacked"
    with recording(program, market, "--rights", "trademark", "--segment", "5", "-o", str(bundle)) as recorder:
        recorder.until("recording;")
        buy(person, recorder)
        recorder.key("q", "ended; sealing")
        out, err = recorder.process.communicate(timeout=180)
        assert recorder.process.returncode in {0, 3}, err
    assert "Sealed:" in out
    report = json.loads(program.run("verify", str(bundle), "--json").out)
    assert [each["id"] for each in report["findings"] if each["outcome"] == "FAILED"] == []
    report = json.loads(program.run("verify", str(bundle), "--trust", "self", "--json").out)
    assert {each["id"]: each["outcome"] for each in report["findings"]}["time.film"] == "PASSED"

    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
        members = {name: archive.read(name) for name in archive.namelist()}
    check_process(members)
    check_log(members)
    check_film(folder)
    shown = program.run("inspect", str(bundle))
    assert "sales: sales, views or ratings" in shown.out


def check_process(members: Mapping[str, bytes]) -> None:
    """The shots stand in their tabs, each a page with a T_capture of its own and a picture of the whole screen."""
    process = parse_process(members["capture/process.json"])
    kinds = [Marker.LISTING, Marker.PRICE, Marker.SELLER, Marker.ORDER, Marker.PAYMENT, Marker.LOGISTICS, None]
    assert [shot.marker for shot in process.shots] == kinds
    assert [shot.tab for shot in process.shots] == [1, 2, 3, 2, 2, 2, 2]
    assert [each.deed for each in process.deeds] == [Deed.LOGIN, Deed.CHALLENGE]
    assert (process.account_owner, process.ended_by, process.notes) == (OWNER, "operator", 1)
    manifest = json.loads(members["manifest.json"])
    pages = {page["id"]: page for page in manifest["pages"]}
    ends = [pages[shot.page]["requested_url"].rpartition("/")[2] for shot in process.shots[1:]]
    assert ends == ["7", "seller", "1", "paid", "parcel", "parcel"]
    assert len(manifest["t_capture"]) == len(pages) == 8
    assert all(f"capture/pages/{shot.page}/window.png" in members for shot in process.shots)
    done = [each["kind"] for each in manifest["transformations"]]
    assert [kind for kind in done if kind.startswith("Input.") or kind == "Page.handleJavaScriptDialog"] == []


def check_log(members: Mapping[str, bytes]) -> None:
    """What happened is in the log, the operator's words and the secrets are not."""
    log = members["capture/worklog.jsonl"]
    steps = logged(log)
    names = [step for step, _ in steps]
    assert names.count("process.tab_opened") == 3
    assert names.count("process.tab_closed") == 1
    assert ("process.dialog_closed", True) in [(step, detail.get("accepted")) for step, detail in steps]
    assert "process.download_completed" in names
    reasons = {detail["reason"] for step, detail in steps if step == "process.navigation_asked"}
    assert {"formSubmissionPost", "anchorClick"} <= reasons
    assert "厂家直销" not in log.decode()
    assert "厂家直销" in members["capture/notes.jsonl"].decode()
    for secret in (PASSWORD, SESSION):
        assert [name for name, data in members.items() if secret.encode() in data] == []


def check_film(folder: Path) -> None:
    """The film plays, is heard, and was hashed and stamped while it grew."""
    film = folder / "capture" / "session.mp4"
    assert seconds_of(film) > 10
    assert loudest_db(film) > SILENCE_DB
    process = parse_process((folder / "capture" / "process.json").read_bytes())
    assert process.video is not None
    assert process.video.sound
    assert len(process.video.segments) >= 3
    data = film.read_bytes()
    for segment in process.video.segments:
        assert hashlib.sha256(data[: segment.size]).hexdigest() == segment.sha256
        document = folder / segment.document
        assert json.loads(document.read_bytes())["sha256"] == segment.sha256
        names = ("-data", segment.document, "-in", segment.tokens[0], "-CAfile", "trust/tsa.pem")
        subprocess.run(["openssl", "ts", "-verify", *names], check=True, capture_output=True, cwd=folder)
    assert process.video.segments[-1].size == len(data)


def test_a_killed_recording_keeps_what_was_logged_and_all_but_a_segment_of_its_film(
    tmp_path: Path, person: Person, market: str
) -> None:
    program = Program(home=tmp_path / "home", variables=person.variables)
    with recording(program, market, "--segment", "2") as recorder:
        recorder.until("recording;")
        person.write(COLOURS["user"], USER)
        recorder.key("s", "shot 1")
        recorder.key("n kept", "note kept")
        time.sleep(7)
        os.kill(recorder.process.pid, 9)
        recorder.process.wait()
    deadline = time.monotonic() + 20
    while processes_naming(program.home) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_naming(program.home) == [], "display, sound or camera outlive the recorder"

    listed = program.run("list")
    assert listed.status == 0
    assert re.search(r"\d+ lines of its work log, 1 shots, 1 notes, .* of film", listed.err), listed.err
    assert read_ledger(program.home).unclosed == []
    (kept,) = (program.home / "interrupted").iterdir()
    steps = logged((kept / "worklog.jsonl").read_bytes())
    assert {"process.shot", "process.note", "process.tab_opened"} <= {step for step, _ in steps}
    film = kept / "capture" / "bundle" / "capture" / "session.mp4"
    data = film.read_bytes()
    segments = [detail for step, detail in steps if step == "process.film"]
    assert len(segments) >= 3
    for segment in segments:
        size = segment["size"]
        assert isinstance(size, int)
        assert hashlib.sha256(data[:size]).hexdigest() == segment["sha256"]
    last = json.loads((kept / "worklog.jsonl").read_bytes().splitlines()[-1])
    assert last["step"].startswith("process."), last
    assert seconds_of(film) > 5
    tokens = list((kept / "capture" / "bundle" / "capture" / "film").glob("*.tsr"))
    assert len(tokens) >= len(segments) - 1


def test_a_live_stream_cut_by_a_kill_is_recovered_heard_and_sealed_as_partial(tmp_path: Path, person: Person) -> None:
    """Time is compressed: the stream would last an hour, its stamps are two seconds apart."""
    program, bundle, folder = Program(home=tmp_path / "home", variables=person.variables), tmp_path / "l.zip", tmp_path
    times = ("--segment", "2", "--duration", "3600")
    with open_real_site(RealSite(live_s=3600)) as url, recording(program, f"{url}/live", *times) as recorder:
        recorder.until("recording;")
        person.click(GO)
        person.see(PLAYING)
        time.sleep(LIVE_S)
        recorder.key("s", "shot 1")
        os.kill(recorder.process.pid, 9)
        recorder.process.wait()
    assert "as PARTIAL" in program.run("list").err
    (kept,) = (program.home / "interrupted").iterdir()
    done = program.run("deposit", str(kept), "-o", str(bundle), "--tsa", "none", "--no-third-party", "--json")
    assert done.status == 3, done.err
    (partial,) = [each["en"] for each in json.loads(done.out)["partial"]]
    counted = re.search(r"after 1 shots; .* (\d+) of the (\d+) digests of the film in its work log match", partial)
    assert counted is not None, partial
    assert counted[1] == counted[2]
    assert int(counted[2]) >= 3
    report = json.loads(program.run("verify", str(bundle), "--json").out)
    assert [each["id"] for each in report["findings"] if each["outcome"] == "FAILED"] == []
    with zipfile.ZipFile(bundle) as archive:
        items = [json.loads(line) for line in archive.read("deposit/items.jsonl").splitlines()[1:]]
        (film,) = [item["path"] for item in items if item["name"] == "session.mp4"]
        archive.extract(film, folder)
    assert seconds_of(folder / film) > LIVE_S - 2
    assert loudest_db(folder / film) > SILENCE_DB


def test_a_stream_that_ends_and_a_time_that_runs_out(tmp_path: Path, person: Person) -> None:
    """The recording goes on after the stream, ends by `--duration`, and a film without sound is called silent."""
    program, bundle = Program(home=tmp_path / "home", variables=person.variables), tmp_path / "end.zip"
    times = ("--duration", "5", "-o", str(bundle))
    with open_real_site(RealSite(live_s=3)) as url, recording(program, f"{url}/live", *times) as recorder:
        recorder.until("recording;")
        out, err = recorder.process.communicate(timeout=120)
    assert "Sealed:" in out, err
    with zipfile.ZipFile(bundle) as archive:
        process = parse_process(archive.read("capture/process.json"))
        manifest = json.loads(archive.read("manifest.json"))
    assert process.ended_by == "timeout"
    assert [each["en"] for each in manifest["not_performed"] if "sound track of the film is silent" in each["en"]]


def test_a_stream_of_segments_that_ends_by_itself_is_kept_as_received_and_plays(tmp_path: Path, person: Person) -> None:
    """Its film's parts are hashed and stamped as they close; its own segments stand in the archive, and play as one."""
    program, bundle, folder = Program(home=tmp_path / "home", variables=person.variables), tmp_path / "s.zip", tmp_path
    site = RealSite(live_s=6)
    site.segments = tmp_path / "segments"
    site.segments.mkdir()
    with (
        open_real_site(site) as url,
        recording(program, f"{url}/series", "--segment", "2", "-o", str(bundle)) as recorder,
    ):
        recorder.until("recording;")
        person.click(GO)
        person.see(ENDED)
        recorder.key("q", "ended; sealing")
        out, err = recorder.process.communicate(timeout=180)
    assert "Sealed:" in out, err
    assert site.broadcast is not None
    assert site.broadcast.wait(timeout=30) == 0
    report = json.loads(program.run("verify", str(bundle), "--trust", "self", "--json").out)
    found = {each["id"]: each["outcome"] for each in report["findings"]}
    assert "FAILED" not in found.values()
    assert found["time.film"] == "PASSED"
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder / "unpacked")
    check_film(folder / "unpacked")
    check_stream(folder / "unpacked", site.segments)


def check_stream(folder: Path, segments: Path) -> None:
    """Every segment is in the record as the server sent it; the file that plays is called derived from it."""
    lines = [json.loads(line) for line in (folder / "capture/exchanges.jsonl").read_bytes().splitlines()[1:]]
    received = {line["id"]: line["response"]["sha256"] for line in lines if line["outcome"] == "recorded"}
    sent = [segments / "init.mp4", *sorted(segments.glob("*.m4s"), key=lambda each: int(each.stem[4:]))]
    (stream,) = json.loads((folder / "capture/media.json").read_bytes())["streams"]
    assert (stream["kind"], stream["missing"]) == ("hls", 0)
    assert [received[each] for each in stream["exchanges"]] == [
        hashlib.sha256(each.read_bytes()).hexdigest() for each in sent
    ]
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (artifact,) = [each for each in manifest["artifacts"] if each["role"] == "media.playable"]
    assert (artifact["path"], artifact["derived_from"]) == (stream["path"], ["capture/page.wacz"])
    assert abs(seconds_of(folder / stream["path"]) - 6) < 1
    assert loudest_db(folder / stream["path"]) > SILENCE_DB
