"""Watching logs: growth, forks, set-back logs, the head mirror, and whole audits of what is published."""

from __future__ import annotations

import functools
import os
import shutil
import threading
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import FormatError, LedgerCorruptError, LedgerError, LedgerRollbackError
from evidencekit.ledger.log import Ledger, LedgerOptions
from evidencekit.ledger.monitor import Sighting, audit, follow, observe
from evidencekit.ledger.publishers.directory import collect_partials, publish_directory
from evidencekit.ledger.source import directory_source, http_source
from evidencekit.signing.note import parse_vkey
from evidencekit.signing.notesigner import Ed25519NoteSigner

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
TESSERA = Path(__file__).parents[3].parent / "shared" / "vectors" / "ledger" / "tessera"
TESSERA_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    directory = tmp_path / "served"
    directory.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield directory, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def grow(path: Path, directory: Path, *entries: bytes) -> None:
    with Ledger.open(path, KEY, create=True, clock=lambda: NOW) as ledger:
        ledger.append_many(entries)
        publish_directory(ledger, directory)


def test_a_log_is_followed_over_http(tmp_path: Path, served: tuple[Path, str]) -> None:
    directory, url = served
    state, ledger = tmp_path / "state", tmp_path / "ledger"
    fetch = http_source(url)
    with pytest.raises(LedgerError, match="no checkpoint"):
        follow(fetch, [KEY.verifier], state)
    grow(ledger, directory, b"a", b"b")
    assert follow(fetch, [KEY.verifier], state).sighting is Sighting.FIRST
    assert follow(fetch, [KEY.verifier], state).sighting is Sighting.SAME
    for count in (1, 253, 1, 300, 700):
        grow(ledger, directory, *(os.urandom(10) for _ in range(count)))
        observation = follow(fetch, [KEY.verifier], state)
        assert observation.sighting is Sighting.GROWN
        assert observation.before is not None
        assert observation.now.checkpoint.size == observation.before.checkpoint.size + count
        assert state.read_bytes() == observation.now.data
    report = audit(fetch, [KEY.verifier])
    assert report.is_sound
    assert report.size == 1257


@pytest.mark.parametrize("more", [0, 1, 300])
def test_a_split_view_is_caught_with_both_notes(tmp_path: Path, more: int) -> None:
    state = tmp_path / "state"
    grow(tmp_path / "one", tmp_path / "view1", b"a", b"b", b"c")
    follow(directory_source(tmp_path / "view1"), [KEY.verifier], state)
    kept = state.read_bytes()
    grow(tmp_path / "two", tmp_path / "view2", b"a", b"b", b"X", *(b"%d" % i for i in range(more)))
    observation = follow(directory_source(tmp_path / "view2"), [KEY.verifier], state)
    assert observation.sighting is Sighting.FORK
    assert observation.before is not None
    assert observation.before.data == kept
    assert observation.before.is_log_signed
    assert observation.now.is_log_signed
    assert state.read_bytes() == kept, "a fork does not replace what was seen"


def test_a_set_back_log_is_noticed(tmp_path: Path) -> None:
    grow(tmp_path / "ledger", tmp_path / "log", b"a")
    shutil.copytree(tmp_path / "log", tmp_path / "old")
    grow(tmp_path / "ledger", tmp_path / "log", b"b")
    before = (tmp_path / "log" / "checkpoint").read_bytes()
    assert observe(directory_source(tmp_path / "old"), [KEY.verifier], before).sighting is Sighting.OLDER


def test_unsigned_foreign_and_missing_things_are_refused(tmp_path: Path) -> None:
    grow(tmp_path / "ledger", tmp_path / "log", *(b"%d" % i for i in range(300)))
    fetch = directory_source(tmp_path / "log")
    before = (tmp_path / "log" / "checkpoint").read_bytes()
    stranger = Ed25519NoteSigner("example.com/other", bytes(32))
    with pytest.raises(LedgerCorruptError):
        observe(fetch, [stranger.verifier], None)
    with Ledger.open(tmp_path / "other", stranger, create=True) as other:
        foreign = other.checkpoint()
    with pytest.raises(LedgerCorruptError, match="state file"):
        observe(fetch, [KEY.verifier, stranger.verifier], foreign)
    grow(tmp_path / "ledger", tmp_path / "log", b"more")
    (tmp_path / "log/tile/0/000").chmod(0o644)
    (tmp_path / "log/tile/0/000").write_bytes(b"x")
    with pytest.raises(FormatError):
        audit(fetch, [KEY.verifier])
    (tmp_path / "log/tile/0/000").unlink()
    with pytest.raises(LedgerError, match="does not serve"):
        audit(fetch, [KEY.verifier])
    (tmp_path / "log/checkpoint").write_bytes(b"junk")
    with pytest.raises(FormatError):
        observe(fetch, [KEY.verifier], before)


