"""What a WACZ says of itself: members, `datapackage.json`, its digest and its own signature.

Source: WACZ 1.1.1 (specs.webrecorder.net/wacz/1.1.1) and wacz-auth 0.1.0. Known validators pass a WACZ without an
index, one with a `datapackage-digest.json` of another archive, one whose signature is over something else, and one
whose signature is not there; here each of these is an error or is never called verified.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, cast

from evidencekit.errors import FormatError
from evidencekit.hashing.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MAX_MEMBERS: Final = 10_000
MAX_JSON_BYTES: Final = 64 << 20
MAX_READ_BYTES: Final = 64 << 20
_CHUNK: Final = 1 << 20
_PACKAGE: Final = "datapackage.json"
_PACKAGE_DIGEST: Final = "datapackage-digest.json"
_STORED_OR_DEFLATED: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One line of `resources`: `sha256` in lower-case hex, `size` in bytes."""

    path: str
    sha256: str
    size: int


class BoundedFile(io.RawIOBase):
    """A seekable file of which nobody reads more than `MAX_READ_BYTES` at once.

    `zipfile` reads a central directory in one piece, as long as the file says it is.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; offsets as in `io.IOBase.seek`."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes, all that is left when it is negative.

        Raises:
            FormatError: more than `MAX_READ_BYTES` are asked for at once.
        """
        if size < 0:
            here = self._file.tell()
            size = self._file.seek(0, io.SEEK_END) - here
            self._file.seek(here)
        if size > MAX_READ_BYTES:
            raise FormatError(f"The WACZ asks for {size} bytes at once.", f"WACZ 要求一次读取 {size} 字节。")
        return self._file.read(size)


