"""ASiC manifests, member names and checksum files: one form each, judged by other programs."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.bundle.asic import (
    SIGNATURE_TYPE,
    TIMESTAMP_TYPE,
    AsicManifest,
    AsicReference,
    format_asic_manifest,
    parse_asic_manifest,
)
from evidencekit.bundle.paths import asic_manifest, asic_signature, asic_timestamp, in_sums, lawful_name, media_type
from evidencekit.bundle.sums import format_sha256sums, format_sm3sums, parse_sha256sums, parse_sm3sums
from evidencekit.errors import FormatError, UsageError
from evidencekit.hashing.digest import digest_bytes

VECTORS = Path(__file__).parents[3].parent / "shared" / "vectors" / "timestamp" / "asic"
ASIC = "{http://uri.etsi.org/02918/v1.2.1#}"
DS = "{http://www.w3.org/2000/09/xmldsig#}"

segments = st.text(alphabet="abcXYZ019_-", min_size=1, max_size=8).filter(lawful_name)
names = st.lists(segments, min_size=1, max_size=3).map("/".join)
references = st.lists(
    st.builds(
        AsicReference,
        uri=names,
        media_type=st.sampled_from(["text/html", "application/pkcs7-signature", "image/svg+xml"]),
        sha256=st.binary(min_size=32, max_size=32),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda reference: reference.uri,
)


def sample() -> bytes:
    members = [
        AsicReference(uri=name, media_type=media_type(name), sha256=hashlib.sha256(name.encode()).digest())
        for name in ("SHA256SUMS", "manifest.json", "capture/pages/0001/screenshot.png")
    ]
    return format_asic_manifest(asic_signature(1), SIGNATURE_TYPE, members)


@given(references, st.sampled_from([(asic_signature(1), SIGNATURE_TYPE), (asic_timestamp(1), TIMESTAMP_TYPE)]))
def test_parse_is_the_inverse_of_format(members: list[AsicReference], signed_by: tuple[str, str]) -> None:
    data = format_asic_manifest(*signed_by, members)
    assert parse_asic_manifest(data) == AsicManifest(
        sig_reference=signed_by[0], sig_media_type=signed_by[1], members=tuple(members)
    )


def test_an_xml_parser_sees_the_same() -> None:
    root = ET.fromstring(sample())  # noqa: S314 - our own bytes
    assert root.tag == f"{ASIC}ASiCManifest"
    signature, *members = root
    assert signature.tag == f"{ASIC}SigReference"
    assert signature.attrib == {"URI": "META-INF/signature001.p7s", "MimeType": "application/pkcs7-signature"}
    assert [member.tag for member in members] == [f"{ASIC}DataObjectReference"] * 3
    assert members[2].attrib == {"URI": "capture/pages/0001/screenshot.png", "MimeType": "image/png"}
    method, value = members[2]
    assert (method.tag, value.tag) == (f"{DS}DigestMethod", f"{DS}DigestValue")
    assert method.attrib == {"Algorithm": "http://www.w3.org/2001/04/xmlenc#sha256"}
    expected = hashlib.sha256(b"capture/pages/0001/screenshot.png").digest()
    assert base64.b64decode(value.text or "") == expected


def test_elements_are_those_of_a_container_that_etsi_tools_accept() -> None:
    path = VECTORS / "bundle_ec.asice"
    if not path.exists():
        pytest.skip("the shared vectors are not beside the repository")
    with zipfile.ZipFile(path) as container:
        theirs = ET.fromstring(container.read("META-INF/ASiCManifest001.xml"))  # noqa: S314
    ours = ET.fromstring(sample())  # noqa: S314

    def shape(element: ET.Element) -> tuple[object, ...]:
        return (element.tag, tuple(element.attrib), tuple(shape(child) for child in element))

    assert shape(ours[0]) == shape(theirs[0])
    assert {shape(member) for member in ours[1:]} == {shape(member) for member in theirs[1:]}


def test_every_changed_byte_is_refused_or_means_something_else() -> None:
    data = sample()
    before = parse_asic_manifest(data)
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            try:
                after = parse_asic_manifest(bytes(changed))
            except FormatError:
                continue
            assert after != before, position


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_garbage_is_a_format_error(data: bytes) -> None:
    for whole in (data, sample()[:300] + data, sample() + data):
        if whole != sample():
            with pytest.raises(FormatError):
                parse_asic_manifest(whole)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            '<?xml version="1.0" encoding="UTF-8"?>\n',
            '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE a [<!ENTITY b "c">]>\n',
        ),
        ('URI="manifest.json"', 'URI="&#109;anifest.json"'),
        ('URI="manifest.json"', 'URI="../manifest.json"'),
        ('URI="manifest.json"', 'URI="SHA256SUMS"'),
        ('URI="manifest.json"', "URI='manifest.json'"),
        ("</asic:ASiCManifest>", "<!-- x --></asic:ASiCManifest>"),
        ('MimeType="application/pkcs7-signature"', 'MimeType="application/other"'),
        ("</ds:DigestValue>", "</ds:DigestValue> "),
    ],
)
def test_other_xml_is_refused(old: str, new: str) -> None:
    text = sample().decode()
    assert old in text
    with pytest.raises(FormatError):
        parse_asic_manifest(text.replace(old, new, 1).encode())


def test_what_no_manifest_may_say_is_not_written() -> None:
    good = AsicReference(uri="a.txt", media_type="text/plain", sha256=bytes(32))
    bad = [
        AsicReference(uri="证据.txt", media_type="text/plain", sha256=bytes(32)),
        AsicReference(uri="a.txt", media_type='text/plain" x="', sha256=bytes(32)),
        AsicReference(uri="a.txt", media_type="text/plain", sha256=bytes(31)),
    ]
    for member in bad:
        with pytest.raises(UsageError):
            format_asic_manifest(asic_signature(1), SIGNATURE_TYPE, [member])
    for arguments in ((asic_signature(1), SIGNATURE_TYPE, []), (asic_signature(1), "text/plain", [good])):
        with pytest.raises(UsageError):
            format_asic_manifest(*arguments)
    with pytest.raises(UsageError, match="every member once"):
        format_asic_manifest(asic_signature(1), SIGNATURE_TYPE, [good, good])


@pytest.mark.parametrize(
    ("name", "lawful"),
    [
        ("mimetype", True),
        ("META-INF/ASiCManifest001.xml", True),
        ("capture/pages/0001/screenshot-initial.png", True),
        (".hidden", True),
        ("a" * 240, True),
        ("a" * 241, False),
        ("", False),
        ("/etc/passwd", False),
        ("../x", False),
        ("a/../b", False),
        ("a/./b", False),
        ("a//b", False),
        ("a/", False),
        ("a.", False),
        ("a./b", False),
        ("a\\b", False),
        ("C:x", False),
        ("a\0b", False),
        ("a\nb", False),
        ("a\u202eb", False),
        ("证据.txt", False),
        ("a b", False),
        ("NUL", False),
        ("capture/con.txt", False),
        ("aux/x", False),
        ("LPT1.tar.gz", False),
        ("console.jsonl", True),
        ("com10", True),
    ],
)
def test_lawful_names(name: str, *, lawful: bool) -> None:
    assert lawful_name(name) is lawful


def test_numbered_names() -> None:
    assert (asic_manifest(2), asic_timestamp(1)) == ("META-INF/ASiCManifest002.xml", "META-INF/timestamp001.tst")


def test_sums_leave_out_what_they_cannot_list() -> None:
    assert not any(in_sums(name) for name in ("mimetype", "SHA256SUMS", "SM3SUMS", "META-INF/signature001.p7s"))
    assert in_sums("manifest.json")


@given(st.dictionaries(names, st.binary(max_size=4), max_size=4))
def test_sums_round_trip(members: dict[str, bytes]) -> None:
    digests = {name: digest_bytes(data) for name, data in members.items()}
    sha256, sm3 = format_sha256sums(digests), format_sm3sums(digests)
    assert parse_sha256sums(sha256) == {name: digests[name].sha256 for name in sorted(members)}
    assert parse_sm3sums(sm3) == {name: digests[name].sm3 for name in sorted(members)}


@pytest.mark.parametrize(
    "data",
    [
        b"0" * 64 + b"  a",
        b"0" * 64 + b" *a\n",
        b"0" * 64 + b"  ../a\n",
        b"0" * 63 + b"  a\n",
        b"A" * 64 + b"  a\n",
        b"0" * 64 + b"  b\n" + b"0" * 64 + b"  a\n",
        (b"0" * 64 + b"  a\n") * 2,
        b"0" * 64 + b"  a\r\n",
        b"\xff\n",
        b"\n",
    ],
)
def test_other_sums_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_sha256sums(data)
    with pytest.raises(FormatError):
        parse_sm3sums(data)


def test_coreutils_agree(tmp_path: Path) -> None:
    if shutil.which("sha256sum") is None or shutil.which("cksum") is None:
        pytest.skip("coreutils are not installed")
    members = {"manifest.json": b"{}", "capture/a.txt": b"abc", "empty": b""}
    digests = {name: digest_bytes(data) for name, data in members.items()}
    for name, data in members.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "SHA256SUMS").write_bytes(format_sha256sums(digests))
    (tmp_path / "SM3SUMS").write_bytes(format_sm3sums(digests))
    for command in (["sha256sum", "--strict", "--check", "SHA256SUMS"], ["cksum", "--strict", "--check", "SM3SUMS"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        if command[0] == "cksum" and "unrecognized option" in done.stderr:
            pytest.skip("this cksum is older than coreutils 9")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(": OK") == 3
    (tmp_path / "empty").write_bytes(b"x")
    done = subprocess.run(["cksum", "--check", "SM3SUMS"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "empty: FAILED" in done.stdout
