"""Root certificates that were added to the trust store which Chromium reads on Linux (NSS; R09, FM3)."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

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
    from pathlib import Path

    from evidencekit.model import JsonValue

_MOST = 500
# NSS keeps PKCS#11 attributes in columns named by number: class (0x0), label (0x3), value (0x11); class 1 is a
# certificate (PKCS#11 v2.40 §2.2.1, CKO_CERTIFICATE).
_QUERY = "SELECT a3, a11 FROM nssPublic WHERE a0 = x'00000001' LIMIT ?"


def probe_roots(context: ProbeContext) -> Observation:
    """List the certificates in `~/.pki/nssdb` and in the NSS database of the profile's home."""
    if not context.options.system.startswith("linux"):
        return not_performed("added certificates are not listed on this system", "本系统上未检查另行添加的根证书")
    path = context.options.home / ".pki" / "nssdb" / "cert9.db"
    if not path.exists():
        return passed("there is no store of added certificates", "不存在另行添加的证书库", {"path": str(path)})
    try:
        found = _certificates(path)
    except sqlite3.Error as error:
        return not_performed(
            f"the certificate store cannot be read: {error}", f"无法读取证书库：{error}", {"path": str(path)}
        )
    observed: dict[str, JsonValue] = {"path": str(path), "certificates": list(found)}
    if found:
        return warned(
            f"{len(found)} certificates were added to the browser's trust store",
            f"浏览器信任库中另行添加了 {len(found)} 个证书",
            observed,
        )
    return passed("the store of added certificates is empty", "另行添加的证书库为空", observed)


def _certificates(path: Path) -> list[JsonValue]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=0.5)) as database:
        rows: list[tuple[bytes | None, bytes | None]] = database.execute(_QUERY, (_MOST,)).fetchall()
    return [
        {
            "label": (label or b"").decode("utf-8", "replace")[:200],
            "sha256": hashlib.sha256(value).hexdigest() if value else None,
        }
        for label, value in rows
    ]


PROBE = Probe(
    id="browser.roots",
    name=Text(en="Roots of the browser", zh="浏览器根证书"),
    method=Text(en="reading the NSS certificate store", zh="读取 NSS 证书库"),
    run=probe_roots,
)
