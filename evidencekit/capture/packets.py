"""`--pcap`: the packets of a capture by dumpcap(1), and the TLS keys that open them, for the holder alone.

Both go into the private archive, encrypted to the holder, never into the bundle: the keys open everything that was
said, passwords included. The bundle holds `packets.json` (docs/spec/packets.md): sizes, digests and losses, so that
packets shown later are known to be those of the capture. Without dumpcap the capture goes on and says so.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import StorageError
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.hashing.digest import digest_file
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from evidencekit.capture.isolation import Chamber
    from evidencekit.capture.request import Limits
    from evidencekit.capture.staging import Staging
    from evidencekit.model import JsonValue

PACKETS_PATH: Final = "capture/packets.json"
PCAP_NAME: Final = "traffic.pcapng"
KEYS_NAME: Final = "tls-keys.txt"
BUFFER_MIB: Final = 64
"""Kernel buffer of each device: the default of 2 MiB loses packets of an ordinary page."""

_FRAMING: Final = 1.25
_START_S: Final = 15.0
_END_S: Final = 15.0
_SETTLE_S: Final = 0.3
_WORDS_LIMIT: Final = 64 << 10
_COUNTS: Final = re.compile(r"Packets received/dropped on interface '([^'\n]{1,200})': (\d{1,18})/(\d{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What was taken and lost on one device, in packets."""

    name: str
    received: int
    dropped: int


