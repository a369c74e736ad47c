"""Exit statuses: what a script may rely on (docs/cli.md).

1 means that evidence does not verify, or that a probe of the environment FAILED, and nothing else;
Python's own tracebacks and click's defaults also use 1, so `main.run` never lets either decide.
"""

from __future__ import annotations

from enum import IntEnum

from evidencekit import errors


class ExitCode(IntEnum):
    """Every status this program ends with."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNDECIDED = 3
    FORMAT = 10
    CAPTURE = 11
    SIGNING = 12
    TIMESTAMP = 13
    LEDGER = 14
    STORAGE = 15
    BUG = 70
    INTERRUPTED = 130


_BY_ERROR: dict[type[errors.EvidenceError], ExitCode] = {
    errors.UsageError: ExitCode.USAGE,
    errors.FormatError: ExitCode.FORMAT,
    errors.CaptureError: ExitCode.CAPTURE,
    errors.EnvironmentFailedError: ExitCode.FAILED,
    errors.SigningError: ExitCode.SIGNING,
    errors.TimestampError: ExitCode.TIMESTAMP,
    errors.LedgerError: ExitCode.LEDGER,
    errors.StorageError: ExitCode.STORAGE,
}


def exit_code_for(kind: type[errors.EvidenceError]) -> ExitCode:
    """Return the status for an error class: that of its nearest registered ancestor.

    A class that nobody registered is an omission of ours, hence `BUG`.
    """
    for ancestor in kind.__mro__:
        if ancestor in _BY_ERROR:
            return _BY_ERROR[ancestor]
    return ExitCode.BUG
