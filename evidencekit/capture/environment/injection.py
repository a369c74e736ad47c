"""Variables and files that load foreign code into programs, leak TLS keys or fake the time."""

from __future__ import annotations

from evidencekit.capture.environment.probe import Observation, Probe, ProbeContext, passed, warned
from evidencekit.model import JsonValue, Text

_VARIABLES = (
    "LD_PRELOAD",
    "LD_AUDIT",
    "DYLD_INSERT_LIBRARIES",
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


def probe_injection(context: ProbeContext) -> Observation:
    """Look at the environment, `ld.so.preload` and the libraries loaded into this process."""
    options = context.options
    found = {name: options.environment[name][:_VALUE_CHARS] for name in _VARIABLES if options.environment.get(name)}
    preload = _text(context, "preload")
    if preload.strip():
        found[str(options.preload_file)] = preload.strip()[:_VALUE_CHARS]
    maps = _text(context, "maps")
    loaded = sorted({line.split()[-1] for line in maps.splitlines() if "/" in line and _is_known(line)})
    observed: dict[str, JsonValue] = {"found": dict[str, JsonValue](found), "loaded": list(loaded)}
    if found or loaded:
        names = ", ".join([*found, *loaded])
        return warned(
            f"settings that change how programs run: {names}", f"存在会改变程序运行方式的设置：{names}", observed
        )
    return passed(
        "no preloaded library, key log or faked time was seen", "未发现预加载库、密钥日志或伪造时间的设置", observed
    )


def _text(context: ProbeContext, what: str) -> str:
    options = context.options
    path = options.preload_file if what == "preload" else options.process_folder / "self" / "maps"
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _is_known(line: str) -> bool:
    name = line.rpartition("/")[2].lower()
    return any(library in name for library in _LIBRARIES)


PROBE = Probe(
    id="system.injection",
    method=Text(en="environment variables, ld.so.preload, loaded libraries", zh="环境变量、ld.so.preload、已加载的库"),
    run=probe_injection,
)