class PacketCapture:
    """One dumpcap beside one browser.

    Attributes:
        missing: why there is none, or what it lacks; empty when all is there.
    """

    def __init__(self, staging: Staging, limits: Limits, pages: int, chamber: Chamber | None) -> None:
        self.missing: list[Text] = []
        self._staging = staging
        self._file = staging.private / PCAP_NAME
        self._keys = staging.private / KEYS_NAME
        self._limits = limits
        self._pages = pages
        self._chamber = chamber
        self._process: asyncio.subprocess.Process | None = None
        self._words = b""
        self._reading: asyncio.Task[None] | None = None
        self._interfaces: tuple[Interface, ...] = ()
        self._stopped = False

    @property
    def flags(self) -> tuple[str, ...]:
        """What the browser is started with, so that it writes its TLS keys down."""
        return (f"--ssl-key-log-file={self._keys}",)

    async def start(self, addresses: Iterable[str]) -> None:
        """Start dumpcap on the ways that lead to `addresses`, and on the default way; say what is missing.

        It ends with the thread that started it (`setpriv --pdeathsig`), after the longest time that the session can
        take, and when the file is longer than the limits let the traffic be.
        """
        program = shutil.which("dumpcap")
        if program is None:
            self.missing.append(_NO_DUMPCAP)
            return
        devices = [self._chamber.device] if self._chamber else await _devices(addresses)
        limits = self._limits
        seconds = int((limits.page_s + limits.navigation_s) * self._pages) + 600
        kilobytes = min(int(limits.bytes_total * _FRAMING / 1000) + 100_000, 2_000_000_000)
        mortal = ("setpriv", "--pdeathsig", "TERM", "--") if shutil.which("setpriv") else ()
        command = [
            *mortal,
            *(self._chamber.entering if self._chamber else ()),
            program,
            "-q",
            "-B",
            str(BUFFER_MIB),
            "-a",
            f"duration:{seconds}",
            "-a",
            f"filesize:{kilobytes}",
            "-w",
            str(self._file),
            *(word for device in devices for word in ("-i", device)),
        ]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            self._gave_up(error.strerror or str(error))
            return
        began = asyncio.Event()
        self._reading = asyncio.create_task(self._read(self._process, began))
        waiting = asyncio.create_task(began.wait())
        await asyncio.wait((self._reading, waiting), timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not began.is_set():
            self._gave_up(_last_words(self._words))
            await self._end()

    async def stop(self) -> None:
        """End dumpcap after the last packets, and read what it counted."""
        if self._process is None or self._stopped:
            return
        self._stopped = True
        await asyncio.sleep(_SETTLE_S)
        early = self._process.returncode is not None
        await self._end()
        if self.missing:
            return
        if early:
            self.missing.append(_EARLY)
        self._interfaces = counts_in(self._words.decode("utf-8", "replace"))
        lost = sum(each.dropped for each in self._interfaces)
        if lost or not self._interfaces:
            self.missing.append(_lost(lost if self._interfaces else None))

    def report(self, capture_id: str) -> bytes | None:
        """Keep both files as private, and give `packets.json`; None when there are no packets. Blocks.

        Raises:
            StorageError: a file cannot be read.
        """
        if self._process is None or not self._file.exists():
            return None
        self._staging.keep_private_file(PCAP_NAME, self._file)
        if self._keys.exists() and self._keys.stat().st_size:
            self._staging.keep_private_file(KEYS_NAME, self._keys)
        else:
            self.missing.append(_NO_KEYS)
        return canonical_bytes(
            {
                "buffer_mib": BUFFER_MIB,
                "capture_id": capture_id,
                "format": "evidencekit/packets",
                "interfaces": [
                    {"dropped": each.dropped, "name": each.name, "received": each.received} for each in self._interfaces
                ],
                "isolated": self._chamber is not None,
                "keys": _described(self._keys),
                "pcap": _described(self._file),
                "version": 1,
            }
        )

    async def _read(self, process: asyncio.subprocess.Process, began: asyncio.Event) -> None:
        """Read what dumpcap says; it names its file when it has opened its devices."""
        if process.stderr is None:
            return
        while line := await process.stderr.readline():
            self._words = (self._words + line)[-_WORDS_LIMIT:]
            if line.startswith(b"File: "):
                began.set()

    async def _end(self) -> None:
        process, reading = self._process, self._reading
        if process is None or reading is None:
            return
        for word in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                process.send_signal(word)
            done, _ = await asyncio.wait((reading,), timeout=_END_S)
            if done:
                break
        await process.wait()

    def _gave_up(self, why: str) -> None:
        self.missing.append(
            Text(
                en=f"no packets were captured: dumpcap could not ({why})",
                zh=f"未捕获数据包:dumpcap 无法运行({why})",
            )
        )


def counts_in(words: str) -> tuple[Interface, ...]:
    """What dumpcap counted, by device."""
    return tuple(
        Interface(name=name, received=int(received), dropped=int(dropped))
        for name, received, dropped in _COUNTS.findall(words)
    )


async def _devices(addresses: Iterable[str]) -> Sequence[str]:
    """Devices on the way to these addresses and on the default way; every device where `ip` does not tell."""
    found: dict[str, None] = {}
    for address in addresses:
        for route in await _routes("route", "get", address):
            found.setdefault(route)
    for route in await _routes("route", "show", "default"):
        found.setdefault(route)
    return tuple(found) or ("any",)


async def _routes(*words: str) -> tuple[str, ...]:
    program = shutil.which("ip")
    if program is None:
        return ()
    try:
        asked = await asyncio.create_subprocess_exec(
            program,
            "-json",
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        said, _ = await asyncio.wait_for(asked.communicate(), _START_S)
        routes = json.loads(said or b"[]")
    except (OSError, TimeoutError, ValueError):
        return ()
    return tuple(str(each["dev"]) for each in routes if isinstance(each, dict) and "dev" in each)


def _described(file: Path) -> JsonValue:
    if not file.exists() or not file.stat().st_size:
        return None
    try:
        size, digests = digest_file(file)
    except OSError as error:
        raise StorageError(
            f"cannot read {file}: {error.strerror or error}; capture again",
            f"无法读取 {file}:{error.strerror or error};请重新取证",
        ) from error
    return {"sha256": digests.sha256, "size": size, "sm3": digests.sm3}


def _last_words(words: bytes) -> str:
    lines = words.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing in time"


def _lost(count: int | None) -> Text:
    if count is None:
        return Text(
            en="how many packets were lost is unknown: dumpcap did not say", zh="丢失的数据包数量未知:dumpcap 未报告"
        )
    return Text(en=f"{count} packets were lost by dumpcap", zh=f"dumpcap 丢失了 {count} 个数据包")


_NO_DUMPCAP: Final = Text(
    en="no packets were captured: dumpcap is missing (apt-get install wireshark-common)",
    zh="未捕获数据包:缺少 dumpcap(apt-get install wireshark-common)",
)
_EARLY: Final = Text(
    en="dumpcap ended before the browser did: later packets are missing",
    zh="dumpcap 先于浏览器结束:其后的数据包缺失",
)
_NO_KEYS: Final = Text(
    en="no TLS keys were kept: the browser used no TLS, or writes none",
    zh="未保留 TLS 密钥:浏览器未使用 TLS,或不写密钥",
)
