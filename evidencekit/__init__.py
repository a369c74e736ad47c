"""Preserve web pages as evidence that others can check offline.

```python
import evidencekit

evidence = evidencekit.preserve("https://example.com/")
report = evidencekit.verify_bundle(evidence.bundle, trust=evidencekit.load_trust(["signer=notary.pem"]))
print(report.overall, report.headline.en)
```

Everything in `__all__` is the promise; submodules may change. Importing this package loads none of its dependencies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.version import __version__

if TYPE_CHECKING:
    from evidencekit.amending import Amendment, amend
    from evidencekit.bundle.reader import open_bundle
    from evidencekit.capture.launcher import BrowserOptions, find_browser
    from evidencekit.capture.request import CaptureRequest, Limits, Mode
    from evidencekit.depositing import DepositRequest, deposit
    from evidencekit.errors import (
        CaptureError,
        ConfigError,
        EvidenceError,
        FormatError,
        LedgerError,
        SigningError,
        StorageError,
        TimestampError,
        UsageError,
    )
    from evidencekit.hashing.deposit import DepositKind
    from evidencekit.home import Home
    from evidencekit.ledger.entry import Status
    from evidencekit.ledger.keeping import Database, Standing
    from evidencekit.ledger.log import Ledger
    from evidencekit.ledger.proof import check_proof
    from evidencekit.ledger.witnessing import Witnessing
    from evidencekit.model import (
        Digests,
        EnvironmentControl,
        Finding,
        Operator,
        Outcome,
        Relationship,
        Text,
        VerificationReport,
    )
    from evidencekit.notary import Evidence, preserve
    from evidencekit.recovery import recover
    from evidencekit.report.machine import report_json
    from evidencekit.report.terminal import render_text
    from evidencekit.signing.cades import check_detached, sign_detached
    from evidencekit.signing.signer import KeySigner, Signer
    from evidencekit.timestamp.authority import Authority
    from evidencekit.timestamp.check import check_token
    from evidencekit.timestamp.client import EmbeddedTsa, TsaConfig, stamp
    from evidencekit.verify.policy import Policy, load_policy
    from evidencekit.verify.trust import Trust, load_trust
    from evidencekit.verify.verifier import verify_bundle
else:
    _HOMES = {
        "bundle.reader": ("open_bundle",),
        "capture.launcher": ("BrowserOptions", "find_browser"),
        "capture.request": ("CaptureRequest", "Limits", "Mode"),
        "errors": (
            "CaptureError",
            "ConfigError",
            "EvidenceError",
            "FormatError",
            "LedgerError",
            "SigningError",
            "StorageError",
            "TimestampError",
            "UsageError",
        ),
        "amending": ("Amendment", "amend"),
        "depositing": ("DepositRequest", "deposit"),
        "hashing.deposit": ("DepositKind",),
        "home": ("Home",),
        "ledger.entry": ("Status",),
        "ledger.keeping": ("Database", "Standing"),
        "ledger.witnessing": ("Witnessing",),
        "ledger.log": ("Ledger",),
        "ledger.proof": ("check_proof",),
        "model": (
            "Digests",
            "EnvironmentControl",
            "Finding",
            "Operator",
            "Outcome",
            "Relationship",
            "Text",
            "VerificationReport",
        ),
        "notary": ("Evidence", "preserve"),
        "recovery": ("recover",),
        "report.machine": ("report_json",),
        "report.terminal": ("render_text",),
        "signing.cades": ("check_detached", "sign_detached"),
        "signing.signer": ("KeySigner", "Signer"),
        "timestamp.authority": ("Authority",),
        "timestamp.check": ("check_token",),
        "timestamp.client": ("EmbeddedTsa", "TsaConfig", "stamp"),
        "verify.policy": ("Policy", "load_policy"),
        "verify.trust": ("Trust", "load_trust"),
        "verify.verifier": ("verify_bundle",),
    }
    _HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for (PEP 562)."""
        if name not in _HOME_OF:
            raise AttributeError(f"module 'evidencekit' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"evidencekit.{_HOME_OF[name]}"), name)

    def __dir__() -> list[str]:
        return sorted([*globals(), *_HOME_OF])


__all__ = [
    "Amendment",
    "Authority",
    "BrowserOptions",
    "CaptureError",
    "CaptureRequest",
    "ConfigError",
    "Database",
    "DepositKind",
    "DepositRequest",
    "Digests",
    "EmbeddedTsa",
    "EnvironmentControl",
    "Evidence",
    "EvidenceError",
    "Finding",
    "FormatError",
    "Home",
    "KeySigner",
    "Ledger",
    "LedgerError",
    "Limits",
    "Mode",
    "Operator",
    "Outcome",
    "Policy",
    "Relationship",
    "Signer",
    "SigningError",
    "Standing",
    "Status",
    "StorageError",
    "Text",
    "TimestampError",
    "Trust",
    "TsaConfig",
    "UsageError",
    "VerificationReport",
    "Witnessing",
    "__version__",
    "amend",
    "check_detached",
    "check_proof",
    "check_token",
    "deposit",
    "find_browser",
    "load_policy",
    "load_trust",
    "open_bundle",
    "preserve",
    "recover",
    "render_text",
    "report_json",
    "sign_detached",
    "stamp",
    "verify_bundle",
]
