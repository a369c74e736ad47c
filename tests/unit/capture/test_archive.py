"""The WARC: judged by warcio, read back by our own strict reader, equal to the blocks that were committed."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from evidencekit.bundle.edition import reduce_wacz
from evidencekit.bundle.warc import read_blocks
from evidencekit.capture.archive import ArchiveInfo, ArchiveResult, write_warc
from evidencekit.capture.exchanges import Body, Exchange, ExchangeOutcome, ResponseHead
from evidencekit.capture.httpmessage import request_block, response_block
from evidencekit.capture.wacz import WaczInfo, write_wacz
from evidencekit.capture.withholding import MaskedExchange, Secrets, mask_exchange
from evidencekit.errors import StorageError
from evidencekit.hashing.digest import digest_bytes
from evidencekit.model import PageResult, Text

_AT = datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=UTC)
_INFO = ArchiveInfo(capture_id="ab" * 16, software="evidencekit/0.1.0", created=_AT)
_URL = "https://www.shop.test/"


def _body(path: Path, data: bytes) -> Body:
    path.write_bytes(data)
    return Body(file=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _get(tmp_path: Path, number: int, url: str, data: bytes | None, mime_type: str = "text/html") -> Exchange:
    return Exchange(
        id=f"{number:06d}",
        page="0001",
        url=url,
        method="GET",
        resource_type="Document",
        initiator="other",
        target="page",
        outcome=ExchangeOutcome.RECORDED,
        reason=None,
        started=_AT + timedelta(milliseconds=number),
        finished=_AT,
        after_t_capture=False,
        from_cache=False,
        from_service_worker=False,
        redirected_from=None,
        redirected_to=None,
        protocol="h2",
        remote_address="[2001:db8::7]:443",
        security={"protocol": "TLS 1.3", "cipher": "AES_128_GCM"},
        request_headers=(("accept", "*/*"), ("cookie", "sid=seeded-cookie-1")),
        request_body=None,
        response=ResponseHead(
            status=200,
            status_text="",
            headers=(("content-type", mime_type), ("content-encoding", "br"), ("set-cookie", "a=1\nb=2")),
            mime_type=mime_type,
        ),
        response_body=None if data is None else _body(tmp_path / f"{number}.body", data),
        encoded_size=None,
    )


def _site(tmp_path: Path) -> list[Exchange]:
    page = _get(tmp_path, 1, _URL, "<!DOCTYPE html><title>店</title><p>seeded-cookie-1".encode())
    post = _get(tmp_path, 2, "https://api.shop.test:8443/v1?B=2&a=1", b'{"ok":true}', "application/json")
    post = dataclasses.replace(
        post,
        method="POST",
        request_headers=(("content-type", "text/plain"), ("content-length", "4")),
        request_body=_body(tmp_path / "2.request", b"body"),
    )
    picture = _get(tmp_path, 3, f"{_URL}a.png", bytes(range(256)) * 900, "image/png")
    ranged = dataclasses.replace(
        _get(tmp_path, 4, f"{_URL}film.mp4", b"part", "video/mp4"), outcome=ExchangeOutcome.PARTIAL, reason="range"
    )
    assert ranged.response is not None
    ranged = dataclasses.replace(ranged, response=dataclasses.replace(ranged.response, status=206))
    failed = dataclasses.replace(
        _get(tmp_path, 5, "https://gone.test/", None), response=None, outcome=ExchangeOutcome.FAILED, reason="net::ERR"
    )
    lost = dataclasses.replace(
        _get(tmp_path, 6, f"{_URL}lost.js", None, "text/javascript"), outcome=ExchangeOutcome.NOT_RETRIEVABLE
    )
    return [page, post, picture, ranged, failed, lost, _get(tmp_path, 7, "data:text/plain,x", b"x")]


def _archive(tmp_path: Path, exchanges: list[MaskedExchange]) -> ArchiveResult:
    return write_warc(tmp_path / "data.warc.gz", exchanges, _INFO)


def _open(exchanges: list[Exchange]) -> list[MaskedExchange]:
    return [MaskedExchange(exchange=exchange) for exchange in exchanges]


def _tool(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        pytest.skip(f"the judge {name} is not installed")
    return found


def test_warcio_finds_no_fault(tmp_path: Path) -> None:
    result = _archive(tmp_path, _open(_site(tmp_path)))
    done = subprocess.run(
        [_tool("warcio"), "check", "-v", str(result.path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("digest pass") == len(result.blocks) + 1


def test_blocks_are_the_committed_ones_to_every_reader(tmp_path: Path) -> None:
    site = _site(tmp_path)
    result = _archive(tmp_path, _open(site))
    committed = {f"{e.id}.request": b"".join(request_block(e)) for e in site[:6]}
    committed |= {f"{e.id}.response": b"".join(response_block(e)) for e in site[:6] if e.response}
    assert {block.record_id: block.digests for block in result.blocks} == {
        record_id: digest_bytes(data) for record_id, data in committed.items()
    }
    with result.path.open("rb") as stream:
        first, *read = read_blocks(stream)
    assert first.kind == "warcinfo"
    assert [(b.record_id, b.size, b.digests, b.offset, b.length, b.target_uri) for b in read] == [
        (b.record_id, b.size, b.digests, b.offset, b.length, b.url) for b in result.blocks
    ]
    assert all(block.declared_sha256 == block.digests.sha256 for block in read)
    whole = result.path.read_bytes()
    for block in result.blocks:
        member = whole[block.offset : block.offset + block.length]
        assert hashlib.sha256(member).hexdigest() == block.member_sha256
        assert gzip.decompress(member).endswith(committed[block.record_id] + b"\r\n\r\n")


def test_headers_of_the_records(tmp_path: Path) -> None:
    result = _archive(tmp_path, _open(_site(tmp_path)))
    with result.path.open("rb") as stream:
        records = {r.rec_headers.get_header("WARC-Evidence-Record"): r.rec_headers for r in ArchiveIterator(stream)}
    response, request = records["000001.response"], records["000001.request"]
    assert request.get_header("WARC-Concurrent-To") == response.get_header("WARC-Record-ID")
    assert response.get_header("WARC-IP-Address") == "2001:db8::7"
    assert [value for name, value in response.headers if name == "WARC-Protocol"] == ["h2", "tls/1.3"]
    assert response.get_header("WARC-Date") == "2026-11-23T03:04:05.679901Z"
    assert records["000006.response"].get_header("WARC-Truncated") == "unspecified"
    assert records["000006.response"].get_header("WARC-Payload-Digest") is None
    assert "000005.response" not in records
    assert "000007.response" not in records


def test_the_same_exchanges_give_the_same_bytes(tmp_path: Path) -> None:
    site = _open(_site(tmp_path))
    (tmp_path / "again").mkdir()
    again = write_warc(tmp_path / "again" / "data.warc.gz", site, _INFO)
    assert again.path.read_bytes() == _archive(tmp_path, site).path.read_bytes()


def test_masked_records_are_public_ones_without_the_secret(tmp_path: Path) -> None:
    site = _site(tmp_path)
    secrets = Secrets()
    for exchange in site:
        secrets.observe(exchange)
    result = _archive(tmp_path, [mask_exchange(exchange, secrets, tmp_path) for exchange in site])
    assert b"seeded-cookie" not in gzip.decompress(result.path.read_bytes())
    with result.path.open("rb") as stream:
        read = {block.record_id: block.withheld for block in read_blocks(stream)}
    assert read["000001.request.public"] == ("cookie",)
    assert read["000001.response.public"] == ("cookie",)
    assert read["000002.request"] == ()


def test_a_body_swapped_after_it_was_received_is_noticed(tmp_path: Path) -> None:
    site = _site(tmp_path)
    (tmp_path / "1.body").write_bytes(b"x" * (tmp_path / "1.body").stat().st_size)
    with pytest.raises(StorageError, match="changed on disk"):
        _archive(tmp_path, _open(site))


def test_what_is_packed_already_is_stored_and_its_sm3_not_computed_twice(tmp_path: Path) -> None:
    noise = hashlib.shake_256(b"photograph").digest(200_000)
    site = [_get(tmp_path, 1, f"{_URL}a.jpg", noise, "image/jpeg"), _get(tmp_path, 2, _URL, b"word " * 40_000)]
    packed = _archive(tmp_path, _open(site))
    photograph = next(block for block in packed.blocks if block.record_id == "000001.response")
    text = next(block for block in packed.blocks if block.record_id == "000002.response")
    assert photograph.size < photograph.length < photograph.size + 1200  # its header fields and the framing
    assert text.length < text.size // 20
    with packed.path.open("rb") as stream:
        read = {block.record_id: block.digests for block in read_blocks(stream)}
    assert read["000001.response"] == photograph.digests
    known = {photograph.digests.sha256: "as it was computed before"}
    again = write_warc(tmp_path / "again.warc.gz", _open(site), _INFO, known)
    found = {block.record_id: block.digests.sm3 for block in again.blocks}
    assert found["000001.response"] == "as it was computed before"
    assert found["000002.response"] == text.digests.sm3


def _page() -> PageResult:
    return PageResult(
        id="0001",
        requested_url=_URL,
        final_url=_URL,
        title="店 <&> 'x'",
        status=200,
        content_type="text/html",
        redirects=(),
        remote_address=None,
        protocol="h2",
        verdict="ok",
        verdict_reason=Text(en="", zh=""),
        started_at=_AT,
        initial_at=_AT,
        finished_at=_AT,
        width_px=1280,
        height_px=800,
    )


def _wacz(tmp_path: Path) -> Path:
    result = _archive(tmp_path, _open(_site(tmp_path)))
    out = tmp_path / "page.wacz"
    write_wacz(out, result, [_page()], WaczInfo(title="ZH-2026-1", software="evidencekit/0.1.0", created=_AT))
    return out


def test_wacz_validates(tmp_path: Path) -> None:
    done = subprocess.run(
        [_tool("wacz"), "validate", "-f", str(_wacz(tmp_path))],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Invalid" not in done.stdout + done.stderr


def test_wacz_members_and_digests(tmp_path: Path) -> None:
    with zipfile.ZipFile(_wacz(tmp_path)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    package = json.loads(members["datapackage.json"])
    assert package["profile"] == "data-package"
    assert package["wacz_version"] == "1.1.1"
    assert {r["path"]: r["hash"] for r in package["resources"]} == {
        name: f"sha256:{hashlib.sha256(data).hexdigest()}"
        for name, data in members.items()
        if not name.startswith("datapackage")
    }
    digest = json.loads(members["datapackage-digest.json"])
    assert digest == {
        "path": "datapackage.json",
        "hash": f"sha256:{hashlib.sha256(members['datapackage.json']).hexdigest()}",
    }
    pages = [json.loads(line) for line in members["pages/pages.jsonl"].splitlines()]
    assert pages[0]["format"] == "json-pages-1.0"
    assert pages[1]["url"] == _URL


def test_the_index_agrees_with_the_reference_indexer(tmp_path: Path) -> None:
    with zipfile.ZipFile(_wacz(tmp_path)) as archive:
        ours = archive.read("indexes/index.cdxj").splitlines()
        warc = archive.read("archive/data.warc.gz")
    done = subprocess.run(
        [_tool("cdxj-indexer"), str(tmp_path / "data.warc.gz")], capture_output=True, check=True, cwd=tmp_path
    )
    theirs = {}
    for line in done.stdout.splitlines():
        key, at, data = line.split(b" ", 2)
        entry = json.loads(data)
        theirs[entry["offset"]] = (key, at, entry["url"], entry.get("status"), entry["length"])
    assert ours == sorted(ours)
    found = []
    for line in ours:
        key, at, data = line.split(b" ", 2)
        entry = json.loads(data)
        found.append(entry["url"])
        member = warc[int(entry["offset"]) : int(entry["offset"]) + int(entry["length"])]
        assert entry["recordDigest"] == f"sha256:{hashlib.sha256(member).hexdigest()}"
        assert theirs[entry["offset"]][0] == key
        assert theirs[entry["offset"]][1] == at[:14]
        assert theirs[entry["offset"]][2:] == (entry["url"], entry["status"], entry["length"])
    assert sorted(found) == sorted([_URL, "https://api.shop.test:8443/v1?B=2&a=1", f"{_URL}a.png"])


def test_empty_archive_still_has_its_warcinfo(tmp_path: Path) -> None:
    result = _archive(tmp_path, [])
    assert [block.kind for block in read_blocks(io.BytesIO(result.path.read_bytes()))] == ["warcinfo"]


def _indexed(tmp_path: Path, exchanges: list[Exchange], page: PageResult) -> tuple[list[dict[str, str]], str]:
    """The lines of the index, and the page's time."""
    out = tmp_path / "page.wacz"
    info = WaczInfo(title="t", software="evidencekit/0.1.0", created=_AT)
    write_wacz(out, _archive(tmp_path, _open(exchanges)), [page], info)
    with zipfile.ZipFile(out) as archive:
        lines = archive.read("indexes/index.cdxj").splitlines()
        pages = archive.read("pages/pages.jsonl").splitlines()
    return [json.loads(line.split(b" ", 2)[2]) for line in lines], json.loads(pages[1])["ts"]


