"""What a probe is given and what it gives: results are PASS, WARN, FAIL or NOT_PERFORMED, never guessed (R06)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from evidencekit.model import JsonValue, Text

if TYPE_CHECKING:
    from datetime import datetime

    from evidencekit.capture.profilecopy import HeldProfile


RESOLVERS = ("223.5.5.5", "119.29.29.29")
"""Public DNS resolvers of Alibaba Cloud and DNSPod, which answer in China."""
TIME_SERVERS = ("ntp.ntsc.ac.cn", "ntp.aliyun.com", "time.cloudflare.com")
"""The National Time Service Center of the Chinese Academy of Sciences, Alibaba Cloud, Cloudflare."""
EGRESS_SERVERS = ("stun.miwifi.com:3478", "stun.cloudflare.com:3478")
"""STUN servers of Xiaomi and Cloudflare."""
REGISTRIES = MappingProxyType(
    {
        "cn": "whois.cnnic.cn",
        "com": "https://rdap.verisign.com/com/v1/",
        "net": "https://rdap.verisign.com/net/v1/",
        "org": "https://rdap.publicinterestregistry.org/rdap/",
    }
)
"""By top-level domain: the base of RDAP (IANA, RFC 9224), or a WHOIS server where a registry has none."""
_HOSTS_FILE = (
    Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "drivers" / "etc" / "hosts"
    if os.name == "nt"
    else Path("/etc/hosts")
)


class ProbeResult(StrEnum):
    """How a probe ended; what did not run is never a PASS."""

    PASS = "PASS"  # noqa: S105 - a result, not a password
    WARN = "WARN"
    FAIL = "FAIL"
    NOT_PERFORMED = "NOT_PERFORMED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one probe saw. `raw` is what it read, bounded; `reason` is one sentence for the report."""

    result: ProbeResult
    reason: Text
    observed: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    raw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the cleanliness report (清洁性检查)."""

    id: str
    name: Text
    method: Text
    started: datetime
    finished: datetime
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserFacts:
    """The browser that will run; `sha256` is over the program file, `arguments` are those it is started with."""

    path: Path
    name: str
    version: str
    sha256: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSources:
    """Whom probes ask outside this machine, and what they compare the browser with; `ProbeOptions` says in what form.

    A caller's own, such as an office's resolvers and time servers; the defaults answer in China.
    """

    resolvers: tuple[str, ...] = RESOLVERS
    time_servers: tuple[str, ...] = TIME_SERVERS
    egress_servers: tuple[str, ...] = EGRESS_SERVERS
    browser_digests: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """Where probes look; the defaults are this machine.

    Attributes:
        system: what Python calls the operating system: linux, darwin, win32.
        browser: `None` when it is not known yet.
        profile: the browser's profile folder.
        profile_ready_at: when the profile was made; files in it that are older were there before.
        held: what the profile held that this one is a copy of; None for a fresh one.
        home: the home whose trust store the browser uses.
        resolvers: addresses of independent DNS resolvers, `address` or `address:port`.
        time_servers: NTP servers, `host` or `host:port`.
        egress_servers: STUN servers, `host` or `host:port`.
        registries: whom to ask about a domain, by top-level domain: base of RDAP, or `host:port` of WHOIS.
        browser_digests: published SHA-256 of browser programs and where each comes from, beside those known.
        within_s: seconds for all probes together.
        hashing_s: seconds after which a probe that hashes files gives up by itself.
    """

    system: str = sys.platform
    browser: BrowserFacts | None = None
    profile: Path | None = None
    profile_ready_at: datetime | None = None
    held: HeldProfile | None = None
    home: Path = field(default_factory=Path.home)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    hosts_file: Path = _HOSTS_FILE
    environment_file: Path = Path("/etc/environment")
    session_file: Path = Path("/run/utmp")
    firmware_folder: Path = Path("/sys/class/dmi/id")
    package_folder: Path = Path("/var/lib/dpkg/info")
    network_folder: Path = Path("/sys/class/net")
    process_folder: Path = Path("/proc")
    preload_file: Path = Path("/etc/ld.so.preload")
    policy_folders: tuple[Path, ...] = (
        Path("/etc/chromium/policies"),
        Path("/etc/chromium-browser/policies"),
        Path("/etc/opt/chrome/policies"),
        Path("/etc/opt/edge/policies"),
    )
    root_folders: tuple[Path, ...] = (
        Path("/usr/local/share/ca-certificates"),
        Path("/etc/pki/ca-trust/source/anchors"),
        Path("/etc/ca-certificates/trust-source/anchors"),
    )
    extension_folders: tuple[Path, ...] = (
        Path("/usr/share/chromium/extensions"),
        Path("/usr/share/chromium-browser/extensions"),
        Path("/usr/share/google-chrome/extensions"),
        Path("/opt/google/chrome/extensions"),
        Path("/usr/share/microsoft-edge/extensions"),
        Path("/Library/Application Support/Google/Chrome/External Extensions"),
        Path("/Library/Application Support/Microsoft/Edge/External Extensions"),
    )
    resolvers: tuple[str, ...] = RESOLVERS
    time_servers: tuple[str, ...] = TIME_SERVERS
    egress_servers: tuple[str, ...] = EGRESS_SERVERS
    registries: Mapping[str, str] = field(default_factory=lambda: dict(REGISTRIES))
    browser_digests: Mapping[str, str] = field(default_factory=dict[str, str])
    within_s: float = 1.5
    hashing_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeContext:
    """The options and what the capture is about: names in the URLs in order, and those with their ports."""

    options: ProbeOptions
    hosts: tuple[str, ...]
    allow_private: bool
    third_party: bool
    targets: tuple[tuple[str, int], ...] = ()


RAW_CHARS = 4000
"""What a probe read is cut to this length."""

ProbeFunction: TypeAlias = Callable[[ProbeContext], Observation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One check: its id (docs/spec/environment.md), what it is called, how it looks, and the function."""

    id: str
    name: Text
    method: Text
    run: ProbeFunction


def passed(en: str, zh: str, observed: Mapping[str, JsonValue] | None = None, raw: str = "") -> Observation:
    """Say that no sign was seen."""
    return _observation(ProbeResult.PASS, Text(en=en, zh=zh), observed, raw)


def warned(en: str, zh: str, observed: Mapping[str, JsonValue] | None = None, raw: str = "") -> Observation:
    """Say that something was seen which a reader should look at."""
    return _observation(ProbeResult.WARN, Text(en=en, zh=zh), observed, raw)


def failed(en: str, zh: str, observed: Mapping[str, JsonValue] | None = None, raw: str = "") -> Observation:
    """Say that a sign of forgery was seen."""
    return _observation(ProbeResult.FAIL, Text(en=en, zh=zh), observed, raw)


def not_performed(en: str, zh: str, observed: Mapping[str, JsonValue] | None = None, raw: str = "") -> Observation:
    """Say that nothing was checked, and why."""
    return _observation(ProbeResult.NOT_PERFORMED, Text(en=en, zh=zh), observed, raw)


def not_asked(observed: Mapping[str, JsonValue] | None = None) -> Observation:
    """Say that nobody outside may be asked; one sentence for all, so that a document says it once."""
    return not_performed("no third party is asked: --no-third-party", "未询问：已禁止联系第三方", observed)


def _observation(result: ProbeResult, reason: Text, observed: Mapping[str, JsonValue] | None, raw: str) -> Observation:
    return Observation(result=result, reason=reason, observed=observed or {}, raw=raw[:RAW_CHARS])
