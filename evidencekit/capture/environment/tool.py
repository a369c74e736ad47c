"""This program: version, digest over its own files, versions of what it depends on (R11, FM15)."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.capture.environment.probe import Observation, Probe, ProbeContext, passed, warned
from evidencekit.model import Text
from evidencekit.version import __version__

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


@cache
def package_digest() -> str:
    """SHA-256 over `<sha256>  <path>` lines of the package's files, byte-sorted by path, as `sha256sum` writes them."""
    root = Path(__file__).resolve().parents[2]
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(root).as_posix()}\n"
        for file in root.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]
    return hashlib.sha256("".join(sorted(lines, key=lambda line: line[66:])).encode()).hexdigest()


def tool_facts() -> dict[str, JsonValue]:
    """Give version, digest and the versions of all dependencies."""
    versions: dict[str, JsonValue] = {}
    try:
        required = metadata.requires("evidencekit") or []
    except metadata.PackageNotFoundError:
        required = []
    for requirement in required:
        name = _NAME.match(requirement)
        if name and "extra ==" not in requirement:
            versions[name[0]] = _version(name[0])
    return {"name": "evidencekit", "version": __version__, "package_sha256": package_digest(), "dependencies": versions}


def probe_tool(_context: ProbeContext) -> Observation:
    """Hash the package and compare its files with the installer's record, where there is one."""
    changed = _changed_files()
    observed: dict[str, JsonValue] = {**tool_facts(), "changed": list(changed)}
    if changed:
        return warned(
            f"{len(changed)} files of the package differ from what was installed",
            f"程序包中有 {len(changed)} 个文件与安装时不同",
            observed,
        )
    return passed("program and dependencies recorded by version and digest", "已记录程序与依赖的版本和摘要", observed)


def _changed_files() -> list[str]:
    """Compare with RECORD (PyPA recording of installed projects): files with another SHA-256 than recorded."""
    try:
        files = metadata.distribution("evidencekit").files or []
    except metadata.PackageNotFoundError:
        return []
    changed = []
    for file in files:
        if file.hash is None or file.hash.mode != "sha256" or file.suffix != ".py":
            continue
        try:
            digest = hashlib.sha256(Path(str(file.locate())).read_bytes()).digest()
        except OSError:
            changed.append(str(file))
            continue
        if _base64url(digest) != file.hash.value:
            changed.append(str(file))
    return changed


def _base64url(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


PROBE = Probe(
    id="tool.package",
    name=Text(en="This program", zh="取证程序"),
    method=Text(en="digests of the package's files, versions of dependencies", zh="程序文件摘要与依赖版本"),
    run=probe_tool,
)
