"""Lists, documents, archives and containers that say the same in other bytes, or the like of it in the same form.

One true spelling is what lets two verifiers agree; where a spelling is free, both must take it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import struct
import warnings
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evidencekit.bundle import paths
from tests.conformance.forgeries import CASES, Exhibit, Forgery, Workshop, _gzip_members, _hook, _reseal, _sums
from tests.conformance.hostile import DEFLATED, Entry, entries_of, forge

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.assembly import Members

# --- lists of digests ------------------------------------------------------------------------------------


def _lines_swapped(data: bytes) -> bytes:
    first, second, *rest = data.splitlines(keepends=True)
    return b"".join([second, first, *rest])


def _digests_swapped(data: bytes) -> bytes:
    """The digests of the first two members change places, and the names stay."""
    one, other, *_ = re.findall(rb"[0-9a-f]{64}", data)
    return data.replace(one, b"?").replace(other, one).replace(b"?", other)


def _with_absent(data: bytes) -> bytes:
    line = b"SM3 (zzz.txt) = %s\n" if data.startswith(b"SM3") else b"%s  zzz.txt\n"
    return data + line % (b"0" * 64)


_LISTS: dict[str, Callable[[bytes], bytes]] = {
    "lines_swapped": _lines_swapped,
    "digests_swapped": _digests_swapped,
    "line_twice": lambda data: data.splitlines(keepends=True)[0] + data,
    "crlf": lambda data: data.replace(b"\n", b"\r\n"),
    "bom": lambda data: b"\xef\xbb\xbf" + data,
    "torn": lambda data: data[:-1],
    "of_absent": _with_absent,
}
for _path, _label in ((paths.SHA256SUMS, "sha256"), (paths.SM3SUMS, "sm3")):
    for _name, _change in _LISTS.items():
        CASES[f"sums_{_label}_{_name}_fail"] = _sums(_path, _change)
CASES["sums_sha256_capitals_fail"] = _sums(paths.SHA256SUMS, lambda data: data[:64].upper() + data[64:])
CASES["sums_sha256_binary_mark_fail"] = _sums(paths.SHA256SUMS, lambda data: data.replace(b"  ", b" *"))

# --- documents -------------------------------------------------------------------------------------------


def _manifest_bytes(old: bytes, new: bytes) -> Forgery:
    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new)

    return _hook(manifest_bytes=change)


CASES["json_bom_fail"] = _hook(manifest_bytes=lambda data: b"\xef\xbb\xbf" + data)
CASES["json_line_feed_fail"] = _hook(manifest_bytes=lambda data: data + b"\n")
CASES["json_second_value_fail"] = _hook(manifest_bytes=lambda data: data + b"{}")
CASES["json_utf16_fail"] = _hook(manifest_bytes=lambda data: data.decode().encode("utf-16"))
CASES["json_escape_fail"] = _manifest_bytes(b'"loaded"', b'"l\\u006faded"')
CASES["json_fraction_fail"] = _manifest_bytes(b'"version":1,"withheld"', b'"version":1.0,"withheld"')
CASES["json_minus_zero_fail"] = _manifest_bytes(b'"after_t_capture":0', b'"after_t_capture":-0')
CASES["json_beyond_exact_numbers_fail"] = _manifest_bytes(b'"body_bytes":20', b'"body_bytes":9007199254740993')
CASES["json_unknown_field"] = _hook(manifest_bytes=lambda data: data[:-1] + b',"zzz":1}')


def _file(name: str, change: Callable[[bytes], bytes]) -> Forgery:
    return _hook(files=lambda files: files | {name: change(files[name])})


def _later(name: str, change: Callable[[bytes], bytes]) -> Forgery:
    return _reseal(lambda members: members.update({name: change(members[name])}))


CASES["exchanges_crlf_fail"] = _file(paths.EXCHANGES, lambda data: data.replace(b"\n", b"\r\n"))
CASES["exchanges_torn_fail"] = _file(paths.EXCHANGES, lambda data: data[:-1])
CASES["exchanges_count_lies_fail"] = _file(paths.EXCHANGES, lambda data: data.replace(b'"count":2', b'"count":3'))
CASES["exchanges_address_other_fail"] = _file(
    paths.EXCHANGES, lambda data: data.replace(b'"url":"https://shop.test/"}', b'"url":"https://other.test/"}', 1)
)
CASES["records_blank_line_fail"] = _later(paths.RECORDS, lambda data: data + b"\n")
CASES["records_lines_swapped_fail"] = _later(
    paths.RECORDS, lambda data: data.splitlines(keepends=True)[0] + _lines_swapped(data.partition(b"\n")[2])
)
CASES["worklog_torn_fail"] = _file(paths.WORKLOG, lambda data: data[:-1])
CASES["worklog_twice_fail"] = _file(paths.WORKLOG, lambda data: data * 2)
CASES["custody_torn_fail"] = _later(paths.CUSTODY, lambda data: data[:-1])
CASES["custody_line_twice_fail"] = _later(paths.CUSTODY, lambda data: data + data.splitlines(keepends=True)[-1])
CASES["entry_line_feed_fail"] = _later(paths.ENTRY, lambda data: data + b"\n")

# --- the archive -----------------------------------------------------------------------------------------


def _package(change: Callable[[list[dict[str, Any]], Members], object]) -> Forgery:
    """Change the resources of the WACZ, and what states the digest of their list."""

    def edit(data: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as source:
            members = {name: source.read(name) for name in source.namelist()}
        package = json.loads(members["datapackage.json"])
        change(package["resources"], members)
        members["datapackage.json"] = json.dumps(package).encode()
        digest = f"sha256:{hashlib.sha256(members['datapackage.json']).hexdigest()}"
        members["datapackage-digest.json"] = json.dumps({"path": "datapackage.json", "hash": digest}).encode()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as target:
            for name, content in members.items():
                target.writestr(zipfile.ZipInfo(name), content)
        return out.getvalue()

    return _hook(wacz=edit)


def _resource(path: str, data: bytes, algorithm: str = "sha256") -> dict[str, Any]:
    digest = hashlib.new(algorithm, data).hexdigest()
    return {"name": path.rpartition("/")[2], "path": path, "hash": f"{algorithm}:{digest}", "bytes": len(data)}


def _second_archive(unpack: Callable[[bytes], bytes], path: str) -> Forgery:
    """The blocks once more, in another file of the archive."""

    def change(resources: list[dict[str, Any]], members: Members) -> None:
        members[path] = unpack(members["archive/data.warc.gz"])
        resources.append(_resource(path, members[path]))

    return _package(change)


def _same_name_twice(data: bytes) -> bytes:
    out = io.BytesIO(data)
    with warnings.catch_warnings(), zipfile.ZipFile(out, "a") as target:
        warnings.simplefilter("ignore", UserWarning)
        target.writestr(zipfile.ZipInfo("pages/pages.jsonl"), b"{}\n")
    return out.getvalue()


CASES["wacz_resource_absent_fail"] = _package(lambda resources, _: resources.append(_resource("logs/x.log", b"x")))
CASES["wacz_resource_outside_fail"] = _package(lambda resources, _: resources.append(_resource("../../x.log", b"x")))
CASES["wacz_resource_twice_fail"] = _package(lambda resources, _: resources.append(resources[0]))
CASES["wacz_resource_resized_fail"] = _package(lambda resources, _: resources[0].update(bytes=1))
CASES["wacz_digest_md5_fail"] = _package(
    lambda resources, members: resources[0].update(
        _resource(resources[0]["path"], members[resources[0]["path"]], "md5")
    )
)
CASES["wacz_second_archive_fail"] = _second_archive(lambda data: data, "archive/more.warc.gz")
CASES["wacz_plain_archive_fail"] = _second_archive(gzip.decompress, "archive/more.warc")
CASES["wacz_name_twice_fail"] = _hook(wacz=_same_name_twice)


def _last_record(change: Callable[[bytes], bytes]) -> Forgery:
    def edit(data: bytes) -> bytes:
        *rest, last = _gzip_members(data)
        return b"".join([*rest, gzip.compress(change(gzip.decompress(last)), mtime=0)])

    return _hook(warc=edit)


def _shorter(record: bytes) -> bytes:
    return re.sub(rb"(Content-Length: )(\d+)", lambda found: found[1] + b"%d" % (int(found[2]) - 1), record, count=1)


def _responses_first(data: bytes) -> bytes:
    info, request, response = _gzip_members(data)
    return info + response + request


CASES["archive_packed_otherwise"] = _last_record(lambda record: record)
CASES["archive_order_other"] = _hook(warc=_responses_first)
CASES["archive_digest_stated_wrongly_fail"] = _last_record(
    lambda record: re.sub(rb"(Block-Digest: sha256:)....", rb"\g<1>0000", record)
)
CASES["archive_length_stated_wrongly_fail"] = _last_record(_shorter)
CASES["archive_address_other_fail"] = _last_record(
    lambda record: re.sub(rb"(WARC-Target-URI: )[^\r]+", rb"\g<1>https://other.test/", record)
)
CASES["archive_address_gone_fail"] = _last_record(lambda record: re.sub(rb"WARC-Target-URI: [^\r]+\r\n", b"", record))
CASES["archive_type_other_fail"] = _last_record(lambda record: record.replace(b"Type: response", b"Type: resource", 1))
CASES["archive_type_twice_fail"] = _last_record(
    lambda record: record.replace(b"\r\n", b"\r\nWARC-Type: request\r\n", 1)
)
CASES["archive_line_feeds_alone_fail"] = _last_record(lambda record: record.replace(b"\r\n", b"\n"))
CASES["archive_records_in_one_member_fail"] = _hook(warc=lambda data: gzip.compress(gzip.decompress(data), mtime=0))
CASES["archive_zeros_after_fail"] = _hook(warc=lambda data: data + bytes(64))
CASES["archive_crc_wrong_fail"] = _hook(warc=lambda data: data[:-8] + bytes(4) + data[-4:])
CASES["archive_info_gone_fail"] = _hook(warc=lambda data: b"".join(_gzip_members(data)[1:]))

# --- the container packed again ------------------------------------------------------------------------------

_UNIX_TIMES = struct.pack("<2HBII", 0x5455, 9, 3, 1, 1), struct.pack("<2HBI", 0x5455, 5, 3, 1)
"""What Info-ZIP adds to each member: in its own header and in the directory."""
_FOLDER = 0o040755 << 16


def _repacked(pack: Callable[[list[Entry]], bytes]) -> Forgery:
    def make(shop: Workshop) -> Exhibit:
        return Exhibit(data=pack(entries_of(shop.members())), trust=shop.keys.trust)

    return make


class _Pipe(io.RawIOBase):
    """Takes bytes and cannot be wound back, so that sizes and CRCs follow the data."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


def _streamed(entries: list[Entry]) -> bytes:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in entries:
            archive.writestr(zipfile.ZipInfo(entry.name.decode()), entry.data, zipfile.ZIP_DEFLATED)
    return bytes(pipe.data)


CASES["repacked_with_unix_times"] = _repacked(
    lambda entries: forge(replace(one, local_extra=_UNIX_TIMES[0], extra=_UNIX_TIMES[1]) for one in entries)
)
CASES["repacked_with_folders"] = _repacked(
    lambda entries: forge([*entries, Entry(name=b"capture/", attributes=_FOLDER)])
)
CASES["repacked_names_utf8"] = _repacked(lambda entries: forge(replace(one, flags=0x800) for one in entries))
CASES["repacked_mimetype_last"] = _repacked(lambda entries: forge([*entries[1:], entries[0]]))
CASES["repacked_mimetype_deflated"] = _repacked(
    lambda entries: forge([replace(entries[0], method=DEFLATED), *entries[1:]])
)
CASES["repacked_from_a_pipe"] = _repacked(_streamed)
