"""The members of a bundle, each read and hashed once: streamed, only small ones stay in memory."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.errors import FormatError
from evidencekit.hashing.digest import MultiHasher, Sm3
from evidencekit.model import Digests, Outcome, Text
from evidencekit.verify.spool import Spool
from evidencekit.verify.tally import InputMissingError
from evidencekit.verify.wacz import Wacz
from evidencekit.x509.digests import digest_stream
from evidencekit.x509.oids import DIGEST_SIZES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from evidencekit.bundle.reader import Bundle
    from evidencekit.bundle.warc import BlockPlace
    from evidencekit.hashing.digest import KnownSm3

SMALL_BYTES: Final = 16 << 20
_KEPT_BYTES: Final = 1 << 20
_KEPT_TOTAL: Final = 64 << 20
_MAX_VERSION_PEEK: Final = 64 << 10


class Members:
    """What a bundle holds, hashed with both algorithms when it is opened; close it when done.

    Attributes:
        names: of all members, in the order of the container.
        sizes: in bytes, of those that can be read.
        broken: why the others cannot be.
        known: the SM3 of bytes that this process hashed before; empty but for a bundle that it has just made.
        places: where the blocks of a WARC file stand, once it was read whole.
        addresses: SHA-256 of the address that each block states, by record id.
    """

    def __init__(self, bundle: Bundle, known: KnownSm3 | None = None) -> None:
        """Read and hash every member of `bundle`.

        Raises:
            StorageError: there is no room for the copy of a large web archive.
        """
        self.bundle = bundle
        self.known: KnownSm3 = known or {}
        self.names = bundle.names()
        self._there = frozenset(self.names)
        self.sizes: dict[str, int] = {}
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="sm3")
        """One thread that shares the hashing."""
        self._digests: dict[str, Digests] = {}
        self._archive_sha256: str | None = None
        self.broken: dict[str, FormatError] = {}
        self._others: dict[tuple[str, str], bytes] = {}
        self._kept: dict[str, bytes] = {}
        self._kept_total = 0
        self._wacz_digests: dict[str, tuple[int, str]] = {}
        self.places: dict[str, tuple[BlockPlace, ...]] = {}
        self.addresses: dict[str, bytes] = {}
        size = bundle.size(self.archive) if self.archive in bundle else 0
        self._spool = Spool(size, follow=not self.known)
        try:
            for member in self.names:
                self._hash_member(member)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the copy of the web archive and the threads go."""
        self._spool.close()
        self.pool.shutdown(cancel_futures=True)

    @property
    def digests(self) -> dict[str, Digests]:
        """The digests of every member that can be read; waits for the last of them.

        Raises:
            StorageError: the copy of the web archive could not be read.
        """
        if self._archive_sha256 is not None:
            sm3 = self.known.get(self._archive_sha256) or self._spool.sm3()
            self._digests[self.archive] = Digests(sha256=self._archive_sha256, sm3=sm3)
            self._archive_sha256 = None
        return self._digests

    @property
    def archive(self) -> str:
        """The web archive that is there: that of a redacted edition, or the original."""
        return paths.ARCHIVE_EDITION if paths.ARCHIVE_EDITION in self._there else paths.ARCHIVE

    def has(self, name: str) -> bool:
        """Tell whether there is such a member and it can be read."""
        return name in self.sizes

    def digest_of(self, name: str) -> Digests:
        """Return the digests of a member.

        Raises:
            InputMissingError: it is missing or cannot be read.
        """
        found = self._digests.get(name) or self.digests.get(name)
        if found is None:
            raise self._missing(name)
        return found

    def sha256(self, name: str) -> bytes:
        """Return the SHA-256 of a member, 32 bytes.

        Raises:
            InputMissingError: it is missing or cannot be read.
        """
        return bytes.fromhex(self.digest_of(name).sha256)

    def content(self, name: str) -> Callable[[str], bytes | None]:
        """Return what gives the digest of a member by the hash function's name, None for unknown functions.

        Raises:
            InputMissingError: it is missing or cannot be read.
        """
        self.digest_of(name)
        return lambda function: self.digest_with(name, function) if function in DIGEST_SIZES else None

    def digest_with(self, name: str, algorithm: str) -> bytes:
        """Return a member's digest with the named hash function; another one than ours reads it again, once.

        Raises:
            FormatError: a function that this library does not compute.
            InputMissingError: it is missing or cannot be read.
        """
        own = self.digest_of(name)
        if algorithm in {"sha256", "sm3"}:
            return bytes.fromhex(own.sha256 if algorithm == "sha256" else own.sm3)
        if (name, algorithm) not in self._others:
            self._others[name, algorithm] = digest_stream(algorithm, self._stream(name))
        return self._others[name, algorithm]

    def data(self, name: str, *, limit: int = SMALL_BYTES) -> bytes:
        """Return the bytes of a member that has at most `limit`.

        Raises:
            FormatError: it is larger.
            InputMissingError: it is missing or cannot be read.
        """
        if name not in self.sizes:
            raise self._missing(name)
        if self.sizes[name] > limit:
            raise FormatError(
                f"{name}: {self.sizes[name]} bytes, more than the {limit} allowed",
                f"{name}:{self.sizes[name]} 字节，超过上限 {limit}",
            )
        return self._kept[name] if name in self._kept else b"".join(self._stream(name))

    def lines(self, name: str, *, limit: int, longest: int) -> Iterator[bytes]:
        """Give the lines of a member one by one, without their LF.

        Raises:
            FormatError: it or one of its lines is longer than allowed, or the last line has no LF.
            InputMissingError: it is missing or cannot be read.
        """
        if self.has(name) and self.sizes[name] <= limit:
            rest = b""
            for chunk in self._stream(name):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
                if len(rest) > longest:
                    raise FormatError(f"{name}: a line is over {longest} bytes", f"{name}：有一行超过 {longest} 字节")
            if rest:
                raise FormatError(f"{name}: the last line is torn", f"{name}：最后一行不完整")
            return
        self.data(name, limit=limit)

    def numbered(self, stem: str, suffix: str) -> tuple[str, ...]:
        """Name the members `stem-1suffix`, `stem-2suffix`, … in order, gaps passed over."""
        pattern = re.compile(re.escape(stem) + r"-([1-9][0-9]{0,2})" + re.escape(suffix))
        found = [(int(match[1]), name) for name in self.sizes if (match := pattern.fullmatch(name))]
        return tuple(name for _, name in sorted(found))

    @contextmanager
    def open_wacz(self) -> Generator[Wacz]:
        """Open the web archive.

        Raises:
            FormatError: it is no WACZ.
            InputMissingError: it is missing or cannot be read.
        """
        if not self.has(self.archive):
            raise self._missing(self.archive)
        yield Wacz(self._spool.open(), self._wacz_digests)

    def peek(self, name: str) -> bytes:
        """Return the first line of a member, or all of a small document."""
        if name in self._kept:
            return self._kept[name].split(b"\n", 1)[0]
        if self.sizes[name] <= SMALL_BYTES and name.endswith(".json"):
            return self.data(name)
        return next(iter(self._stream(name)), b"")[:_MAX_VERSION_PEEK].split(b"\n", 1)[0]

    def _hash_member(self, name: str) -> None:
        if name == self.archive and self._spool.large:
            self._hash_archive()
            return
        if self.known and name != self.archive and self.bundle.size(name) > _KEPT_BYTES:
            self._hash_made(name)
            return
        hasher = MultiHasher(self.pool)
        keep = self.bundle.size(name) <= _KEPT_BYTES and self._kept_total < _KEPT_TOTAL
        chunks: list[bytes] = []
        try:
            for chunk in self._stream(name):
                hasher.update(chunk)
                if keep:
                    chunks.append(chunk)
                if name == self.archive:
                    self._spool.write(chunk)
        except FormatError as error:
            self.broken[name] = error
            return
        self.sizes[name], self._digests[name] = hasher.size, hasher.digests()
        if keep:
            self._kept[name] = b"".join(chunks)
            self._kept_total += hasher.size

    def _hash_made(self, name: str) -> None:
        """Hash a large member of a bundle that this process made: with SM3 only what is not known."""
        sha256, size = hashlib.sha256(), 0
        try:
            for chunk in self._stream(name):
                sha256.update(chunk)
                size += len(chunk)
            sm3 = self.known.get(sha256.hexdigest())
            if sm3 is None:
                again = Sm3()
                for chunk in self._stream(name):
                    again.update(chunk)
                sm3 = again.hexdigest()
        except FormatError as error:
            self.broken[name] = error
            return
        self.sizes[name], self._digests[name] = size, Digests(sha256=sha256.hexdigest(), sm3=sm3)

    def _hash_archive(self) -> None:
        """Copy a large web archive; its SM3 follows in the spool's own thread."""
        hasher, size = hashlib.sha256(), 0
        try:
            for chunk in self._stream(self.archive):
                self._spool.write(chunk)
                hasher.update(chunk)
                size += len(chunk)
        except FormatError as error:
            self.broken[self.archive] = error
            return
        finally:
            self._spool.finish()
        self.sizes[self.archive], self._archive_sha256 = size, hasher.hexdigest()

    def _stream(self, name: str) -> Iterator[bytes]:
        return self.bundle.stream(name)

    def why_broken(self, name: str) -> Text:
        """Say of a member in `broken` why it cannot be read, naming it once."""
        error = self.broken[name]
        en, zh = error.en.removeprefix(f"{name}: "), error.zh.removeprefix(f"{name}:").removeprefix(f"{name}：")
        return Text(en=f"{name} cannot be read: {en}", zh=f"无法读取 {name}：{zh}")

    def _missing(self, name: str) -> InputMissingError:
        if name in self.broken:
            return InputMissingError(Outcome.FAILED, self.why_broken(name))
        reasons = self.withheld_reasons(name)
        if reasons:
            named = ", ".join(reasons)
            reason = Text(en=f"WITHHELD({named}): {name}", zh=f"不公开(WITHHELD：{named})：{name}")
            return InputMissingError(Outcome.NOT_PERFORMED, reason)
        return InputMissingError(Outcome.NOT_PERFORMED, Text(en=f"{name} is not there", zh=f"缺少 {name}"))

    def withheld_reasons(self, name: str) -> tuple[str, ...]:
        """Say why a member that is not there is not public; who reads the record knows."""
        del name
        return ()
