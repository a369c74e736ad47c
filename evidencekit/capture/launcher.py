"""Finding a browser, and the arguments and environment that it is started with.

The browser is started directly, never through a distribution's wrapper script: Debian's `/usr/bin/chromium`
sources `/etc/chromium.d/*`, which adds flags and extensions that nobody recorded.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LINUX_NAMES = (
    "google-chrome-stable",
    "google-chrome",
    "chromium",
    "chromium-browser",
    "microsoft-edge-stable",
    "microsoft-edge",
)
_MAC_PATHS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
_WINDOWS_PATHS = (
    "Google/Chrome/Application/chrome.exe",
    "Chromium/Application/chrome.exe",
    "Microsoft/Edge/Application/msedge.exe",
)
_BEHIND_WRAPPER = (
    "/opt/google/chrome/chrome",
    "/usr/lib/chromium/chromium",
    "/usr/lib/chromium-browser/chromium-browser",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/opt/microsoft/msedge/msedge",
)
_PLAYWRIGHT_PATTERNS = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
    "chromium-*/chrome-win*/chrome.exe",
    "chromium_headless_shell-*/chrome-*/*headless*shell*",
)
_SCRUBBED = ("SSLKEYLOGFILE", "CHROMIUM_FLAGS", "CHROME_WRAPPER", "LD_PRELOAD")
"""Environment variables that would change what the browser is or leak its keys; probes report them."""

QUIET_FLAGS = (
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--disable-search-engine-choice-screen",
    "--metrics-recording-only",
    "--no-pings",
    # The browser's own error page would ask again and again.
    "--disable-auto-reload",
    "--password-store=basic",
    "--use-mock-keychain",
    "--mute-audio",
    "--hide-scrollbars",
    # HttpsUpgrades would ask for another URL than the one that was given.
    # The address bar's pop-ups are pages of the browser's own, drawn in a process of their own before anybody types.
    (
        "--disable-features=Translate,MediaRouter,OptimizationHints,HttpsUpgrades,AutofillServerCommunication,"
        "WebUIOmniboxPopup,WebUIOmniboxAimPopup"
    ),
)
"""Background noise off and nothing the page can see, but for scroll bars. HTTP/3 stays as in a plain visit."""

_SMALL_SHM = 2 << 30
_INSPECTING = threading.Lock()
_VERSION = re.compile(r"\d+(?:\.\d+){1,3}")
_FAMILY = re.compile(r"chrom|edge|brave|vivaldi|opera", re.IGNORECASE)
_VERSION_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserBinary:
    """The program that will run, not a wrapper; `sha256` is lower-case hex over the file."""

    path: Path
    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserOptions:
    """How to start the browser.

    `extra_args` are recorded. `home` replaces HOME, so that another NSS trust store applies. `sandbox` None means on,
    except for root, where Chromium refuses it. `headed` shows a window and lets it be heard, on the display that
    `environment` names (variables that are added to ours). `profile` is a user's own, of which a session works on a
    copy; None for a fresh one.
    """

    binary: BrowserBinary | None = None
    extra_args: tuple[str, ...] = ()
    home: Path | None = None
    sandbox: bool | None = None
    headed: bool = False
    profile: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is given to the browser: its arguments (flags beyond these are none) and environment settings.

    `prefix` is a command that starts it in its stead, in the same process.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()


def find_browser(environment: Mapping[str, str] | None = None) -> BrowserBinary:
    """Find a browser: `EVIDENCEKIT_BROWSER`, then an installed Chrome, Chromium or Edge, then Playwright's own.

    Raises:
        BrowserError: there is none, or the one named does not run.
    """
    variables = os.environ if environment is None else environment
    named = variables.get("EVIDENCEKIT_BROWSER")
    if named:
        return _inspect(_unwrapped(Path(named)))
    for candidate in _candidates(variables):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            with suppress(BrowserError):
                return _inspect(_unwrapped(candidate))
    raise BrowserError(
        "no browser was found; install one with `apt-get install chromium` or `playwright install chromium`, "
        "or name it in EVIDENCEKIT_BROWSER",
        "没有找到浏览器；请用 `apt-get install chromium` 或 `playwright install chromium` 安装，"
        "或在 EVIDENCEKIT_BROWSER 中指明路径",
    )


def look_ahead() -> None:
    """Look for the browser beside other work, such as loading the rest of the program; `find_browser` then waits less.

    What is wrong with the browser is for `find_browser` to say.
    """

    def look() -> None:
        with suppress(BrowserError):
            find_browser()

    threading.Thread(target=look, name="evidencekit-browser", daemon=True).start()


def _candidates(variables: Mapping[str, str]) -> Iterable[Path]:
    for name in _LINUX_NAMES:
        found = shutil.which(name, path=variables.get("PATH"))
        if found:
            yield Path(found)
    yield from (Path(path) for path in _MAC_PATHS)
    for root in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        if variables.get(root):
            yield from (Path(variables[root]) / path for path in _WINDOWS_PATHS)
    home = Path(variables.get("HOME") or variables.get("USERPROFILE") or "/nonexistent")
    stores = (
        home / ".cache/ms-playwright",
        home / "Library/Caches/ms-playwright",
        home / "AppData/Local/ms-playwright",
    )
    chosen = variables.get("PLAYWRIGHT_BROWSERS_PATH")
    for store in (Path(chosen),) if chosen and chosen != "0" else stores:
        for pattern in _PLAYWRIGHT_PATTERNS:
            yield from sorted(store.glob(pattern), reverse=True)


def _unwrapped(path: Path) -> Path:
    """The binary behind a distribution's wrapper script; the path itself (links resolved) when it is no script."""
    try:
        real = path.resolve(strict=True)
        with real.open("rb") as file:
            is_script = file.read(2) == b"#!"
    except OSError as error:
        raise BrowserError(
            f"the browser {path} cannot be read: {error.strerror}; correct EVIDENCEKIT_BROWSER or install chromium",
            f"无法读取浏览器 {path}:{error.strerror}；请修正 EVIDENCEKIT_BROWSER 或安装 chromium",
        ) from error
    if not is_script:
        return real
    beside = real.parent / "chrome"
    words = real.read_text(errors="replace")[:65536]
    for behind in (beside, *(Path(name) for name in _BEHIND_WRAPPER)):
        known = behind == beside or str(behind.parent) in words or behind.name == real.name
        if known and behind.is_file() and os.access(behind, os.X_OK):
            return behind.resolve()
    raise BrowserError(
        f"{path} is a script, not a browser; set EVIDENCEKIT_BROWSER to the browser's binary itself",
        f"{path} 是脚本而不是浏览器；请将 EVIDENCEKIT_BROWSER 设为浏览器的可执行文件本身",
    )


