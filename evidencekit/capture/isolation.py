"""`--isolate`: the browser in a network namespace of its own, out of which no private address can be reached.

Names that lead inward, redirects and navigations of the page included, end at the rules of `egress`: not one packet
arrives. The namespace is kept by a program of its own (`netkeeper`), which clears up when our end of its pipe closes,
so also when this process is killed. The browser keeps its own connections, but over IPv4 alone.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.capture.egress import RELAY
from evidencekit.capture.launcher import runs_as_root
from evidencekit.errors import BrowserError, StorageError, UsageError
from evidencekit.model import JsonValue, Text, Transformation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from datetime import datetime
    from pathlib import Path

_PROGRAMS: Final = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "unshare": "util-linux"}
_START_S: Final = 30.0
_END_S: Final = 30.0
_LINE_LIMIT: Final = 1 << 16

# The resolver's files are replaced for the browser alone: a mount namespace of its own, then the browser in our stead.
_ENTER: Final = (
    'set -e; mount --bind "$1" /etc/resolv.conf; [ ! -e /etc/nsswitch.conf ] || mount --bind "$2" /etc/nsswitch.conf; '
    'shift 2; exec "$@"'
)


@dataclass(slots=True, kw_only=True)
class Chamber:
    """A namespace that stands.

    `netns` is its file, `prefix` what starts a program in it, `device` its way out. `refused` packets to private
    addresses and `lookups` of names are known at the end; None when nobody told.
    """

    netns: str
    prefix: tuple[str, ...]
    device: str
    refused: int | None = None
    lookups: int | None = None

    @property
    def entering(self) -> tuple[str, ...]:
        """What starts a program in the network namespace alone."""
        return ("nsenter", f"--net={self.netns}", "--")

    def transformation(self, at: datetime) -> Transformation:
        """What it changes against a plain visit."""
        refused = "unknown" if self.refused is None else str(self.refused)
        refused_zh = "未知" if self.refused is None else str(self.refused)
        return Transformation(
            time=at,
            kind="browser.isolated",
            detail=Text(
                en="the browser ran in a network namespace of its own: IPv4 alone, names through a relay of this "
                f"program, no way to private addresses (packets refused: {refused})",
                zh="浏览器运行于独立的网络命名空间：仅使用 IPv4,域名经本程序转发查询,"
                f"无法到达内网地址(拒绝的数据包:{refused_zh})",
            ),
        )


def require_isolation(*, allow_private: bool) -> None:
    """Refuse where a browser cannot be isolated.

    Raises:
        UsageError: another system than Linux, not root, a program is missing, or private addresses are asked for.
    """
    if allow_private:
        raise UsageError(
            "--isolate lets nothing reach private addresses, --allow-private asks for them; leave out one of them",
            "--isolate 使内网地址无法到达,而 --allow-private 要求访问内网;请去掉其一",
        )
    if sys.platform != "linux" or not runs_as_root():
        raise UsageError(
            "--isolate needs Linux and root, because it makes a network namespace; run as root on Linux, or leave it "
            "out: names, literals and peer addresses are checked without it, too",
            "--isolate 需要 Linux 与 root 权限(要建立网络命名空间);请在 Linux 上以 root 运行,"
            "或去掉该选项:不用它也会检查域名、IP 字面值与对端地址",
        )
    lacking = sorted(name for name in _PROGRAMS if shutil.which(name) is None)
    if lacking:
        packages = " ".join(sorted({_PROGRAMS[name] for name in lacking}))
        raise UsageError(
            f"--isolate needs {', '.join(lacking)}; install it: apt-get install {packages}",
            f"--isolate 需要 {'、'.join(lacking)};请安装:apt-get install {packages}",
        )


@asynccontextmanager
async def isolated(folder: Path) -> AsyncGenerator[Chamber]:
    """Make a namespace, and undo it at the end; `folder` takes the browser's resolver files.

    Raises:
        BrowserError: the system does not make one.
        StorageError: the folder cannot be written to.
    """
    resolver, switch = folder / "resolv.conf", folder / "nsswitch.conf"
    _write(resolver, f"nameserver {RELAY}\noptions timeout:5 attempts:2\n")
    _write(switch, "passwd: files\ngroup: files\nhosts: files dns\n")
    keeper = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "evidencekit.capture.netkeeper",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C on the terminal reaches us, and we end it in order
        limit=_LINE_LIMIT,
    )
    try:
        told = await _line(keeper, _START_S)
        if not isinstance(told.get("netns"), str):
            raise _refusal(str(told.get("error") or "no reason was given"))
        netns = str(told["netns"])
        entering = ("nsenter", f"--net={netns}", "--", "unshare", "--mount", "--propagation", "private", "--")
        chamber = Chamber(
            netns=netns,
            prefix=(*entering, "sh", "-c", _ENTER, "sh", str(resolver), str(switch)),
            device=str(told.get("device")),
        )
        yield chamber
        _close(keeper)
        last = await _line(keeper, _END_S)
        chamber.refused, chamber.lookups = _count(last.get("refused")), _count(last.get("lookups"))
    finally:
        _close(keeper)
        try:
            await asyncio.wait_for(keeper.wait(), _END_S)
        except TimeoutError:
            keeper.kill()
            await keeper.wait()


async def _line(keeper: asyncio.subprocess.Process, patience_s: float) -> Mapping[str, JsonValue]:
    if keeper.stdout is None:
        return {}
    with suppress(TimeoutError, ValueError):
        value = json.loads(await asyncio.wait_for(keeper.stdout.readline(), patience_s))
        return value if isinstance(value, dict) else {}
    return {}


def _close(keeper: asyncio.subprocess.Process) -> None:
    if keeper.stdin is not None:
        keeper.stdin.close()


def _count(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _refusal(why: str) -> BrowserError:
    return BrowserError(
        f"the browser cannot be isolated here: {why}. Leave out --isolate, or run where network namespaces, nftables "
        "and forwarding are allowed (not in an unprivileged container)",
        f"此处无法隔离浏览器:{why}。请去掉 --isolate,或在允许网络命名空间、nftables 与转发的环境中运行(非特权容器不行)",
    )


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="ascii")
        file.chmod(0o644)
    except OSError as error:
        raise StorageError(
            f"cannot write {file}: {error.strerror}; free space or choose another folder",
            f"无法写入 {file}:{error.strerror};请清理磁盘或换一个目录",
        ) from error