def test_an_audit_names_what_does_not_hash(tmp_path: Path) -> None:
    grow(tmp_path / "ledger", tmp_path / "log", *(b"%d" % i for i in range(600)))
    collect_partials(tmp_path / "log", 600)
    fetch = directory_source(tmp_path / "log")
    assert audit(fetch, [KEY.verifier]).is_sound
    for path, says in (
        ("tile/entries/001", "Tile 1 of level 0"),
        ("tile/0/002.p/88", "Tile 2 of level 0"),
        ("tile/1/000.p/2", "Tile 0 of level 1"),
        ("tile/entries/002.p/88", "signed root"),
    ):
        file = tmp_path / "log" / path
        whole = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        report = audit(fetch, [KEY.verifier])
        assert not report.is_sound
        assert says in " ".join(problem.en for problem in report.problems), report.problems
        file.write_bytes(whole)
    assert audit(fetch, [KEY.verifier]).is_sound


def test_tesseras_log_is_audited_and_followed() -> None:
    if not TESSERA.exists():
        pytest.skip("shared/vectors/ledger is not beside the repository")
    fetch, key = directory_source(TESSERA), parse_vkey(TESSERA_KEY)
    report = audit(fetch, [key])
    assert report.is_sound
    assert report.size == 15
    for size in range(1, 15):
        before = (TESSERA / f"checkpoint.{size}").read_bytes()
        assert observe(fetch, [key], before).sighting is Sighting.GROWN


def mirrored(tmp_path: Path, name: str = "ledger") -> Ledger:
    options = LedgerOptions(head_mirror=tmp_path / "elsewhere" / "head")
    return Ledger.open(tmp_path / name, KEY, create=True, clock=lambda: NOW, options=options)


def test_the_head_mirror_notices_an_old_copy(tmp_path: Path) -> None:
    with mirrored(tmp_path) as ledger:
        ledger.append_many([b"a", b"b"])
        assert (tmp_path / "elsewhere" / "head").read_bytes() == ledger.checkpoint()
    shutil.copy(tmp_path / "ledger", tmp_path / "backup")
    with mirrored(tmp_path) as ledger:
        ledger.append(b"c")
    shutil.copy(tmp_path / "ledger", tmp_path / "newest")
    shutil.copy(tmp_path / "backup", tmp_path / "ledger")
    with pytest.raises(LedgerRollbackError, match="restored from an old copy"):
        mirrored(tmp_path)
    with Ledger.open(tmp_path / "ledger", KEY, clock=lambda: NOW) as unguarded:
        unguarded.append_many([b"x", b"y"])
    with pytest.raises(LedgerRollbackError, match="two histories"):
        mirrored(tmp_path)
    (tmp_path / "ledger").unlink()
    with pytest.raises(LedgerRollbackError, match="restore the ledger"):
        mirrored(tmp_path)
    assert not (tmp_path / "ledger").exists()
    shutil.copy(tmp_path / "newest", tmp_path / "ledger")
    with mirrored(tmp_path) as ledger:
        assert ledger.append(b"d").index == 3


def test_a_mirror_of_another_ledger_is_refused(tmp_path: Path) -> None:
    mirrored(tmp_path).close()
    (tmp_path / "elsewhere").mkdir(exist_ok=True)
    with Ledger.open(tmp_path / "other", Ed25519NoteSigner(KEY.name, bytes(32)), create=True) as other:
        (tmp_path / "elsewhere" / "head").write_bytes(other.checkpoint())
    with pytest.raises(LedgerCorruptError, match="another ledger"):
        mirrored(tmp_path)
