"""Size: two threads change no verdict, memory stays flat, and ZIP64 holds past 4 GiB."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest

from evidencekit.bundle.reader import open_bundle
from evidencekit.bundle.warc import read_blocks
from evidencekit.bundle.writer import write_zip
from evidencekit.errors import StorageError
from evidencekit.hashing.digest import MultiHasher, digest_bytes, known_sm3
from evidencekit.model import Outcome
from evidencekit.verify import spool
from evidencekit.verify.spool import Spool
from evidencekit.verify.verifier import verify_bundle
from evidencekit.verify.wacz import Wacz
from tests.support.assembly import AT
from tests.support.large import LARGE, MIB, write_archive_bundle, write_deposit_bundle

if TYPE_CHECKING:
    from evidencekit.verify.trust import Trust

SIZE = 40 * MIB
LIMIT_MIB = 150
_PEAK = """
import sys
from pathlib import Path
{}
print(next(l.split()[1] for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM")))
"""


def peak_mib(script: str, *arguments: str) -> float:
    """Run a script in a process of its own; give its peak memory."""
    said = subprocess.run(
        [sys.executable, "-c", _PEAK.format(script), *arguments], capture_output=True, encoding="utf-8", check=True
    )
    return int(said.stdout.split()[-1]) / 1024


def outcomes(path: Path, trust: Trust) -> dict[str, Outcome]:
    return {finding.id: finding.outcome for finding in verify_bundle(path, trust=trust, at=AT).findings}


@pytest.mark.slow
def test_a_large_archive_passes_in_flat_memory_and_a_changed_byte_does_not(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    trust = write_archive_bundle(path, SIZE).trust
    assert spool.MEMORY_BYTES < SIZE
    found = outcomes(path, trust)
    assert [name for name, outcome in found.items() if outcome is not Outcome.PASSED] == [
        "seal.revocation",
        "status.current",
    ]
    verify = "from evidencekit.verify.verifier import verify_bundle\nverify_bundle(Path(sys.argv[1]))"
    assert peak_mib(verify, str(path)) < LIMIT_MIB
    with path.open("r+b") as file, zipfile.ZipFile(path) as archive:
        place = archive.getinfo("capture/page.wacz").header_offset + SIZE // 2
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))
    changed = outcomes(path, trust)
    # The ZIP's CRC already refuses the member, so what reads it says that it is broken.
    for name in (
        "container.form",
        "sums.sha256",
        "sums.sm3",
        "outer.manifest",
        "manifest.artifacts",
        "archive.records",
    ):
        assert changed[name] is Outcome.FAILED, name


def test_who_made_the_bundle_hashes_only_what_is_new_and_sees_every_change(tmp_path: Path) -> None:
    path = tmp_path / "made.zip"
    trust = write_archive_bundle(path, spool.MEMORY_BYTES + MIB).trust
    with zipfile.ZipFile(path) as archive:
        made = [digest_bytes(archive.read(name)) for name in archive.namelist()]
        with Wacz(io.BytesIO(archive.read("capture/page.wacz"))).open("archive/data.warc.gz") as stream:
            made += [block.digests for block in read_blocks(cast("BinaryIO", stream))]
        place = archive.getinfo("capture/page.wacz").header_offset + 9 * MIB
    known = known_sm3(made)
    whole = verify_bundle(path, trust=trust, at=AT)
    assert verify_bundle(path, trust=trust, at=AT, known=known) == whole
    assert verify_bundle(path, trust=trust, at=AT, known={"0" * 64: "0" * 64}) == whole
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))
    changed = verify_bundle(path, trust=trust, at=AT, known=known)
    failed = {finding.id for finding in changed.findings if finding.outcome is Outcome.FAILED}
    assert failed >= {"sums.sha256", "sums.sm3", "outer.manifest", "manifest.artifacts", "archive.records"}


@pytest.mark.slow
def test_a_large_stored_member_passes(tmp_path: Path) -> None:
    large, path = tmp_path / "large.bin", tmp_path / "deposit.zip"
    large.write_bytes(hashlib.shake_256(b"large").digest(SIZE))
    found = outcomes(path, write_deposit_bundle(path, large).trust)
    assert {name for name, outcome in found.items() if outcome is Outcome.FAILED} == set()
    assert found["sums.sm3"] is found["outer.manifest"] is Outcome.PASSED
    with open_bundle(path) as bundle:
        assert bundle.size(LARGE) == SIZE


class Sparse:
    """A file that gets holes where only zeros are written."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")

    def write(self, data: bytes) -> int:
        if data.count(0) == len(data):
            self.file.seek(len(data), os.SEEK_CUR)
        else:
            self.file.write(data)
        return len(data)


_WRITE = """
sys.path.insert(0, sys.argv[2])
from tests.unit.verify.test_large import write_beyond_4_gib
write_beyond_4_gib(Path(sys.argv[1]))
"""


def write_beyond_4_gib(folder: Path) -> None:
    """Write a ZIP with a sparse member of over 4 GiB, and one that lies behind it."""
    large = folder / "large.bin"
    with large.open("wb") as file:
        file.truncate((4 << 30) + 5)
    members: dict[str, Path | bytes] = {"a.bin": large, "b.txt": b"behind"}
    sparse = Sparse(folder / "large.zip")
    write_zip(members, sparse)  # type: ignore[arg-type]  # all that is asked of it is `write`
    sparse.file.close()


@pytest.mark.slow
def test_members_beyond_4_gib_are_written_and_read_in_flat_memory(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    assert peak_mib(_WRITE, str(tmp_path), root) < LIMIT_MIB
    path = tmp_path / "large.zip"
    with open_bundle(path) as bundle:
        assert bundle.form_deviations == ()
        assert bundle.size("a.bin") == (4 << 30) + 5
        assert bundle.read("b.txt", limit=10) == b"behind"
    with zipfile.ZipFile(path) as archive:
        assert [(info.filename, info.file_size) for info in archive.infolist()] == [
            ("a.bin", (4 << 30) + 5),
            ("b.txt", 6),
        ]
        assert archive.read("b.txt") == b"behind"


def test_shared_hashing_gives_the_same_digests() -> None:
    from concurrent.futures import ThreadPoolExecutor

    data = hashlib.shake_256(b"x").digest(3 * MIB)
    pieces = [data[:10], data[10:MIB], data[MIB : MIB + 3], data[MIB + 3 :]]
    with ThreadPoolExecutor(1) as pool:
        hasher = MultiHasher(pool)
        for piece in pieces:
            hasher.update(piece)
        assert hasher.digests() == digest_bytes(data)


def test_a_full_temporary_folder_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(StorageError, match="TMPDIR"):
        Spool(SIZE)
