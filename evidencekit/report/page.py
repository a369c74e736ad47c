"""The offline verifier page that goes into every bundle, and its digest for those who keep their own copy."""

from __future__ import annotations

import hashlib
from importlib.resources import files


def verifier_page() -> bytes:
    """The bytes of `verify.html`, built from web/verifier; the same in every bundle of one release."""
    return files("evidencekit.report").joinpath("templates", "verify.html").read_bytes()


def verifier_page_sha256() -> str:
    """SHA-256 (hex) of `verify.html`, to be published where a verifier finds it without the bundle."""
    return hashlib.sha256(verifier_page()).hexdigest()
