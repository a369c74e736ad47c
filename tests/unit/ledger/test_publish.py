"""Publishing a log as files, judged by golang.org/x/mod/sumdb; rollback and forks against what is published."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evidencekit.errors import LedgerCorruptError, LedgerRollbackError, StorageError
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.cosignature import MlDsaSigner, format_mldsa_vkey
from evidencekit.ledger.durable import replace_file, write_new
from evidencekit.ledger.log import Ledger
from evidencekit.ledger.publishers.directory import collect_partials, publish_directory
from evidencekit.ledger.tiles import parse_tile_path, tiles_between
from evidencekit.signing.note import format_vkey, open_note, sign_note, split_note
from evidencekit.signing.notesigner import CosignatureSigner, Ed25519NoteSigner, format_skey

SEED = bytes(range(32))
KEY = Ed25519NoteSigner("example.com/log", SEED)
VKEY = format_vkey(KEY.verifier)
NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
JUDGE = Path(__file__).parents[2] / "judges" / "go"
TESSERA = JUDGE.with_name("tessera")


def build_go(module: Path, package: str, binary: Path) -> Path:
    if shutil.which("go") is None:
        pytest.skip("Go is not installed, so Go's ledger tools cannot judge")
    build = subprocess.run(
        ["go", "build", "-o", binary, package], cwd=module, capture_output=True, text=True, check=False
    )
    if build.returncode and ("dial tcp" in build.stderr or "proxyconnect" in build.stderr):
        pytest.skip(f"the modules of {module.name} cannot be downloaded")
    if build.returncode and ("go.mod requires go" in build.stderr or "errors parsing go.mod" in build.stderr):
        pytest.skip("Go is too old and cannot fetch a newer one, so Go's ledger tools cannot judge")
    assert build.returncode == 0, build.stderr
    return binary


@pytest.fixture(scope="session")
def go_judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_go(JUDGE, ".", tmp_path_factory.mktemp("judge") / "judge")


def judged(judge: Path, *arguments: str | Path) -> str:
    run = subprocess.run([judge, *arguments], capture_output=True, text=True, check=False)
    return run.stdout.strip() if run.returncode == 0 else f"refused: {run.stderr.strip()}"


def open_ledger(path: Path) -> Ledger:
    return Ledger.open(path, KEY, create=True, clock=lambda: NOW)


def files_of(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_go_confirms_our_proofs(tmp_path: Path, go_judge: Path) -> None:
    with open_ledger(tmp_path / "l") as ledger:
        ledger.append_many([b"entry %d" % i for i in range(700)])
        for index in (0, 255, 256, 511, 512, 699):
            (tmp_path / "entry").write_bytes(ledger.entry(index))
            (tmp_path / "proof").write_bytes(ledger.prove(index))
            assert judged(go_judge, "proof", VKEY, tmp_path / "entry", tmp_path / "proof") == "ok"
            (tmp_path / "entry").write_bytes(b"another")
            assert "refused" in judged(go_judge, "proof", VKEY, tmp_path / "entry", tmp_path / "proof")


def test_go_confirms_our_published_log(tmp_path: Path, go_judge: Path) -> None:
    directory = tmp_path / "log"
    with open_ledger(tmp_path / "l") as ledger:
        for count in (0, 1, 5, 250, 256, 44, 700):
            ledger.append_many([os.urandom(50) for _ in range(count)])
            publish_directory(ledger, directory)
            assert judged(go_judge, "log", VKEY, directory) == "ok", ledger.size
    assert collect_partials(directory, 1256) > 0
    assert judged(go_judge, "log", VKEY, directory) == "ok"
    (directory / "tile/0/001").chmod(0o644)
    (directory / "tile/0/001").write_bytes(bytes(8192))
    assert "refused" in judged(go_judge, "log", VKEY, directory)


def test_go_and_we_sign_alike(go_judge: Path) -> None:
    text = "line one\n\nline two — 公证\n"
    signed = subprocess.run([go_judge, "sign", format_skey(KEY.name, SEED), text], capture_output=True, check=True)
    assert signed.stdout == sign_note(text.encode(), KEY)
    assert open_note(signed.stdout, [KEY.verifier]).is_verified


def test_go_confirms_our_cosignatures(tmp_path: Path, go_judge: Path) -> None:
    witness = CosignatureSigner("witness.example", b"w" * 32)
    pq = MlDsaSigner("pq.example", b"p" * 32)
    keys = [VKEY, format_vkey(witness.verifier), format_mldsa_vkey(pq.verifier)]
    with open_ledger(tmp_path / "l") as ledger:
        ledger.append_many([b"a", b"b"])
        text = split_note(ledger.checkpoint())[0]
    data = sign_note(text, KEY, witness, pq)
    (tmp_path / "note").write_bytes(data)
    assert judged(go_judge, "cosigned", tmp_path / "note", *keys) == "ok"
    for line in data.split(b"\n")[4:7]:
        (tmp_path / "note").write_bytes(data.replace(line + b"\n", b""))
        assert "refused" in judged(go_judge, "cosigned", tmp_path / "note", *keys)
    (tmp_path / "note").write_bytes(data.replace(b"\n2\n", b"\n3\n"))
    assert "refused" in judged(go_judge, "cosigned", tmp_path / "note", *keys)


@pytest.mark.slow
def test_tesseras_fsck_accepts_our_published_log(tmp_path: Path) -> None:
    binary = build_go(TESSERA, "github.com/transparency-dev/tessera/cmd/fsck", tmp_path / "fsck")
    directory = tmp_path / "log"
    with open_ledger(tmp_path / "l") as ledger:
        for count in (5, 300, 70_000):
            ledger.append_many([os.urandom(20) for _ in range(count)])
            publish_directory(ledger, directory)
    (tmp_path / "vkey").write_text(VKEY)
    command = [str(binary), f"--storage_url=file://{directory}/", f"--public_key={tmp_path / 'vkey'}", "--ui=false"]
    # Only the sound log: on a damaged one this fsck may never end. What it must refuse, sumdb refuses above.
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    assert "Successfully fsck'd log with size 70305" in run.stderr


def test_a_directory_holds_exactly_the_tiles_of_its_checkpoints(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    expected: set[str] = {"checkpoint"}
    size = 0
    with open_ledger(tmp_path / "l") as ledger:
        for count in (3, 253, 300):
            ledger.append_many([os.urandom(9) for _ in range(count)])
            tiles = {tile.path for tile in tiles_between(size, size + count)}
            assert publish_directory(ledger, directory).written == len(tiles)
            size += count
            expected |= tiles | {f"checkpoints/{size}"}
            assert publish_directory(ledger, directory).written == 0
        assert (directory / "checkpoint").read_bytes() == ledger.checkpoint()
    assert set(files_of(directory)) == expected
    assert stat.S_IMODE((directory / "tile/0/000").stat().st_mode) == 0o444
    before = files_of(directory)
    deleted = collect_partials(directory, size)
    after = files_of(directory)
    gone = before.keys() - after.keys()
    assert deleted == len(gone) == 2
    assert all(parse_tile_path(path).width < 256 and parse_tile_path(path).index == 0 for path in gone)
    assert collect_partials(directory, size) == 0


def test_a_publication_cut_off_anywhere_is_made_good(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "l") as ledger:
        ledger.append_many([b"%d" % i for i in range(300)])
        publish_directory(ledger, tmp_path / "whole")
        ledger.append_many([b"%d" % i for i in range(300, 900)])
        shutil.copytree(tmp_path / "whole", tmp_path / "cut")
        publish_directory(ledger, tmp_path / "whole")
        whole = files_of(tmp_path / "whole")
        missing = sorted(whole.keys() - files_of(tmp_path / "cut").keys())
        for path in missing[::2]:
            (tmp_path / "cut" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cut" / path).write_bytes(whole[path])
        publish_directory(ledger, tmp_path / "cut")
        assert files_of(tmp_path / "cut") == whole


def test_a_restored_old_backup_is_not_published(tmp_path: Path) -> None:
    path, directory = tmp_path / "l", tmp_path / "log"
    with open_ledger(path) as ledger:
        ledger.append_many([b"a", b"b"])
    shutil.copy(path, tmp_path / "backup")
    with open_ledger(path) as ledger:
        ledger.append(b"c")
        publish_directory(ledger, directory)
    before = files_of(directory)
    with open_ledger(tmp_path / "backup") as ledger:
        with pytest.raises(LedgerRollbackError, match="restored from an old copy"):
            publish_directory(ledger, directory)
        ledger.append(b"other")
        with pytest.raises(LedgerRollbackError, match="two histories"):
            publish_directory(ledger, directory)
        ledger.append(b"more")
        with pytest.raises(LedgerRollbackError, match="two histories"):
            publish_directory(ledger, directory)
    assert files_of(directory) == before


def test_a_foreign_or_changed_publication_is_not_touched(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    with open_ledger(tmp_path / "l") as ledger:
        ledger.append_many([b"%d" % i for i in range(3)])
        publish_directory(ledger, directory)
        other = Ed25519NoteSigner(KEY.name, bytes(32))
        with Ledger.open(tmp_path / "other", other, create=True) as stranger:
            stranger.append(b"x")
            with pytest.raises(LedgerCorruptError, match="not of this ledger"):
                publish_directory(stranger, directory)
        ledger.append(b"3")
        (directory / "tile/0/000.p").mkdir(exist_ok=True)
        (directory / "tile/0/000.p/4").write_bytes(b"something else")
        with pytest.raises(LedgerCorruptError, match="other bytes"):
            publish_directory(ledger, directory)
        assert open_checkpoint((directory / "checkpoint").read_bytes(), []).checkpoint.size == 3


def test_durable_files(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    assert write_new(path, b"one")
    assert not write_new(path, b"one")
    with pytest.raises(LedgerCorruptError):
        write_new(path, b"two")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]
    with pytest.raises(StorageError):
        write_new(path / "below", b"")
    with pytest.raises(StorageError):
        replace_file(path / "below", b"")
