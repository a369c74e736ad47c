# ruff: noqa: INP001 - a script beside the sources it joins, not a module of a package
"""Puts the offline verifier into one file: `python web/verifier/build.py [--check]`.

The page allows no script and no style but its own, by their SHA-256 (CSP Level 3 §2.3.1), and no network at all.
The result is a pure function of the sources; `--check` exits 1 when the packaged page is not that result.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "evidencekit" / "report" / "templates" / "verify.html"
SCRIPTS = (
    "bytes",
    "digest",
    "merkle",
    "zip",
    "der",
    "x509",
    "cms",
    "tlog",
    "findings",
    "record",
    "seals",
    "verify",
    "page",
)


def source_hash(text: str) -> str:
    """A CSP hash-source without its quotes."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def build() -> str:
    """The whole page."""
    parts = [(HERE / "src" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    script = "(() => {\n'use strict';\n" + "\n".join(parts) + "})();\n"
    style = (HERE / "src" / "page.css").read_text(encoding="utf-8")
    page = (HERE / "index.html").read_text(encoding="utf-8")
    values = {"script_hash": source_hash(script), "style_hash": source_hash(style), "script": script, "style": style}
    for name in ("script_hash", "style_hash", "style", "script"):
        page = page.replace(f"@@{name}", values[name], 1)
    return page


def main(arguments: list[str]) -> int:
    """Writes the page, or with `--check` compares it; returns the exit status."""
    page = build()
    if "--check" in arguments:
        return 0 if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == page else 1
    TARGET.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
