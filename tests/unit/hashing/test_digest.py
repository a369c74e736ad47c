"""SHA-256 and SM3 against published vectors and against openssl."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import StorageError
from evidencekit.hashing import digest as digest_module
from evidencekit.hashing.digest import MultiHasher, digest_beginnings, digest_bytes, digest_file
from evidencekit.model import Digests

if TYPE_CHECKING:
    from pathlib import Path

# SHA-256: FIPS 180-4 examples. SM3 of "abc" and of 16 times "abcd": GB/T 32905-2016, annex A.
VECTORS = [
    (
        b"",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b",
    ),
    (
        b"abc",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
    ),
    (
        b"a" * 1_000_000,
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        "c8aaf89429554029e231941a2acc0ad61ff2a5acd8fadd25847a3a732b3b02c3",
    ),
]


@pytest.mark.parametrize(("data", "sha256", "sm3"), VECTORS, ids=["empty", "abc", "1MB"])
def test_vectors(data: bytes, sha256: str, sm3: str) -> None:
    digests = digest_bytes(data)
    assert (digests.sha256, digests.sm3) == (sha256, sm3)


def test_sm3_of_the_standards_second_example() -> None:
    assert digest_bytes(b"abcd" * 16).sm3 == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


@pytest.mark.parametrize(("data", "sha256", "sm3"), VECTORS, ids=["empty", "abc", "1MB"])
def test_sm3_without_openssl_is_the_same(data: bytes, sha256: str, sm3: str) -> None:
    del sha256
    hasher = digest_module._CryptographySm3()
    hasher.update(data[: len(data) // 2])
    hasher.update(memoryview(data)[len(data) // 2 :])
    assert hasher.hexdigest() == sm3
    assert hasher.hexdigest() == sm3


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_pieces_do_not_matter(pieces: list[bytes]) -> None:
    hasher = MultiHasher()
    for piece in pieces:
        hasher.update(memoryview(bytearray(piece)))
    whole = b"".join(pieces)
    assert hasher.size == len(whole)
    assert hasher.digests() == digest_bytes(whole)


def test_file_is_hashed_whole_and_as_openssl_does(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 10_001)
    size, digests = digest_file(path)
    assert size == 2_560_256
    for name, found in (("sha256", digests.sha256), ("sm3", digests.sm3)):
        shown = subprocess.run(["openssl", "dgst", f"-{name}", "-r", path], capture_output=True, text=True, check=True)
        assert shown.stdout.split()[0] == found


def test_unreadable_file_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot read"):
        digest_file(tmp_path / "missing")
    with pytest.raises(StorageError):
        digest_file(tmp_path)


def test_a_file_that_was_hashed_before_keeps_its_sm3_and_a_changed_one_gets_its_own(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    known = {digest_bytes(b"abc").sha256: "the one that was computed before"}
    assert digest_file(file, known) == (3, Digests(sha256=VECTORS[1][1], sm3="the one that was computed before"))
    file.write_bytes(b"abcd" * 16)
    assert digest_file(file, known) == (64, digest_bytes(b"abcd" * 16))


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 200), max_size=8))
def test_beginnings_are_those_of_the_whole_wherever_its_pieces_end(pieces: list[bytes], sizes: list[int]) -> None:
    whole = b"".join(pieces)
    expected = {size: hashlib.sha256(whole[:size]).hexdigest() for size in sizes if size <= len(whole)}
    assert digest_beginnings(pieces, sizes) == expected