def _inspect(path: Path) -> BrowserBinary:
    try:
        facts = path.stat()
    except OSError as error:
        raise _does_not_start(path) from error
    # One command asks several times; a file that was replaced meanwhile is looked at again. Who asks while another
    # thread looks waits for what that one finds.
    with _INSPECTING:
        return _inspect_file(path, facts.st_ino, facts.st_size, facts.st_mtime_ns)


def _does_not_start(path: Path) -> BrowserError:
    return BrowserError(
        f"the browser {path} does not start; install chromium or correct EVIDENCEKIT_BROWSER",
        f"浏览器 {path} 无法启动；请安装 chromium 或修正 EVIDENCEKIT_BROWSER",
    )


@lru_cache(maxsize=4)
def _inspect_file(path: Path, _inode: int, _size: int, _mtime_ns: int) -> BrowserBinary:
    try:
        with ThreadPoolExecutor(1) as pool:
            hashed = pool.submit(_sha256, path)
            shown = subprocess.run(  # noqa: S603 (the browser that was named or found)
                [str(path), "--version"],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_VERSION_TIMEOUT_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            digest = hashed.result()
    except (OSError, subprocess.SubprocessError) as error:
        raise _does_not_start(path) from error
    found = _VERSION.search(shown.stdout)
    if found is None or not _FAMILY.search(shown.stdout):
        raise BrowserError(
            f"{path} does not call itself a Chromium and tell its version; correct EVIDENCEKIT_BROWSER",
            f"{path} 没有自称 Chromium 并给出版本号；请修正 EVIDENCEKIT_BROWSER",
        )
    name = shown.stdout[: found.start()].strip() or path.name
    return BrowserBinary(path=path, name=name, version=found.group(), sha256=digest)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def runs_as_root() -> bool:
    """Whether this process is root (never on Windows)."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def prepare_launch(options: BrowserOptions, profile: Path, settings: Iterable[str], timezone: str) -> Launch:
    """Put together the arguments and environment of the browser.

    Args:
        options: the caller's.
        profile: an empty or not yet existing folder for the fresh profile.
        settings: flags that the capture asks for (window size, languages, resolver rules).
        timezone: IANA name; given through TZ, so that pages and workers see it without emulation.
    """
    sandbox = not runs_as_root() if options.sandbox is None else options.sandbox
    arguments = [
        *(["--window-position=0,0"] if options.headed else ["--headless=new"]),
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
        *(flag for flag in QUIET_FLAGS if not (options.headed and flag == "--mute-audio")),
        *([] if sandbox else ["--no-sandbox"]),
        *(["--disable-dev-shm-usage"] if _little_shared_memory() else []),
        *settings,
        *options.extra_args,
    ]
    environment = {name: value for name, value in os.environ.items() if name not in _SCRUBBED}
    environment["TZ"] = timezone
    environment.update(options.environment)
    if options.home is not None:
        environment["HOME"] = str(options.home)
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
            environment.pop(name, None)
    return Launch(arguments=(*_merge_resolver_rules(arguments), "about:blank"), environment=environment)


def _merge_resolver_rules(arguments: Iterable[str]) -> list[str]:
    """Join all `--host-resolver-rules`, of which Chromium would only take the last."""
    prefix = "--host-resolver-rules="
    rules = [argument.removeprefix(prefix) for argument in arguments if argument.startswith(prefix)]
    others = [argument for argument in arguments if not argument.startswith(prefix)]
    # The caller's rules come first: the first rule that matches a host decides.
    return [*others, prefix + ",".join(reversed(rules))] if rules else others


def _little_shared_memory() -> bool:
    try:
        room = os.statvfs("/dev/shm")  # noqa: S108 (shared memory, not a temporary file)
    except (OSError, AttributeError):
        return False
    return room.f_bavail * room.f_frsize < _SMALL_SHM