def test_the_index_tells_what_was_asked_and_lists_a_film_that_came_whole_as_a_range(tmp_path: Path) -> None:
    post = dataclasses.replace(
        _get(tmp_path, 1, f"{_URL}query", b"answer"),
        method="POST",
        request_headers=(("Content-Type", "application/json"),),
        request_body=_body(tmp_path / "1.request", '{"茶":1}'.encode()),
    )
    films = []
    for number, stated in ((2, "bytes 0-3/4"), (3, "bytes 0-3/9")):
        film = _get(tmp_path, number, f"{_URL}film{number}", b"film", "video/mp4")
        assert film.response is not None
        head = dataclasses.replace(film.response, status=206, headers=(("content-range", stated),))
        films.append(dataclasses.replace(film, response=head))
    lines, _ = _indexed(tmp_path, [post, *films], _page())
    assert [(line["url"], line.get("requestBody")) for line in lines] == [
        (f"{_URL}film2", None),
        (f"{_URL}query", "%E8%8C%B6=1"),
    ]


def test_a_page_that_answered_twice_is_replayed_as_it_was_shown(tmp_path: Path) -> None:
    first, again, later = (_get(tmp_path, number, _URL, b"<!doctype html>%d" % number) for number in (1, 2, 900))
    own = dataclasses.replace(_get(tmp_path, 3, _URL, b"{}", "application/json"), resource_type="Fetch")
    page = dataclasses.replace(_page(), initial_at=_AT + timedelta(milliseconds=500))
    lines, at = _indexed(tmp_path, [first, again, own, later], page)
    assert at == again.started.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    digests = {body.sha256 for each in (again, own, later) if (body := each.response_body) is not None}
    assert {line["digest"].removeprefix("sha256:") for line in lines} == digests


def test_the_index_of_an_edition_does_not_tell_what_a_withheld_request_asked(tmp_path: Path) -> None:
    asked = [
        dataclasses.replace(
            _get(tmp_path, number, f"{_URL}query", b"answer"),
            method="POST",
            request_headers=(("Content-Type", "application/x-www-form-urlencoded"),),
            request_body=_body(tmp_path / f"{number}.request", f"q=word{number}".encode()),
        )
        for number in (1, 2)
    ]
    lines, _ = _indexed(tmp_path, asked, _page())
    assert {line["requestBody"] for line in lines} == {"q=word1", "q=word2"}
    assert reduce_wacz(tmp_path / "page.wacz", tmp_path / "edition.wacz", {"000001.request"}) == 1
    with zipfile.ZipFile(tmp_path / "edition.wacz") as edition:
        index = edition.read("indexes/index.cdxj").decode()
    assert len(index.splitlines()) == len(asked)
    assert "word1" not in index
    assert "word2" in index