class _Hashing:
    """A stream that hashes what is read of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.ended = False

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        data = self._stream.read(size)
        self.sha256.update(data)
        self.size += len(data)
        self.ended = not data and size != 0
        return data


class Wacz:
    """An open WACZ.

    Raises:
        FormatError: not a ZIP, too many members, two of one name, or a compression that WACZ does not use.
    """

    def __init__(self, file: IO[bytes], digests: dict[str, tuple[int, str]] | None = None) -> None:
        """Read the directory; `digests` keeps size and SHA-256 of members that were read to their end."""
        self._digests = {} if digests is None else digests
        with _reading("the WACZ"):
            self._zip = zipfile.ZipFile(BoundedFile(file))
        infos = self._zip.infolist()
        self._infos = {info.filename: info for info in infos if not _is_folder(info)}
        if len(infos) > MAX_MEMBERS or len(self._infos) != sum(not _is_folder(info) for info in infos):
            raise FormatError(f"The WACZ has over {MAX_MEMBERS} members or two of one name.")
        if any(info.compress_type not in _STORED_OR_DEFLATED or info.flag_bits & 1 for info in infos):
            raise FormatError("The WACZ holds a member that is encrypted or neither stored nor deflated.")

    @property
    def names(self) -> frozenset[str]:
        """The paths of all files."""
        return frozenset(self._infos)

    @property
    def archives(self) -> tuple[str, ...]:
        """The paths of the WARC files, sorted."""
        return tuple(sorted(name for name in self._infos if _is_warc(name)))

    @contextmanager
    def open(self, name: str) -> Generator[IO[bytes]]:
        """Open a member for reading once, front to back; whoever reads it to its end has hashed it, too.

        Raises:
            FormatError: it is not there, or its bytes do not fit its directory entry.
        """
        if name not in self._infos:
            raise FormatError(f"The WACZ has no member {name!r}.")
        with _reading(f"{name!r} of the WACZ"), self._zip.open(self._infos[name]) as stream:
            if name in self._digests:
                yield stream
                return
            hashing = _Hashing(stream)
            yield cast("IO[bytes]", hashing)
            if hashing.ended:
                self._digests[name] = hashing.size, hashing.sha256.hexdigest()

    def read_small(self, name: str) -> bytes:
        """Return a member of at most `MAX_JSON_BYTES`.

        Raises:
            FormatError: as `open`, or it is larger.
        """
        with self.open(name) as stream:
            data = stream.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise FormatError(f"{name!r} of the WACZ is over {MAX_JSON_BYTES} bytes.")
        return data

    def digest(self, name: str) -> tuple[int, str]:
        """Return size and SHA-256 of a member, streaming.

        Raises:
            FormatError: as `open`.
        """
        if name not in self._digests:
            with self.open(name) as stream:
                while stream.read(_CHUNK):
                    pass
        return self._digests[name]

    def package(self) -> tuple[bytes, tuple[Resource, ...]]:
        """Return the bytes of `datapackage.json` and its resources.

        Raises:
            FormatError: it is missing or not of WACZ 1.x.
        """
        data = self.read_small(_PACKAGE)
        package = _parse_json(data, _PACKAGE)
        if package.text("profile") != "data-package" or not package.text("wacz_version").startswith("1."):
            raise FormatError("The WACZ's datapackage.json is not of WACZ 1.x.")
        return data, tuple(_parse_resource(item) for item in package.items("resources"))

    def package_digest(self) -> Fields:
        """Return `datapackage-digest.json`.

        Raises:
            FormatError: it is missing or not JSON.
        """
        return _parse_json(self.read_small(_PACKAGE_DIGEST), _PACKAGE_DIGEST)


def check_package(wacz: Wacz) -> tuple[tuple[str, ...], Fields | None]:
    """Check the WACZ's own digests.

    Returns:
        What is wrong, one English sentence each; and the `signedData` object when there is one.

    Raises:
        FormatError: a part that the check reads is missing or malformed.
    """
    data, resources = wacz.package()
    problems = list(_check_structure(wacz))
    listed = [resource.path for resource in resources]
    if len(set(listed)) != len(listed):
        problems.append("datapackage.json lists a resource twice")
    problems += [f"{name} is listed but not there" for name in sorted(set(listed) - wacz.names)]
    unlisted = wacz.names - set(listed) - {_PACKAGE, _PACKAGE_DIGEST}
    problems += [f"{name} is there but not listed" for name in sorted(unlisted)]
    for resource in resources:
        if resource.path in wacz.names and wacz.digest(resource.path) != (resource.size, resource.sha256):
            problems.append(f"{resource.path} does not have the size and digest that datapackage.json states")
    stated = wacz.package_digest()
    own = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if stated.text("path") != _PACKAGE or stated.text("hash") != own:
        problems.append("datapackage-digest.json does not hold the digest of datapackage.json")
    signed = stated.object("signedData") if stated.has("signedData") else None
    if signed is not None and signed.text("hash") != own:
        problems.append("the WACZ's signature is over another datapackage.json")
    return tuple(problems), signed


def _check_structure(wacz: Wacz) -> Iterator[str]:
    if not wacz.archives:
        yield "there is no WARC file under archive/"
    if not any(name.startswith("indexes/") and name.endswith((".cdx", ".cdxj", ".idx")) for name in wacz.names):
        yield "there is no index under indexes/"
    if "pages/pages.jsonl" not in wacz.names:
        yield "there is no pages/pages.jsonl"


def _is_folder(info: zipfile.ZipInfo) -> bool:
    # `ZipInfo.is_dir` of Python 3.11 raises IndexError for an empty name.
    return info.filename.endswith("/")


def _is_warc(name: str) -> bool:
    return name.startswith("archive/") and name.endswith((".warc", ".warc.gz"))


def _parse_resource(item: Fields) -> Resource:
    algorithm, _, digest = item.text("hash").partition(":")
    if algorithm != "sha256":
        raise FormatError(f"A WACZ resource has a {algorithm!r} digest where SHA-256 is read.")
    return Resource(path=item.text("path"), sha256=digest, size=item.integer("bytes"))


def _parse_json(data: bytes, what: str) -> Fields:
    try:
        return Fields(json.loads(data), f"{what} of the WACZ")
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{what} of the WACZ is not JSON: {error}") from error


@contextmanager
def _reading(what: str) -> Generator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FormatError(f"{what} cannot be read: {error}") from error
    except (ValueError, OSError, OverflowError, UnicodeError, struct.error) as error:
        raise FormatError(f"{what} cannot be read: {error}") from error
