"""Every error class has its exit status, and none of them is 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evidencekit import errors
from evidencekit_cli.exit_codes import ExitCode, exit_code_for

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPECTED = {
    errors.UsageError: 2,
    errors.ConfigError: 2,
    errors.FormatError: 10,
    errors.UnknownVersionError: 10,
    errors.CaptureError: 11,
    errors.BlockedUrlError: 11,
    errors.NavigationError: 11,
    errors.BrowserError: 11,
    errors.MinimumError: 11,
    errors.SigningError: 12,
    errors.TimestampError: 13,
    errors.TsaUnreachableError: 13,
    errors.TsaRejectedError: 13,
    errors.TsaResponseError: 13,
    errors.LedgerError: 14,
    errors.LedgerLockedError: 14,
    errors.LedgerCorruptError: 14,
    errors.LedgerRollbackError: 14,
    errors.LedgerBusyError: 14,
    errors.StorageError: 15,
}


def descendants(kind: type[errors.EvidenceError]) -> Iterator[type[errors.EvidenceError]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


@pytest.mark.parametrize(("kind", "status"), EXPECTED.items())
def test_status_is_the_documented_one(kind: type[errors.EvidenceError], status: int) -> None:
    assert exit_code_for(kind) == status


def test_every_error_class_of_the_library_has_a_status() -> None:
    ours = [kind for kind in descendants(errors.EvidenceError) if kind.__module__.startswith("evidencekit")]
    assert len(ours) >= len(EXPECTED)
    # A capture that a forged environment stops is a FAILED check, not a capture that could not be made.
    failed = [errors.EnvironmentFailedError]
    assert [kind for kind in ours if exit_code_for(kind) in (ExitCode.BUG, ExitCode.FAILED, ExitCode.OK)] == failed


def test_an_unregistered_class_is_a_bug() -> None:
    assert exit_code_for(errors.EvidenceError) is ExitCode.BUG
