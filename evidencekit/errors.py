"""Every exception that the library raises on purpose.

```
EvidenceError                what happened, to what, and what to do next; English and Chinese
├── UsageError               a value the caller gave cannot be used            exit 2
│   └── ConfigError          config.toml or an environment variable is wrong   exit 2
├── FormatError              foreign bytes are not what they claim to be       exit 10
│   └── UnknownVersionError  a newer major version: "needs a newer verifier"   exit 10
├── CaptureError             no evidence could be made of the page             exit 11
│   ├── BlockedUrlError      the URL or the address it leads to is refused
│   ├── NavigationError      DNS, connection, TLS or HTTP failure
│   ├── BrowserError         no browser, or it died
│   │   └── NoAnswerError    it, or the page in it, did not answer in time
│   ├── MinimumError         URL, source or full-page image is missing (R01)
│   └── EnvironmentFailedError  a probe saw a sign of forgery, and that was to stop the capture   exit 1
├── SigningError             a key or a signer does not work                   exit 12
├── TimestampError           a time-stamp could not be had                     exit 13
│   ├── TsaUnreachableError  no answer
│   ├── TsaRejectedError     the TSA said no (PKIFailureInfo)
│   ├── TsaResponseError     an answer that proves nothing
│   └── TransportError       no complete HTTP answer within the bounds; callers translate it
├── LedgerError              the ledger refuses                                exit 14
│   ├── LedgerLockedError    another process writes
│   ├── LedgerCorruptError   what is stored does not hash to what was signed
│   ├── LedgerRollbackError  the ledger is older than something it published
│   ├── LedgerBusyError      the queue is full: push-back
│   └── LedgerUnreachableError  its database does not answer; the last outcome is open
└── StorageError             disk, permissions, existing output, locked home   exit 15
```

"Does not verify" is not an exception: it is a `Finding`.
"""

from __future__ import annotations

from typing import ClassVar


class EvidenceError(Exception):
    """Base of all errors; `en` and `zh` say what happened, to what, and what to do next."""

    code: ClassVar[str] = "error"

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.en = en
        self.zh = zh


class UsageError(EvidenceError):
    """A value the caller gave cannot be used."""

    code = "usage"


class ConfigError(UsageError):
    """`config.toml` or an environment variable is wrong."""

    code = "config"


class FormatError(EvidenceError):
    """Foreign bytes are not what they claim to be."""

    code = "format"

    def __init__(self, en: str, zh: str = "") -> None:
        super().__init__(en, zh or f"格式错误:{en}")


class UnknownVersionError(FormatError):
    """The document has a newer major version than this program reads."""

    code = "format.version"


class CaptureError(EvidenceError):
    """No evidence could be made of the page."""

    code = "capture"


class BlockedUrlError(CaptureError):
    """The URL, or an address it leads to, is refused by policy."""

    code = "capture.blocked"


class NavigationError(CaptureError):
    """The page could not be reached: DNS, connection, TLS, HTTP status, timeout, download."""

    code = "capture.navigation"


class BrowserError(CaptureError):
    """There is no usable browser, or it died."""

    code = "capture.browser"


class NoAnswerError(BrowserError):
    """The browser, or the page in it, did not answer in time; it may yet be there."""

    code = "capture.no_answer"


class PageScriptError(BrowserError):
    """A script that reads or moves the page, in a world of its own, met a page that it was not made for."""

    code = "capture.page_script"


class MinimumError(CaptureError):
    """The evidential minimum (URL, HTML source, full-page image with time; R01) is incomplete."""

    code = "capture.minimum"


class EnvironmentFailedError(CaptureError):
    """A probe of the environment saw a sign of forgery, and the caller asked to stop then."""

    code = "capture.environment"


class SigningError(EvidenceError):
    """A key or a signer does not work."""

    code = "signing"


class TimestampError(EvidenceError):
    """A time-stamp could not be had."""

    code = "timestamp"


class TsaUnreachableError(TimestampError):
    """The TSA gave no answer."""

    code = "timestamp.unreachable"


class TsaRejectedError(TimestampError):
    """The TSA answered with a rejection (RFC 3161 §2.4.2, PKIFailureInfo)."""

    code = "timestamp.rejected"


class TsaResponseError(TimestampError):
    """The TSA answered with something that proves nothing."""

    code = "timestamp.response"


class TransportError(TimestampError):
    """No complete HTTP answer within size and time bounds; callers translate it into an error of their own."""

    code = "timestamp.transport"


class LedgerError(EvidenceError):
    """The ledger refuses."""

    code = "ledger"


class LedgerLockedError(LedgerError):
    """Another process writes to this ledger."""

    code = "ledger.locked"


class LedgerCorruptError(LedgerError):
    """What is stored does not hash to what was signed."""

    code = "ledger.corrupt"


class LedgerRollbackError(LedgerError):
    """The ledger is older than something it has already published."""

    code = "ledger.rollback"


class LedgerBusyError(LedgerError):
    """The submission queue is full."""

    code = "ledger.busy"


class LedgerUnreachableError(LedgerError):
    """The database of the ledger does not answer; whether the last entries were appended is open."""

    code = "ledger.unreachable"


class StorageError(EvidenceError):
    """Disk full, no permission, output exists, home locked or from a newer version."""

    code = "storage"
