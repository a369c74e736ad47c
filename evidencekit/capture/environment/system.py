"""System facts: what machine this is (recorded, not judged; R20)."""

from __future__ import annotations

import hashlib
import hmac
import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.capture.environment.probe import Observation, Probe, ProbeContext, passed
from evidencekit.model import Text

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

_FACT_FILES = {
    "os_release": Path("/etc/os-release"),
    "machine_vendor": Path("/sys/class/dmi/id/sys_vendor"),
    "machine_product": Path("/sys/class/dmi/id/product_name"),
}
_MACHINE_ID = Path("/etc/machine-id")
_FACT_CHARS = 1000


def system_facts() -> dict[str, JsonValue]:
    """Give operating system, kernel, processor, Python, time zone, and container or machine hints."""
    facts: dict[str, JsonValue] = {
        "system": platform.system(),
        "release": platform.release(),
        "version": platform.version(),
        "machine": platform.machine(),
        "processors": os.cpu_count() or 0,
        "python": sys.version.split()[0],
        "time_zone": time.strftime("%z"),
        "host_name": platform.node()[:_FACT_CHARS],
        "machine_id": _machine_id(),
        "container": Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
    }
    for name, path in _FACT_FILES.items():
        try:
            facts[name] = path.read_text("utf-8", "replace")[:_FACT_CHARS].strip()
        except OSError:
            facts[name] = None
    return facts


def _machine_id() -> str | None:
    """An id of this installation that tells machines apart and nothing else.

    HMAC-SHA256 of our name under /etc/machine-id, as machine-id(5) asks of programs that show it.
    """
    try:
        secret = _MACHINE_ID.read_bytes().strip()
    except OSError:
        return None
    return hmac.new(secret, b"evidencekit", hashlib.sha256).hexdigest()[:32] if secret else None


def probe_system(context: ProbeContext) -> Observation:
    """Record the facts."""
    facts = system_facts()
    facts["display"] = bool(
        context.options.environment.get("DISPLAY") or context.options.environment.get("WAYLAND_DISPLAY")
    )
    raw = "\n".join(f"{name}: {value}" for name, value in facts.items() if name != "os_release")
    return passed("facts recorded, nothing judged", "已记录系统信息，不作判断", facts, raw)


PROBE = Probe(
    id="system.facts",
    name=Text(en="System", zh="系统信息"),
    method=Text(en="operating system interfaces", zh="读取操作系统接口"),
    run=probe_system,
)
