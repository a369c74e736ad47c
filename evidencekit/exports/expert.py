"""`export --for expert`: raw files, versions, commands and a script with which a third party hashes everything again.

The script uses sha256sum, cksum and openssl alone (R63, R65): nothing of ours has to be believed.
"""

from __future__ import annotations

import json
import platform
import ssl
from importlib.resources import files
from typing import TYPE_CHECKING

from evidencekit.bundle.reader import open_bundle
from evidencekit.exports.exhibit import copy_member, environment_of, write_file
from evidencekit.exports.folder import new_folder, write_sums
from evidencekit.report.machine import report_json
from evidencekit.report.terminal import render_text
from evidencekit.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evidencekit.exports.exhibit import Exhibit
    from evidencekit.model import JsonValue

_SCRIPT = "rehash.sh"
_README = """鉴定材料 / For the expert

<编号 number>/            证据包的全部成员，逐字节 / every member of the bundle, byte for byte
<编号>/VERIFY.zh-CN.md     逐步命令 / commands, step by step (VERIFY.md in English)
<编号>.verification.txt    本程序的核验结论；请以自备程序复核 / what this program found; check it with your own
<编号>.verification.json
versions.json             取证时与本次导出所用软件版本 / versions at capture and at this export
rehash.sh                 仅用 sha256sum、cksum、openssl 重新计算全部摘要 / hashes everything again: sh rehash.sh

原始日志 Raw logs: capture/worklog.jsonl, capture/exchanges.jsonl, capture/environment.json, proof/custody.jsonl;
网络归档 archive: capture/page.wacz (WACZ 1.1.1; replay: ReplayWeb.page). 回放不等于原始网页 / a replay is not the page.
"""


def export_expert(exhibits: Sequence[Exhibit], out: Path) -> None:
    """Write the export to the new folder `out`.

    Raises:
        FormatError: a member is damaged.
        StorageError: `out` exists, or the disk refuses.
    """
    with new_folder(out) as folder:
        for exhibit in exhibits:
            _write_exhibit(exhibit, folder)
        versions: dict[str, JsonValue] = {
            "export": _own_versions(),
            "captures": {e.number: _capture_versions(e) for e in exhibits},
        }
        write_file(folder / "versions.json", _json(versions))
        script = files("evidencekit.report").joinpath("templates", _SCRIPT).read_bytes()
        write_file(folder / _SCRIPT, script)
        (folder / _SCRIPT).chmod(0o755)
        write_file(folder / "README.txt", _README.encode())
        write_sums(folder)


def _write_exhibit(exhibit: Exhibit, folder: Path) -> None:
    with open_bundle(exhibit.source) as bundle:
        for name in bundle.names():
            copy_member(bundle, name, folder / exhibit.number / name)
    text = render_text(exhibit.report, "zh", verbose=True) + "\n\n" + render_text(exhibit.report, "en", verbose=True)
    write_file(folder / f"{exhibit.number}.verification.txt", text.encode())
    write_file(folder / f"{exhibit.number}.verification.json", _json(report_json(exhibit.report)))


def _capture_versions(exhibit: Exhibit) -> dict[str, JsonValue]:
    found = environment_of(exhibit)
    return {name: found.get(name) for name in ("tool", "browser", "system")}


def _own_versions() -> dict[str, JsonValue]:
    return {
        "evidencekit": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "openssl": ssl.OPENSSL_VERSION,
    }


def _json(value: Mapping[str, JsonValue]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()
