"""Write the archive as WACZ 1.1.1 (specs.webrecorder.net/wacz/1.1.1), replayable in ReplayWeb.page.

All members are stored, so a reader can jump to a record inside the WARC. The index is plain CDXJ: replay
programs load `*.cdxj` but not a lone `*.cdx.gz`. No `signedData`: the bundle's own seal covers the file, and
the format allows no foreign properties there. The file is a pure function of its arguments.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from evidencekit.capture.archive import ArchivedBlock, ArchiveResult
    from evidencekit.model import JsonValue, PageResult

_WARC = "archive/data.warc.gz"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PIECE = 1 << 20
_WWW = re.compile(r"^www\d*\.")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaczInfo:
    """What `datapackage.json` says about the package."""

    title: str
    software: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resource:
    path: str
    size: int
    sha256: str


def write_wacz(out: Path, warc: ArchiveResult, pages: Sequence[PageResult], info: WaczInfo) -> None:
    """Write the package.

    Args:
        out: the `.wacz` to write.
        warc: what `write_warc` gave.
        pages: with the URLs as they may be seen, secrets masked.
        info: title, software and time.

    Raises:
        StorageError: the WARC cannot be read or the package not written.
    """
    try:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as package:
            resources = [
                _add_file(package, _WARC, warc.path),
                _add(package, "indexes/index.cdxj", format_index(warc.blocks, pages)),
                _add(package, "pages/pages.jsonl", format_pages(pages, warc.blocks)),
            ]
            datapackage = _datapackage(resources, pages, warc.blocks, info)
            digest: dict[str, JsonValue] = {
                "path": "datapackage.json",
                "hash": f"sha256:{_add(package, 'datapackage.json', datapackage).sha256}",
            }
            _add(package, "datapackage-digest.json", _json(digest))
    except OSError as error:
        raise StorageError(
            f"the WACZ {out.name} cannot be written ({error}); free disk space and capture again",
            f"无法写入 WACZ 文件 {out.name}({error})；请释放磁盘空间后重新取证",
        ) from error


def format_index(blocks: Sequence[ArchivedBlock], pages: Sequence[PageResult] = ()) -> bytes:
    """Give the CDXJ index (specs.webrecorder.net/cdxj/0.1.0) of all replayable responses, byte-sorted.

    Replay programs look a page up by the second. Of several documents that one address gave within the second of the
    one that was shown, only that and later ones are listed; the archive holds them all.
    """
    shown = {(page.final_url.partition("#")[0], _shown_at(page, blocks)) for page in pages}
    listed = (block for block in blocks if block.replayable and not _is_superseded(block, shown))
    return b"".join(sorted(_index_line(block) for block in listed))


def _is_superseded(block: ArchivedBlock, shown: set[tuple[str, datetime]]) -> bool:
    at = block.date.replace(microsecond=0)
    return block.document and any(
        url == block.url and at == moment.replace(microsecond=0) and block.date < moment for url, moment in shown
    )


def format_pages(pages: Sequence[PageResult], blocks: Sequence[ArchivedBlock]) -> bytes:
    """Give `pages.jsonl`: a header line, then one line a page.

    The time is that of the document that the page showed. A page that answered more than once, because it loaded
    itself anew or a service worker of its own then answered, would else be replayed as it was before.
    """
    head: dict[str, JsonValue] = {"format": "json-pages-1.0", "id": "pages", "title": "All Pages"}
    lines: tuple[dict[str, JsonValue], ...] = tuple(
        {"id": page.id, "url": page.final_url, "ts": _rfc3339(_shown_at(page, blocks)), "title": page.title}
        for page in pages
    )
    return b"".join(_json(line) + b"\n" for line in (head, *lines))


def _shown_at(page: PageResult, blocks: Sequence[ArchivedBlock]) -> datetime:
    """When the document was asked for that the first picture shows; the page's start when nothing tells."""
    url = page.final_url.partition("#")[0]
    times = [
        block.date
        for block in blocks
        if block.replayable
        and block.document
        and block.url.partition("#")[0] == url
        and page.started_at <= block.date <= page.initial_at
    ]
    return max(times, default=page.started_at)


def surt(url: str) -> str:
    """Give the sort-friendly key of a URL: reversed host, port if unusual, path, sorted query, in lower case."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or ""), parts.port
    except ValueError:
        return url.lower().replace(" ", "%20")
    host = _WWW.sub("", host)
    reversed_host = host if re.fullmatch(r"[\d.]+|.*:.*", host) else ",".join(reversed(host.split(".")))
    suffix = f":{port}" if port and port != _DEFAULT_PORTS.get(parts.scheme) else ""
    path = parts.path or "/"
    if len(path) > 1:
        path = path.rstrip("/") or "/"
    query = f"?{'&'.join(sorted(parts.query.lower().split('&')))}" if parts.query else ""
    return f"{reversed_host}{suffix}){path}{query}".lower().replace(" ", "%20")


def _index_line(block: ArchivedBlock) -> bytes:
    entry: dict[str, JsonValue] = {
        "url": block.url,
        "mime": block.mime_type or "unk",
        "status": str(block.status),
        "digest": f"sha256:{block.payload_sha256 or hashlib.sha256().hexdigest()}",
        "length": str(block.length),
        "offset": str(block.offset),
        "filename": "data.warc.gz",
        "recordDigest": f"sha256:{block.member_sha256}",
    }
    if block.method != "GET":
        entry["method"] = block.method
    if block.query:
        entry["requestBody"] = block.query
    at = block.date.strftime("%Y%m%d%H%M%S%f")[:17]
    # Replay programs read an index byte by byte, not as UTF-8: other characters stand there by their numbers.
    fields = json.dumps(entry, separators=(",", ":")).encode()
    return f"{surt(block.url)} {at} ".encode("utf-8", "replace") + fields + b"\n"


def _datapackage(
    resources: Sequence[_Resource], pages: Sequence[PageResult], blocks: Sequence[ArchivedBlock], info: WaczInfo
) -> bytes:
    created = _rfc3339(info.created)
    package: dict[str, JsonValue] = {
        "profile": "data-package",
        "wacz_version": "1.1.1",
        "title": info.title,
        "software": info.software,
        "created": created,
        "modified": created,
        "resources": [
            {
                "name": resource.path.rpartition("/")[2],
                "path": resource.path,
                "hash": f"sha256:{resource.sha256}",
                "bytes": resource.size,
            }
            for resource in resources
        ],
    }
    if pages:
        package["mainPageUrl"] = pages[0].final_url
        package["mainPageDate"] = _rfc3339(_shown_at(pages[0], blocks))
    return json.dumps(package, ensure_ascii=False, indent=2).encode("utf-8", "replace")


def _add(package: zipfile.ZipFile, path: str, data: bytes) -> _Resource:
    package.writestr(_member(path), data)
    return _Resource(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _add_file(package: zipfile.ZipFile, path: str, file: Path) -> _Resource:
    member = _member(path)
    member.file_size = file.stat().st_size
    digest = hashlib.sha256()
    size = 0
    with file.open("rb") as source, package.open(member, "w") as sink:
        while piece := source.read(_PIECE):
            digest.update(piece)
            size += sink.write(piece)
    return _Resource(path=path, size=size, sha256=digest.hexdigest())


def _member(path: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(path, _EPOCH)
    member.create_system = 0  # the same bytes on every operating system
    member.external_attr = 0
    return member


def _json(value: dict[str, JsonValue]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _rfc3339(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
