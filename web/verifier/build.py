# ruff: noqa: INP001 - a script beside the sources it builds, not a module of a package
"""Builds the offline verifier into one file: `python web/verifier/build.py [--check]`.

Node.js does the bundling, with the versions that package-lock.json pins; the registry of finding ids is the library's
own. The result is a pure function of these; `--check` exits 1 when the packaged page is not that result.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from evidencekit.report.wording import CHECKS, Layer, layers_of
from evidencekit.verify.outcome import REGISTRY

HERE = Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "evidencekit" / "report" / "templates" / "verify.html"


def registry() -> dict[str, object]:
    """The ids, whether they bound the verdict, and what they and their layers are called."""
    captured, deposited = ([_spelt(layer) for layer in layers_of(deposit=deposit)] for deposit in (False, True))
    kinds = [
        {
            "id": kind.id,
            "layer": kind.layer.value,
            "required": kind.required.value,
            "name": _name(kind.id),
        }
        for kind in REGISTRY
    ]
    return {"kinds": kinds, "layers": captured, "deposit_layers": deposited}


def _name(identifier: str) -> dict[str, str]:
    named = CHECKS.get(identifier)
    return {"en": identifier, "zh": identifier} if named is None else {"en": named.name.en, "zh": named.name.zh}


def _spelt(layer: Layer) -> dict[str, object]:
    parts = {"name": layer.name, "proves": layer.proves, "limits": layer.limits}
    return {"id": layer.id, **{part: {"en": text.en, "zh": text.zh} for part, text in parts.items()}}


def install() -> None:
    """Fetch the pinned packages once; the lock file's digests are checked by npm."""
    stamp, lock = HERE / "node_modules" / ".package-lock.json", HERE / "package-lock.json"
    if not stamp.is_file() or stamp.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=HERE, check=True)  # noqa: S607 - npm from the path
        stamp.touch()


def build() -> str:
    """The whole page."""
    install()
    command = ["node", "build.mjs"]
    built = subprocess.run(command, cwd=HERE, input=json.dumps(registry()).encode(), stdout=subprocess.PIPE, check=True)  # noqa: S603 - a fixed command
    return built.stdout.decode("utf-8")


def main(arguments: list[str]) -> int:
    """Writes the page, or with `--check` compares it; returns the exit status."""
    page = build()
    if "--check" in arguments:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == page:
            return 0
        sys.stderr.write(f"{TARGET.name} is not what its sources give; run `python web/verifier/build.py`\n")
        return 1
    TARGET.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
