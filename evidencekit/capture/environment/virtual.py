"""Whether this is a virtual machine or a container: recorded, not judged (FM4)."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.capture.environment.commands import output_of
from evidencekit.capture.environment.files import text_in
from evidencekit.capture.environment.probe import Observation, Probe, ProbeContext, not_performed, passed
from evidencekit.model import Text

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

_VENDORS = (
    "QEMU",
    "KVM",
    "VMware",
    "VirtualBox",
    "innotek",
    "Xen",
    "Microsoft Corporation Virtual",
    "Parallels",
    "Bochs",
    "Amazon EC2",
    "Google Compute",
    "Alibaba Cloud",
    "Tencent Cloud",
    "Huawei Cloud",
    "OpenStack",
)
_CONTAINER_FILES = (Path("/.dockerenv"), Path("/run/.containerenv"), Path("/run/systemd/container"))
_MOST_BYTES = 1 << 16


def probe_virtual(context: ProbeContext) -> Observation:
    """Look at what firmware, processor and kernel say of themselves."""
    options = context.options
    signs: list[str] = []
    if context.options.system == "darwin":
        answer = output_of("sysctl", "-n", "kern.hv_vmm_present")
        if answer is None:
            return not_performed("this system does not say whether it is virtual", "本系统未说明是否为虚拟机")
        signs += ["kern.hv_vmm_present"] if answer.strip() == "1" else []
    elif context.options.system.startswith("linux"):
        signs += _linux_signs(options.process_folder, options.firmware_folder)
    else:
        return not_performed("virtual machines are not recognised on this system", "本系统上未检查是否为虚拟机")
    containers = [str(file) for file in _CONTAINER_FILES if file.exists()]
    observed: dict[str, JsonValue] = {
        "signs": list(signs),
        "container": list(containers),
        "machine": platform.machine(),
    }
    raw = "\n".join([*signs, *containers])
    if not signs and not containers:
        return passed(
            "no sign of a virtual machine or container was seen; nothing judged",
            "未见虚拟机或容器的特征；仅记录，不作判断",
            observed,
        )
    listed = ", ".join([*signs, *containers])
    return passed(
        f"this is a virtual machine or a container ({listed}); recorded, nothing judged",
        f"本机为虚拟机或容器（{listed}）；仅记录，不作判断",
        observed,
        raw,
    )


def _linux_signs(process_folder: Path, firmware_folder: Path) -> list[str]:
    signs: list[str] = []
    for name in ("sys_vendor", "product_name", "board_vendor"):
        said = text_in(firmware_folder / name, _MOST_BYTES).strip()
        if any(vendor.lower() in said.lower() for vendor in _VENDORS):
            signs.append(f"{name}: {said[:80]}")
    for line in text_in(process_folder / "cpuinfo", _MOST_BYTES).splitlines():
        if line.startswith("flags") and "hypervisor" in line.split():
            signs.append("cpuinfo: hypervisor")
            break
    kind = text_in(Path("/sys/hypervisor/type"), _MOST_BYTES).strip()
    return [*signs, f"hypervisor: {kind}"] if kind else signs


PROBE = Probe(
    id="system.virtual",
    name=Text(en="Virtual machine or container", zh="虚拟机与容器"),
    method=Text(en="firmware, processor flags, container files", zh="读取固件信息、处理器标志与容器标志文件"),
    run=probe_virtual,
)
