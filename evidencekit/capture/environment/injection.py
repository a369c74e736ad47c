"""Variables and files that load foreign code into programs, leak TLS keys or fake the time."""

from __future__ import annotations

import re

from evidencekit.capture.environment.files import text_in
from evidencekit.capture.environment.probe import Observation, Probe, ProbeContext, passed, warned
from evidencekit.model import JsonValue, Text

_VARIABLES = (
    "LD_PRELOAD",
    "LD_AUDIT",
    "DYLD_INSERT_LIBRARIES",
    "DYLD_LIBRARY_PATH",
    "DYLD_FRAMEWORK_PATH",
    "SSLKEYLOGFILE",
    "FAKETIME",
    "FAKETIME_SHARED",
    "FAKETIME_TIMESTAMP_FILE",
    "PYTHONINSPECT",
    "CHROMIUM_FLAGS",
    "CHROME_WRAPPER",
)
_LIBRARIES = ("faketime", "frida", "mitm")
_VALUE_CHARS = 300
_MOST_MAPS = 8 << 20
_TRACER = re.compile(r"^TracerPid:\s*(\d+)", re.MULTILINE)


def probe_injection(context: ProbeContext) -> Observation:
    """Look at the environment, `ld.so.preload`, the libraries loaded into this process, and who traces it."""
    options = context.options
    found = {name: options.environment[name][:_VALUE_CHARS] for name in _VARIABLES if options.environment.get(name)}
    preload = text_in(options.preload_file)
    if preload.strip():
        found[str(options.preload_file)] = preload.strip()[:_VALUE_CHARS]
    own = options.process_folder / "self"
    maps = text_in(own / "maps", _MOST_MAPS)
    loaded = sorted({line.split()[-1] for line in maps.splitlines() if "/" in line and _is_known(line)})
    tracer = _TRACER.search(text_in(own / "status"))
    if tracer and tracer[1] != "0":
        found["TracerPid"] = tracer[1]
    observed: dict[str, JsonValue] = {
        "found": dict[str, JsonValue](found),
        "loaded": list(loaded) if maps else None,
    }
    raw = "\n".join([*(f"{name}={value}" for name, value in found.items()), *loaded])
    if found or loaded:
        names = ", ".join([*found, *loaded])
        return warned(
            f"settings that change how programs run: {names}", f"存在会改变程序运行方式的设置：{names}", observed, raw
        )
    if not maps:
        return passed(
            "no variable that preloads libraries, logs keys or fakes the time was seen; loaded libraries cannot be "
            "listed on this system",
            "未发现预加载库、记录密钥或伪造时间的环境变量；本系统上无法列出已加载的库",
            observed,
        )
    return passed(
        "no preloaded library, key log or faked time was seen", "未发现预加载库、密钥日志或伪造时间的设置", observed
    )


def _is_known(line: str) -> bool:
    name = line.rpartition("/")[2].lower()
    return any(library in name for library in _LIBRARIES)


PROBE = Probe(
    id="system.injection",
    name=Text(en="Injected code, key logs, faked time", zh="代码注入、密钥记录与伪造时间"),
    method=Text(
        en="environment variables, ld.so.preload, loaded libraries, tracer",
        zh="环境变量、ld.so.preload、已加载的库、调试跟踪",
    ),
    run=probe_injection,
)
