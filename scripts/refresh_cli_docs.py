"""Write the help of every command, in both languages, into docs/cli.md after its heading "Commands"."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
HEADING = "## Commands\n\n"
COMMANDS = (
    "",
    "capture",
    "record",
    "deposit",
    "verify",
    "inspect",
    "compare",
    "redact",
    "export",
    "timestamp",
    "timestamp stamp",
    "timestamp verify",
    "timestamp renew",
    "timestamp serve",
    "list",
    "amend",
    "ledger",
    "ledger status",
    "ledger checkpoint",
    "ledger prove",
    "ledger fsck",
    "ledger publish",
    "ledger anchor",
    "ledger monitor",
    "ledger witness",
    "ledger witness serve",
    "ledger witness key",
    "sign",
    "identity",
    "identity show",
    "identity create",
    "identity import",
    "identity backup",
    "identity restore",
    "identity rotate",
    "environment",
    "doctor",
    "config",
    "config show",
    "config set",
)


def help_of(command: str, language: str) -> str:
    """Return what the program prints for `--help`, 100 columns wide."""
    arguments = ["--lang", language, *command.split(), "--help"]
    environment = {**os.environ, "COLUMNS": "102"}
    return subprocess.run(
        [sys.executable, "-m", "evidencekit_cli", *arguments],
        capture_output=True,
        check=True,
        encoding="utf-8",
        env=environment | {"PYTHONIOENCODING": "utf-8"},
    ).stdout


def sections() -> str:
    """Return the part of the document that the program writes."""
    parts = []
    for command in COMMANDS:
        name = " ".join(["evidencekit", *command.split()])
        blocks = "\n".join(f"```text\n{help_of(command, language)}```\n" for language in ("en", "zh"))
        parts.append(f"### `{name}`\n{blocks}")
    return "\n".join(parts)


def main() -> None:
    """Rewrite the document."""
    written, _, _ = DOCUMENT.read_text(encoding="utf-8").partition(HEADING)
    DOCUMENT.write_text(written + HEADING + sections(), encoding="utf-8")


if __name__ == "__main__":
    main()
