"""Root certificates that an administrator added to the system's store (R09, FM3).

Chromium has a store of its own, but a company's or a forger's interception usually leaves its root here, too.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.capture.environment.commands import output_of
from evidencekit.capture.environment.probe import (
    Observation,
    Probe,
    ProbeContext,
    not_performed,
    passed,
    warned,
)
from evidencekit.model import Text

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

_MOST_FILES = 500
_MOST_BYTES = 1 << 20
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_NO_SETTINGS = "No Trust Settings were found"


def probe_system_roots(context: ProbeContext) -> Observation:
    """List what was added by hand: local folders on Linux, admin trust settings on macOS."""
    if context.options.system == "darwin":
        said = output_of("security", "dump-trust-settings", "-d")
        if said is None or _NO_SETTINGS in said:
            # The command ends with an error when there are none, and also when it may not look.
            return not_performed(
                "the administrator's trust settings are empty or cannot be read",
                "管理员信任设置为空或无法读取",
            )
        return _judge([line.strip() for line in said.splitlines() if line.startswith("Cert ")], said)
    if not context.options.system.startswith("linux"):
        return not_performed(
            "added certificates are not told from the system's own here", "本系统上无法区分另行添加的证书与系统自带证书"
        )
    found: dict[str, str] = {}
    for folder in context.options.root_folders:
        for file in sorted(folder.rglob("*"))[:_MOST_FILES] if folder.is_dir() else ():
            for digest in _certificates(file):
                found[digest] = str(file)
    raw = "\n".join(f"SHA-256 {digest}  {file}" for digest, file in found.items())
    return _judge([Path(file).name for file in found.values()], raw)


def _judge(found: list[str], raw: str) -> Observation:
    observed: dict[str, JsonValue] = {"certificates": list(found)}
    if found:
        return warned(
            f"{len(found)} root certificates were added to this system (the browser uses its own store, not this one): "
            f"{', '.join(found[:3])}",
            f"系统中另行添加了 {len(found)} 个根证书（浏览器使用自带的根证书库，不采信此处）：{'、'.join(found[:3])}",
            observed,
            raw,
        )
    return passed(
        "no root certificate was added to the system's store", "系统证书库中未发现另行添加的根证书", observed, raw
    )


def _certificates(file: Path) -> list[str]:
    """SHA-256 of each certificate in a PEM or DER file."""
    try:
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            return []
        data = file.read_bytes()
    except OSError:
        return []
    blocks = _PEM.findall(data.decode("latin-1"))
    if not blocks:
        return [hashlib.sha256(data).hexdigest()] if data[:1] == b"\x30" else []
    digests = []
    for block in blocks:
        try:
            digests.append(hashlib.sha256(ssl.PEM_cert_to_DER_cert(block)).hexdigest())
        except ValueError:
            continue
    return digests


PROBE = Probe(
    id="system.roots",
    name=Text(en="Roots of the system", zh="系统根证书"),
    method=Text(
        en="folders of local certificates; security dump-trust-settings",
        zh="读取本地证书文件夹；security dump-trust-settings",
    ),
    run=probe_system_roots,
)
