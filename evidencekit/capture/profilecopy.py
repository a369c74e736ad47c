"""A session on a copy of somebody's browser profile: what it holds is counted by host, its values are never read out.

The original is only read. Caches are left behind, so that nothing on the page comes out of one (FM1).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evidencekit.errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MOST_BYTES = 4 << 30
MOST_FILES = 50_000
_MOST_NAMED = 200
_LEFT_BEHIND = frozenset(
    {
        "Cache",
        "Code Cache",
        "GPUCache",
        "DawnCache",
        "DawnGraphiteCache",
        "DawnWebGPUCache",
        "GrShaderCache",
        "ShaderCache",
        "GraphiteDawnCache",
        "CacheStorage",
        "ScriptCache",
        "Crash Reports",
        "DevToolsActivePort",
        "LOCK",
    }
)
_DATABASES = ("Network/Cookies", "Cookies")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldProfile:
    """What a copied profile held before the session: cookies by host, extensions by id, addresses in its history."""

    files: int
    cookies: Mapping[str, int]
    extensions: tuple[str, ...]
    history: int | None


def check_profile(source: Path, owner: str) -> None:
    """Refuse a profile that cannot be used, before anything is announced.

    Raises:
        UsageError: no owner is named (R72), it is no profile, or a browser runs on it.
    """
    if not owner.strip():
        raise UsageError(
            "a browser profile is somebody's: name whose account it is with --account-owner",
            "浏览器配置属于特定的人：请用 --account-owner 写明账号所有人",
        )
    root, _ = _places(source)
    holder = _holder(root)
    if holder is not None:
        raise UsageError(
            f"a browser (process {holder}) runs on the profile {source}; close it first, so that the copy is whole",
            f"配置目录 {source} 正被浏览器(进程 {holder})使用；请先关闭浏览器，以免复制不完整",
        )


def copy_profile(source: Path, target: Path) -> HeldProfile:
    """Copy a profile into the empty folder `target` and say what it held. Blocks; run it in a thread.

    Args:
        source: a user-data folder of Chromium (with `Default` in it), or one profile folder of it.
        target: the folder that the browser will use.

    Raises:
        UsageError: it is no profile, or too large.
        StorageError: it cannot be read, or the disk refuses.
    """
    root, inner = _places(source)
    size = files = 0
    try:
        for file in _files(root):
            place = target / inner / file.relative_to(root)
            size += file.stat().st_size
            files += 1
            if size > MOST_BYTES or files > MOST_FILES:
                raise UsageError(
                    f"the profile {source} is larger than {MOST_BYTES >> 30} GiB or {MOST_FILES} files; "
                    "make one for this matter alone",
                    f"配置目录 {source} 超过 {MOST_BYTES >> 30} GiB 或 {MOST_FILES} 个文件；请为本案单独建立配置",
                )
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    except OSError as error:
        raise StorageError(
            f"the profile {source} cannot be copied: {error.strerror or error}; check its permissions and free space",
            f"无法复制配置目录 {source}：{error.strerror or error}；请检查权限与磁盘空间",
        ) from error
    return _held(target / "Default", files)


def _places(source: Path) -> tuple[Path, str]:
    """The folder to copy and where in a user-data folder it belongs."""
    if (source / "Default").is_dir() or (source / "Local State").is_file():
        return source, "."
    if (source / "Preferences").is_file():
        return source, "Default"
    raise UsageError(
        f"{source} is no Chromium profile: it holds neither Default nor Preferences; name a user-data folder",
        f"{source} 不是 Chromium 配置目录：其中既无 Default 也无 Preferences；请指定用户数据目录",
    )


def _holder(root: Path) -> int | None:
    """The process that uses a profile: Chromium leaves a link `SingletonLock` to `<host>-<pid>`."""
    pid = 0
    try:
        pid = int(str((root / "SingletonLock").readlink()).rpartition("-")[2])
        os.kill(pid, 0)
    except PermissionError:
        return pid
    except (OSError, ValueError):
        return None
    return pid


def _files(root: Path) -> Iterator[Path]:
    """Regular files, caches and links left out."""
    waiting = [root]
    while waiting:
        for entry in sorted(waiting.pop().iterdir()):
            if entry.name in _LEFT_BEHIND or entry.name.startswith("Singleton") or entry.is_symlink():
                continue
            if entry.is_dir():
                waiting.append(entry)
            elif entry.is_file():
                yield entry


def _held(profile: Path, files: int) -> HeldProfile:
    cookies: dict[str, int] = {}
    for name in _DATABASES:
        with suppress(sqlite3.Error, OSError):
            rows = _rows(profile / name, "SELECT host_key, count(*) FROM cookies GROUP BY host_key ORDER BY host_key")
            cookies.update({str(host): int(count) for host, count in rows[:_MOST_NAMED]})
    history: int | None = None
    with suppress(sqlite3.Error, OSError, IndexError):
        history = int(_rows(profile / "History", "SELECT count(*) FROM urls")[0][0])
    folder = profile / "Extensions"
    names = sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
    return HeldProfile(files=files, cookies=cookies, extensions=tuple(names[:_MOST_NAMED]), history=history)


def _rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    if not file.is_file():
        raise FileNotFoundError(file)
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()
