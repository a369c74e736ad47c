"""Bundles from strangers: what is unsafe is refused, what differs is told, no byte can change unseen (R67)."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import struct
import subprocess
import threading
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidencekit.bundle.paths import MIMETYPE, MIMETYPE_CONTENT
from evidencekit.bundle.reader import Bundle, open_bundle
from evidencekit.bundle.writer import write_bundle, write_zip
from evidencekit.bundle.zipform import DEFLATED, STORED, Directory, Entry, central_header, end_records, local_header
from evidencekit.errors import EvidenceError, FormatError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 1 << 20
MEMBERS: dict[str, bytes] = {
    MIMETYPE: MIMETYPE_CONTENT,
    "capture/empty.txt": b"",
    "capture/noise.bin": random.Random(3).randbytes(150),
    "manifest.json": b'{"a":1}' * 30,
    "seal/manifest.p7s": b"\x30\x03\x02\x01\x00",
}


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    write_zip({**members}, out)
    return out.getvalue()


def opened(tmp_path: Path, data: bytes) -> Bundle:
    path = tmp_path / "b.zip"
    path.write_bytes(data)
    return open_bundle(path)


def contents(bundle: Bundle) -> dict[str, bytes]:
    return {name: bundle.read(name, limit=LIMIT) for name in bundle.names()}


def test_a_bundle_reads_back(tmp_path: Path) -> None:
    write_bundle({**MEMBERS}, tmp_path / "b.zip")
    with open_bundle(tmp_path / "b.zip") as bundle:
        assert bundle.names() == tuple(MEMBERS)
        assert bundle.form_deviations == ()
        assert not bundle.is_folder
        assert contents(bundle) == MEMBERS
        assert bundle.size("manifest.json") == 210
        assert "manifest.json" in bundle
        assert "missing" not in bundle
        assert b"".join(bundle.stream("capture/noise.bin")) == MEMBERS["capture/noise.bin"]
        for act in (bundle.size, bundle.stream):
            with pytest.raises(FormatError, match="no member"):
                act("missing")
        with pytest.raises(FormatError, match="more than the 209 allowed"):
            bundle.read("manifest.json", limit=209)


@pytest.mark.slow
def test_no_byte_of_a_bundle_can_change_unseen(tmp_path: Path) -> None:
    data = zipped(MEMBERS)
    path = tmp_path / "b.zip"
    for position in range(len(data)):
        for mask in (0x01, 0xFF):
            changed = bytearray(data)
            changed[position] ^= mask
            path.write_bytes(changed)
            try:
                with open_bundle(path) as bundle:
                    unseen = not bundle.form_deviations and contents(bundle) == MEMBERS
            except FormatError:
                continue
            assert not unseen, (position, mask)


@pytest.mark.parametrize("position", range(0, 1100, 7))
def test_no_cut_and_no_insertion_passes_unseen(tmp_path: Path, position: int) -> None:
    data = zipped(MEMBERS)
    position %= len(data)
    for changed in (data[:position], data[:position] + b"\0" + data[position:], data[:position] + data[position + 1 :]):
        with contextlib.suppress(FormatError), opened(tmp_path, changed) as bundle:
            assert bundle.form_deviations or contents(bundle) != MEMBERS


@settings(max_examples=200)
@given(data=st.binary(max_size=200))
def test_garbage_is_a_format_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.zip"
    for whole in (data, data + zipped({})[-22:], zipped(MEMBERS)[:100] + data + zipped(MEMBERS)[-120:]):
        path.write_bytes(whole)
        with contextlib.suppress(FormatError), open_bundle(path) as bundle:
            contents(bundle)


@settings(max_examples=300)
@given(edits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=6))
def test_several_changed_bytes_never_leak_or_pass(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]]
) -> None:
    original = zipped(MEMBERS)
    data = bytearray(original)
    for position, byte in edits:
        data[position % len(data)] = byte
    path = tmp_path_factory.getbasetemp() / "edited.zip"
    path.write_bytes(data)
    with contextlib.suppress(FormatError), open_bundle(path) as bundle:
        assert bytes(data) == original or bundle.form_deviations or contents(bundle) != MEMBERS


# --- containers made by other programs -----------------------------------------------------------


def python_zip(names: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as container:
        for name, data in names.items():
            info = zipfile.ZipInfo(name)
            if change is not None:
                change(info)
            container.writestr(info, data)
    return out.getvalue()


def test_a_repacked_bundle_is_readable_but_not_in_form(tmp_path: Path) -> None:
    if shutil.which("zip") is None:
        pytest.skip("zip is not installed")
    (tmp_path / "folder").mkdir()
    with opened(tmp_path, zipped(MEMBERS)) as bundle:
        for name, data in contents(bundle).items():
            (tmp_path / "folder" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "folder" / name).write_bytes(data)
    for options in (["-qr"], ["-qrD"], ["-qrX0"], ["-qr", "-fd"]):
        (tmp_path / "again.zip").unlink(missing_ok=True)
        command = ["zip", *options, "../again.zip", "."]
        subprocess.run(command, cwd=tmp_path / "folder", check=True, capture_output=True)
        with open_bundle(tmp_path / "again.zip") as again:
            assert again.form_deviations
            assert contents(again) == MEMBERS
    with (tmp_path / "piped.zip").open("wb") as piped:
        subprocess.run(["zip", "-qr", "-", "."], cwd=tmp_path / "folder", check=True, stdout=piped)
    with open_bundle(tmp_path / "piped.zip") as again:
        assert again.form_deviations
        assert contents(again) == MEMBERS


def test_an_unpacked_bundle_reads_the_same(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(zipped(MEMBERS))) as container:
        container.extractall(tmp_path / "folder")
    (tmp_path / "folder" / "nothing").mkdir()
    with open_bundle(tmp_path / "folder") as bundle:
        assert bundle.is_folder
        assert bundle.form_deviations == ()
        assert bundle.names() == tuple(MEMBERS)
        assert contents(bundle) == MEMBERS


def prefixed(data: bytes) -> bytes:
    return b"#!/bin/sh\n" + data


def commented(data: bytes) -> bytes:
    return data[:-2] + b"\x05\x00hello"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (prefixed, "stand before the ZIP"),
        (commented, "stand after the ZIP"),
        (lambda data: data + b"\0" * 40, "stand after the ZIP"),
    ],
    ids=["prefix", "comment", "trailing"],
)
def test_data_around_the_zip_is_told(tmp_path: Path, change: Callable[[bytes], bytes], complaint: str) -> None:
    with opened(tmp_path, change(zipped(MEMBERS))) as bundle:
        assert complaint in " ".join(text.en for text in bundle.form_deviations)
        assert contents(bundle) == MEMBERS


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/x",
        "a/../../x",
        "C:/x",
        "a\\..\\x",
        "NUL",
        "a/con.txt",
        "x\u202egnp.exe",
        "a b",
        "a.",
        "x" * 241,
        "a//b",
    ],
    ids=repr,
)
def test_unlawful_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError, match="not lawful"):
        opened(tmp_path, python_zip({name: b""}))


def test_a_name_with_nul_is_refused(tmp_path: Path) -> None:
    data = python_zip({"aXb": b""}).replace(b"aXb", b"a\0b")
    with pytest.raises(FormatError, match="not lawful"):
        opened(tmp_path, data)


def test_links_and_devices_are_refused(tmp_path: Path) -> None:
    for mode in (0o120777, 0o020666, 0o060666, 0o010666, 0o140777, 0o040755):

        def as_mode(info: zipfile.ZipInfo, mode: int = mode) -> None:
            info.create_system = 3
            info.external_attr = mode << 16

        with pytest.raises(FormatError, match="link or a special file"):
            opened(tmp_path, python_zip({"a": b"/etc/passwd"}, as_mode))


@pytest.mark.parametrize("names", [["a", "A"], ["a", "a/b"], ["a/b", "A"], ["x/y/z", "x/Y"]], ids=repr)
def test_colliding_names_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(FormatError, match="collides"):
        opened(tmp_path, python_zip(dict.fromkeys(names, b"")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_double_names_are_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as container:
        container.writestr("a", b"1")
        container.writestr("a", b"2")
    with pytest.raises(FormatError, match="collides"):
        opened(tmp_path, out.getvalue())


# --- structures that no program writes ------------------------------------------------------------


def assembled(entries: list[tuple[Entry, bytes]], centrals: list[Entry] | None = None) -> bytes:
    """Write headers as given, true or not, with data behind each local header."""
    body = b"".join(local_header(entry) + data for entry, data in entries)
    directory = b"".join(central_header(entry) for entry in centrals or [entry for entry, _ in entries])
    count = len(centrals or entries)
    return body + directory + end_records(Directory(members=count, size=len(directory), offset=len(body)))


def stored(name: str, data: bytes, offset: int = 0) -> Entry:
    size = len(data)
    return Entry(name=name, method=STORED, crc=zlib.crc32(data), size=size, compressed_size=size, offset=offset)


def deflated(name: str, stream: bytes, data: bytes, size: int | None = None) -> Entry:
    return Entry(
        name=name,
        method=DEFLATED,
        crc=zlib.crc32(data),
        size=len(data) if size is None else size,
        compressed_size=len(stream),
        offset=0,
    )


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(6, zlib.DEFLATED, -15, 8)
    return stream.compress(data) + stream.flush()


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    # The quine-like bomb of D. Fifield, "A better zip bomb" (2019): many directory entries share one data area.
    inner = stored("b.png", b"x" * 50, offset=35)
    outer = stored("a.png", local_header(inner) + b"x" * 50)
    with pytest.raises(FormatError, match="overlap"):
        opened(tmp_path, assembled([(outer, local_header(inner) + b"x" * 50)], [outer, inner]))


def test_a_member_over_the_directory_is_refused(tmp_path: Path) -> None:
    entry = stored("a.png", b"x" * 60)
    lying = Entry(name="a.png", method=STORED, crc=entry.crc, size=90, compressed_size=90, offset=0)
    with pytest.raises(FormatError):
        opened(tmp_path, assembled([(lying, b"x" * 60)]))


def test_hidden_data_between_members_is_told(tmp_path: Path) -> None:
    first, second = stored("a.png", b"1"), stored("b.png", b"2", offset=len(local_header(stored("a.png", b"1"))) + 8)
    with opened(tmp_path, assembled([(first, b"1" + b"hidden!"), (second, b"2")])) as bundle:
        assert "belong to no member" in bundle.form_deviations[0].en
        assert contents(bundle) == {"a.png": b"1", "b.png": b"2"}


def test_local_header_and_directory_must_agree(tmp_path: Path) -> None:
    data = b"true"
    entry = stored("a.png", data)
    others = [
        Entry(name="b.png", method=STORED, crc=entry.crc, size=4, compressed_size=4, offset=0),
        Entry(name="a.png", method=STORED, crc=1, size=4, compressed_size=4, offset=0),
        Entry(name="a.png", method=STORED, crc=entry.crc, size=3, compressed_size=3, offset=0),
        Entry(name="a.png", method=DEFLATED, crc=entry.crc, size=4, compressed_size=4, offset=0),
    ]
    for other in others:
        with pytest.raises(FormatError, match=r"a\.png: (has another name|differs)"):
            opened(tmp_path, assembled([(other, data)], [entry]))


def test_a_wrong_crc_names_the_member(tmp_path: Path) -> None:
    for name in ("a.png", "a.txt"):
        data = raw_deflate(b"abc") if name == "a.txt" else b"abc"
        entry = deflated(name, data, b"other") if name == "a.txt" else stored(name, b"abd")
        entry = Entry(
            name=name, method=entry.method, crc=entry.crc, size=3, compressed_size=entry.compressed_size, offset=0
        )
        with opened(tmp_path, assembled([(entry, data)])) as bundle, pytest.raises(FormatError, match=f"{name}.*CRC"):
            bundle.read(name, limit=LIMIT)


@pytest.mark.parametrize(
    ("stream", "size", "complaint"),
    [
        (raw_deflate(b"abc") + b"\0", 3, "does not end where it must|bytes follow"),
        (raw_deflate(b"abc") + raw_deflate(b"d"), 3, "does not end where it must|bytes follow"),
        (raw_deflate(b"abc" * 100)[:-1], 300, "does not end where it must|damaged"),
        (raw_deflate(b"abc"), 4, "less than it declares"),
        (raw_deflate(b"abc" * 100), 299, "more than it declares"),
        (b"\xff" * 9, 3, "damaged"),
        (b"", 0, "missing"),
    ],
)
def test_wrong_deflate_streams_are_refused(tmp_path: Path, stream: bytes, size: int, complaint: str) -> None:
    entry = deflated("a.txt", stream, b"abc", size)
    with opened(tmp_path, assembled([(entry, stream)])) as bundle, pytest.raises(FormatError, match=complaint):
        bundle.read("a.txt", limit=LIMIT)


def test_a_bomb_is_refused_before_it_inflates(tmp_path: Path) -> None:
    stream = raw_deflate(bytes(1 << 20))
    impossible = deflated("a.txt", stream, b"", 1033 * len(stream))
    with pytest.raises(FormatError, match="impossible or too large"):
        opened(tmp_path, assembled([(impossible, stream)]))
    huge = Entry(name="a.txt", method=DEFLATED, crc=0, size=(4 << 30) + 1, compressed_size=1 << 23, offset=0)
    with pytest.raises(FormatError, match="impossible or too large"):
        opened(tmp_path, assembled([(huge, b"")]))
    with opened(tmp_path, assembled([(deflated("a.txt", stream, bytes(1 << 20)), stream)])) as bundle:
        with pytest.raises(FormatError, match="more than the 1000 allowed"):
            bundle.read("a.txt", limit=1000)
        assert max(len(piece) for piece in bundle.stream("a.txt")) <= 1 << 20


def patched(data: bytes, offset: int, form: str, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, offset, *values)
    return bytes(changed)


def test_encryption_methods_and_volumes_are_refused(tmp_path: Path) -> None:
    data = assembled([(stored("a.png", b"abc"), b"abc")])
    central = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    for changed, complaint in [
        (patched(patched(data, central + 8, "<H", 1), 6, "<H", 1), "encrypted"),
        (patched(data, central + 8, "<H", 1 << 6), "encrypted"),
        (patched(data, central + 10, "<H", 9), "compression method 9"),
        (patched(data, central + 34, "<H", 1), "another volume"),
        (patched(data, end + 4, "<H", 1), "several volumes"),
        (patched(data, end + 8, "<H", 2), "several volumes"),
        (patched(data, end + 8, "<2H", 2, 2), "more than fit|ends too early"),
        (patched(data, end + 12, "<I", 40), "damaged|more than fit"),
        (patched(data, end + 16, "<I", 4000), "outside the file"),
    ]:
        with pytest.raises(FormatError, match=complaint):
            opened(tmp_path, changed)


@pytest.mark.parametrize("count", [65_534, (1 << 20) + 1])
def test_untrue_member_counts_cost_nothing(tmp_path: Path, count: int) -> None:
    data = assembled([(stored("a.png", b"abc"), b"abc")])
    end = data.index(b"PK\x05\x06")
    body, offset = data[:end], data.index(b"PK\x01\x02")
    with pytest.raises(FormatError, match="too many members"):
        opened(tmp_path, body + end_records(Directory(members=count, size=end - offset, offset=offset)))


def test_large_files_use_zip64_and_read(tmp_path: Path) -> None:
    # A sparse file: five gibibytes of which only headers and the second member are on disk.
    big = Entry(name="a.png", method=STORED, crc=0, size=5 << 30, compressed_size=5 << 30, offset=0)
    start = len(local_header(big)) + big.size
    small = stored("b.png", b"behind", offset=start)
    directory = central_header(big) + central_header(small)
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.write(local_header(big))
        file.seek(start)
        file.write(local_header(small) + b"behind")
        position = file.tell()
        file.write(directory + end_records(Directory(members=2, size=len(directory), offset=position)))
    with open_bundle(path) as bundle:
        assert bundle.form_deviations == ()
        assert bundle.size("a.png") == 5 << 30
        assert bundle.read("b.png", limit=LIMIT) == b"behind"
    with zipfile.ZipFile(path) as container:
        assert container.getinfo("a.png").file_size == 5 << 30
        assert container.read("b.png") == b"behind"


def test_zip64_values_that_contradict_are_refused(tmp_path: Path) -> None:
    big = Entry(name="a.png", method=STORED, crc=0, size=5 << 30, compressed_size=5 << 30, offset=0)
    header = central_header(big)
    for name, changed in {
        "missing": header[:30] + b"\0\0" + header[32 : 46 + 5],
        "short": patched(header, 46 + 5 + 2, "<H", 8)[:-8],
        "cut": header[:-1],
        "second name": patched(header, 46 + 5, "<H", 0x7075),
    }.items():
        fixed = patched(changed, 30, "<H", len(changed) - 46 - 5)
        data = local_header(big) + fixed
        whole = data + end_records(Directory(members=1, size=len(fixed), offset=len(local_header(big))))
        with pytest.raises(FormatError, match=r"ZIP64|extra field"):
            opened(tmp_path, whole)
        assert name
    members = {f"{number:05d}.p7s": b"" for number in range(3)}
    data = zipped(members)
    end = data.index(b"PK\x05\x06")
    offset = data.index(b"PK\x01\x02")
    records = end_records(Directory(members=70_000, size=end - offset, offset=offset))
    assert records.startswith(b"PK\x06\x06")
    for changed in (patched(records, 32, "<Q", 3), patched(records, 24, "<2Q", 3, 4), patched(records, 4, "<Q", 45)):
        with contextlib.suppress(FormatError), opened(tmp_path, data[:end] + changed) as bundle:
            assert bundle.form_deviations


def test_form_deviations_are_bounded(tmp_path: Path) -> None:
    with opened(tmp_path, python_zip({f"{number}.txt": b"" for number in range(300)})) as bundle:
        assert len(bundle.form_deviations) == 65
        assert "more" in bundle.form_deviations[-1].en


# --- files that are no bundle ---------------------------------------------------------------------


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        open_bundle(tmp_path / "missing.zip")
    os.mkfifo(tmp_path / "pipe.zip")
    for path in (tmp_path / "pipe.zip", Path("/dev/zero")):
        with pytest.raises(FormatError, match="not a regular file"):
            open_bundle(path)
    (tmp_path / "empty.zip").write_bytes(b"")
    with pytest.raises(FormatError, match="not a ZIP file"):
        open_bundle(tmp_path / "empty.zip")


def test_links_and_devices_in_a_folder_are_refused(tmp_path: Path) -> None:
    makers: list[Callable[[Path], None]] = [
        lambda path: path.symlink_to("/etc/passwd"),
        lambda path: path.symlink_to(tmp_path),
        os.mkfifo,
    ]
    for index, make in enumerate(makers):
        folder = tmp_path / str(index)
        (folder / "capture").mkdir(parents=True)
        make(folder / "capture" / "x")
        with pytest.raises(FormatError, match="link or a special file"):
            open_bundle(folder)
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "a b").write_bytes(b"")
    with pytest.raises(FormatError, match="not lawful"):
        open_bundle(tmp_path / "names")


def test_a_folder_that_changes_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "capture").mkdir(parents=True)
    (folder / "capture" / "a").write_bytes(b"abc")
    with open_bundle(folder) as bundle:
        (folder / "capture" / "a").write_bytes(b"abcd")
        with pytest.raises(FormatError, match="changed"):
            bundle.read("capture/a", limit=LIMIT)
        shutil.move(folder / "capture", tmp_path / "elsewhere")
        (folder / "capture").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(EvidenceError):
            bundle.read("capture/a", limit=LIMIT)


def test_a_file_that_becomes_shorter_is_noticed(tmp_path: Path) -> None:
    with opened(tmp_path, zipped(MEMBERS)) as bundle:
        os.truncate(tmp_path / "b.zip", 60)
        with pytest.raises(FormatError, match="became shorter"):
            bundle.read("manifest.json", limit=LIMIT)


def test_threads_share_a_bundle(tmp_path: Path) -> None:
    members = {f"{number}.txt": random.Random(number).randbytes(50_000) for number in range(8)}
    wrong: list[str] = []
    with opened(tmp_path, zipped(members)) as bundle:

        def read(name: str) -> None:
            for _ in range(5):
                data = bundle.read(name, limit=LIMIT)
                wrong.extend({name} if data != members[name] else ())

        threads = [threading.Thread(target=read, args=(name,)) for name in members]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_reading_writes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, zipped(MEMBERS)) as bundle:
        contents(bundle)
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]
