"""What is verified: a bundle whose every member was read and hashed once, with the caller's arguments.

Documents are parsed once, and a document that cannot be read fails its own check alone: the checks that merely need it
are not performed, with that reason.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from evidencekit.bundle import paths
from evidencekit.errors import FormatError, UnknownVersionError, UsageError
from evidencekit.hashing.manifest import MAX_MANIFEST_BYTES, parse_manifest
from evidencekit.hashing.records import MAX_FILE_BYTES, parse_records
from evidencekit.model import Outcome, Text
from evidencekit.verify.members import SMALL_BYTES, Members
from evidencekit.verify.tally import InputMissingError
from evidencekit.verify.trust import Trust, trust_from_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from evidencekit.bundle.reader import Bundle
    from evidencekit.hashing.digest import KnownSm3
    from evidencekit.hashing.manifest import Manifest
    from evidencekit.hashing.records import Records

_KEPT_REVOCATIONS: Final = ("proof/seal/", "proof/tsa/")
_MAX_KEPT: Final = 16
"""So many files of each kind are read."""
_T = TypeVar("_T")


class Case(Members):
    """One bundle under verification: its members, its documents, the anchors and the time."""

    def __init__(self, bundle: Bundle, name: str, *, trust: Trust, at: datetime, known: KnownSm3 | None = None) -> None:
        super().__init__(bundle, known)
        self.name = name
        self.at = at
        self.trust = self._with_own(trust)
        self.crls = (*self.trust.crls_der, *self._kept_revocations(".crl"))
        self.ocsp = (*self.trust.ocsp, *self._kept_revocations(".ocsp"))

    @property
    def exchanges(self) -> str:
        """The list of exchanges that is there, likewise."""
        return paths.EXCHANGES_EDITION if paths.EXCHANGES_EDITION in self._there else paths.EXCHANGES

    def read_manifest(self) -> Manifest:
        """Give the manifest, for the check that is about its form.

        Raises:
            FormatError: it is not one.
            InputMissingError: it is missing or cannot be read.
        """
        return _give(self._manifest)

    def read_records(self) -> Records:
        """Give the openings, for the check that is about their form.

        Raises:
            FormatError: they are none.
            InputMissingError: they are missing or cannot be read.
        """
        return _give(self._records)

    @property
    def manifest(self) -> Manifest:
        """The manifest, for checks that need it.

        Raises:
            InputMissingError: it cannot be read; `manifest.form` says why.
        """
        return _demand(self._manifest, paths.MANIFEST)

    @property
    def records(self) -> Records:
        """The openings, for checks that need them.

        Raises:
            InputMissingError: they cannot be read; `manifest.artifacts` says why.
        """
        return _demand(self._records, paths.RECORDS)

    @property
    def named_signer(self) -> str | None:
        """The SHA-256 of the certificate that the manifest names, None when the manifest cannot be read."""
        return None if isinstance(self._manifest, Exception) else self._manifest.signer.certificate_sha256

    @cached_property
    def _manifest(self) -> Manifest | FormatError | InputMissingError:
        return _attempt(lambda: parse_manifest(self.data(paths.MANIFEST, limit=MAX_MANIFEST_BYTES)))

    @cached_property
    def _records(self) -> Records | FormatError | InputMissingError:
        return _attempt(lambda: parse_records(self.data(paths.RECORDS, limit=MAX_FILE_BYTES)))

    def newer(self) -> dict[str, Text]:
        """Name the documents that state a newer major version than this program reads."""
        found: dict[str, Text] = {}
        for name in self.names:
            if name.endswith((".json", ".jsonl")) and self.has(name):
                version = _stated_version(self.peek(name))
                if version is not None and version > 1:
                    text = Text(en=f"version {version} needs a newer verifier", zh=f"第 {version} 版需要更新的验证程序")
                    found[name] = text
        return found

    def withheld_reasons(self, name: str) -> tuple[str, ...]:
        """Say why the record does not show a member that is not there."""
        if name == paths.RECORDS or isinstance(self._records, Exception):
            return ()
        return next((line.withheld for line in self._records.artifacts if line.path == name), ())

    def _kept_revocations(self, suffix: str) -> list[bytes]:
        """What was fetched when the record was signed and stamped; each is believed for its signature alone."""
        names = [name for name in self.sizes if name.startswith(_KEPT_REVOCATIONS) and name.endswith(suffix)]
        return [self.data(name) for name in sorted(names)[:_MAX_KEPT] if self.sizes[name] <= SMALL_BYTES]

    def _with_own(self, trust: Trust) -> Trust:
        if not trust.self_bundle:
            return trust
        folder = [name for name in self.names if name.startswith("trust/") and self.has(name)]
        try:
            return trust.merged(trust_from_files((name, self.data(name)) for name in folder))
        except (UsageError, FormatError):
            return trust


def _attempt(read: Callable[[], _T]) -> _T | FormatError | InputMissingError:
    """Parse once: a document that cannot be read is not read again for every check."""
    try:
        return read()
    except (FormatError, InputMissingError) as error:
        return error


def _give(found: _T | FormatError | InputMissingError) -> _T:
    if isinstance(found, FormatError | InputMissingError):
        raise found
    return found


def _demand(found: _T | FormatError | InputMissingError, what: str) -> _T:
    match found:
        case UnknownVersionError():
            raise InputMissingError(Outcome.INDETERMINATE, Text(en=found.en, zh=found.zh))
        case FormatError():
            reason = Text(en=f"{what} cannot be read, so this was not checked", zh=f"{what} 不可读，故未核对")
            raise InputMissingError(Outcome.NOT_PERFORMED, reason)
        case InputMissingError():
            raise InputMissingError(Outcome.NOT_PERFORMED, found.reason)
        case _:
            return found


def _stated_version(line: bytes) -> int | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not str(value.get("format", "")).startswith("evidencekit/"):
        return None
    version = value.get("version")
    return version if isinstance(version, int) else None
