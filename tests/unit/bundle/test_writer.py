"""The bundle's ZIP: a pure function of its members, readable by everyone, published whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.bundle import publish
from evidencekit.bundle.paths import MIMETYPE, MIMETYPE_CONTENT, lawful_name
from evidencekit.bundle.publish import publish_new
from evidencekit.bundle.reader import open_bundle
from evidencekit.bundle.writer import sums, write_bundle, write_zip
from evidencekit.errors import StorageError, UsageError
from evidencekit.hashing.digest import digest_bytes

MEMBERS: dict[str, Path | bytes] = {
    "manifest.json": b'{"a":1}' * 500,
    MIMETYPE: MIMETYPE_CONTENT,
    "seal/manifest.p7s": bytes(range(256)),
    "capture/empty.txt": b"",
    "capture/pages/0001/screenshot.png": random.Random(7).randbytes(5000),
    "META-INF/ASiCManifest001.xml": b"<x/>",
    "Z": b"z",
}
ORDER = [
    "mimetype",
    "META-INF/ASiCManifest001.xml",
    "Z",
    "capture/empty.txt",
    "capture/pages/0001/screenshot.png",
    "manifest.json",
    "seal/manifest.p7s",
]

segments = st.text(alphabet="abcXYZ019_.-", min_size=1, max_size=8).filter(lawful_name)


def zipped(members: dict[str, Path | bytes]) -> bytes:
    out = io.BytesIO()
    write_zip(members, out)
    return out.getvalue()


def test_form_is_that_of_the_spec() -> None:
    data = zipped(MEMBERS)
    # Magic of ASiC containers (EN 319 162-1 annex A.1): the media type stands at offset 38.
    assert data[30:38] == b"mimetype"
    assert data[38 : 38 + len(MIMETYPE_CONTENT)] == MIMETYPE_CONTENT
    with zipfile.ZipFile(io.BytesIO(data)) as container:
        infos = container.infolist()
        assert container.comment == b""
        assert [info.filename for info in infos] == ORDER
        assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
        assert {(info.flag_bits, info.external_attr, info.extra, info.create_system) for info in infos} == {
            (0, 0, b"", 0)
        }
        assert {info.extract_version for info in infos} == {20}
        assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
        for info in infos:
            assert container.read(info) == MEMBERS[info.filename]


def test_order_of_the_mapping_and_files_or_bytes_do_not_matter(tmp_path: Path) -> None:
    large = random.Random(1).randbytes(1 << 20) + b'{"id":"000001"}' * 200_000
    members = MEMBERS | {"capture/large.jsonl": large}
    expected = zipped(members)
    from_files: dict[str, Path | bytes] = {}
    for index, name in enumerate(reversed(members)):
        content = members[name]
        assert isinstance(content, bytes)
        path = tmp_path / str(index)
        path.write_bytes(content)
        from_files[name] = path
    assert zipped(from_files) == expected


@given(st.dictionaries(segments, st.binary(max_size=300), max_size=5))
def test_every_reader_gets_the_members_back(members: dict[str, bytes]) -> None:
    if len({name.lower() for name in members}) != len(members):
        return
    data = zipped({**members})
    with zipfile.ZipFile(io.BytesIO(data)) as container:
        assert container.testzip() is None
        assert {info.filename: container.read(info) for info in container.infolist()} == members


def test_unzip_and_coreutils_check_a_bundle(tmp_path: Path) -> None:
    if shutil.which("unzip") is None:
        pytest.skip("unzip is not installed")
    sha256sums, sm3sums = sums(MEMBERS)
    write_bundle(MEMBERS | {"SHA256SUMS": sha256sums, "SM3SUMS": sm3sums}, tmp_path / "b.zip")
    for command in (["unzip", "-tq", "b.zip"], ["unzip", "-q", "b.zip", "-d", "b"]):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=tmp_path / "b", check=True, capture_output=True)
    assert (tmp_path / "b" / "manifest.json").stat().st_mode & 0o400


def test_sums_list_what_they_must() -> None:
    sha256sums, sm3sums = sums(MEMBERS)
    listed = list(ORDER[2:])
    assert [line.split("  ")[1] for line in sha256sums.decode().splitlines()] == listed
    manifest = MEMBERS["manifest.json"]
    assert isinstance(manifest, bytes)
    assert f"SM3 (manifest.json) = {digest_bytes(manifest).sm3}\n" in sm3sums.decode()


@pytest.mark.parametrize(
    "names", [["../x"], ["a b"], ["A", "a"], ["a", "a/b"], ["A", "a/b/c"], ["x/"], ["con"], ["证据"]], ids=repr
)
def test_names_that_no_reader_takes_are_not_written(names: list[str]) -> None:
    with pytest.raises(UsageError):
        zipped(dict.fromkeys(names, b""))


def test_a_bundle_has_its_mimetype(tmp_path: Path) -> None:
    for mimetype in ({}, {MIMETYPE: b"application/zip"}):
        with pytest.raises(UsageError, match="mimetype"):
            write_bundle({"a": b"", **mimetype}, tmp_path / "b.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_bundle_is_never_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "b.zip"
    out.write_bytes(b"mine")
    dangling = tmp_path / "link.zip"
    dangling.symlink_to(tmp_path / "nowhere")
    for path in (out, dangling):
        with pytest.raises(StorageError, match="exists and is not overwritten"):
            write_bundle(MEMBERS, path)
    assert out.read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.zip", "link.zip"]


def test_a_bundle_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "b.zip"

    def write(file: BinaryIO) -> None:
        file.write(b"ours")
        out.write_bytes(b"theirs")

    with pytest.raises(StorageError, match="exists"):
        publish_new(out, write)
    assert out.read_bytes() == b"theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]


@pytest.mark.parametrize("way", ["rename", "copy"])
@pytest.mark.parametrize("taken", [False, True])
def test_file_systems_without_hard_links(tmp_path: Path, way: str, *, taken: bool) -> None:
    part, out = tmp_path / "part", tmp_path / "out"
    part.write_bytes(b"ours")
    if taken:
        out.write_bytes(b"theirs")
    act = publish._rename_new if way == "rename" else publish._copy_new
    if taken:
        with pytest.raises(FileExistsError):
            act(part, out)
        assert out.read_bytes() == b"theirs"
    else:
        if act(part, out) is False:
            pytest.skip("this system has no renameat2")
        assert out.read_bytes() == b"ours"


@pytest.mark.slow
def test_a_file_that_takes_no_more_links_is_renamed(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    full: list[OSError] = []

    def write(file: BinaryIO) -> None:
        file.write(b"ours")
        try:
            for number in range(70_000):
                os.link(file.name, tmp_path / "links" / str(number))
        except OSError as error:
            full.append(error)

    publish_new(tmp_path / "b.zip", write)
    shutil.rmtree(tmp_path / "links")
    assert (tmp_path / "b.zip").read_bytes() == b"ours"
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]
    if not full:
        pytest.skip("this file system has no limit on links that could be reached")
    assert full[0].errno == errno.EMLINK


def test_a_missing_folder_and_a_missing_member_are_storage_errors(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        write_bundle(MEMBERS, tmp_path / "missing" / "b.zip")
    for name in ("capture/a.txt", "capture/a.png"):
        with pytest.raises(StorageError, match="cannot read"):
            write_bundle(MEMBERS | {name: tmp_path / "gone"}, tmp_path / "b.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    # A file size limit makes write(2) fail as a full disk does.
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from evidencekit.bundle.writer import write_bundle\n"
        "from evidencekit.bundle.paths import MIMETYPE, MIMETYPE_CONTENT\n"
        "from evidencekit.errors import StorageError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    write_bundle({MIMETYPE: MIMETYPE_CONTENT, 'a.png': bytes(200_000)}, Path(sys.argv[1]))\n"
        "except StorageError as error:\n"
        "    print(error.en, error.zh)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "b.zip"], capture_output=True, text=True, check=True
    )
    assert "no room to write" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_bundle(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from evidencekit.bundle.publish import publish_new\n"
        "def write(file):\n"
        "    file.write(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "publish_new(Path(sys.argv[1]), write)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "b.zip"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "b.zip").exists()


def test_errors_name_the_reason() -> None:
    full = publish._refused(Path("b.zip"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    denied = publish._refused(Path("b.zip"), PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    assert "no room" in full.en
    assert "空间" in full.zh
    assert "Permission denied" in denied.en


def test_a_member_that_changes_while_it_is_packed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "shot.png"
    path.write_bytes(b"before")

    class Meddler(io.BytesIO):
        """Changes the file when the header before its data is written: between the two readings."""

        def write(self, data: object, /) -> int:
            assert isinstance(data, bytes)
            if b"shot.png" in data:
                path.write_bytes(b"after!")
            return super().write(data)

    with pytest.raises(StorageError, match="changed while it was packed"):
        write_zip({"shot.png": path}, Meddler())


@pytest.mark.slow
def test_more_members_than_a_plain_zip_counts(tmp_path: Path) -> None:
    members: dict[str, Path | bytes] = {f"capture/{n:06d}.p7s": b"" for n in range(65_536)}
    write_bundle(members | {MIMETYPE: MIMETYPE_CONTENT}, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as container:
        assert len(container.namelist()) == 65_537
    with open_bundle(tmp_path / "b.zip") as bundle:
        assert len(bundle.names()) == 65_537
        assert bundle.form_deviations == ()
