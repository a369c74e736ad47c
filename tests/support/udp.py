"""Real UDP servers on loopback that answer as a test wants: DNS, NTP, STUN, honest and lying."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

COOKIE = 0x2112A442


@contextmanager
def udp_server(answer: Callable[[bytes], bytes | None], port: int = 0) -> Iterator[str]:
    """Serve on loopback; gives `address:port`. `answer` gives the reply to a datagram, `None` for silence."""
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.bind(("127.0.0.1", port))
    channel.settimeout(0.1)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                data, peer = channel.recvfrom(2048)
            except TimeoutError:
                continue
            reply = answer(data)
            if reply is not None:
                channel.sendto(reply, peer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{channel.getsockname()[1]}"
    finally:
        stop.set()
        thread.join()
        channel.close()


def resolver(
    address: str, *, texts: Mapping[str, str] | None = None, validated: bool = False
) -> Callable[[bytes], bytes]:
    """A DNS server that gives one address for every name, and the TXT records named."""

    def answer(data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        question = query.question[0]
        if validated:
            response.flags |= dns.flags.AD
        text = (texts or {}).get(question.name.to_text().rstrip("."))
        if question.rdtype == 1:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", address))
        elif question.rdtype == 16 and text is not None:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", f'"{text}"'))
        return response.to_wire()

    return answer


def time_server(offset_s: float, *, stratum: int = 2, echo: bool = True) -> Callable[[bytes], bytes]:
    """An NTP server whose clock is off by `offset_s` seconds."""

    def answer(data: bytes) -> bytes:
        now = time.time() + offset_s + 2_208_988_800
        stamp = struct.pack(">II", int(now) & 0xFFFFFFFF, int(now % 1 * (1 << 32)))
        return bytes([0x24, stratum, 0, 0]) + bytes(20) + (data[40:48] if echo else bytes(8)) + stamp + stamp

    return answer


def stun_server(address: str, *, plain: bool = False, echo: bool = True) -> Callable[[bytes], bytes]:
    """A STUN server that says it sees the client at `address`; `plain` as before RFC 5389, without XOR."""
    octets = ipaddress.ip_address(address).packed

    def answer(data: bytes) -> bytes:
        number = data[8:20] if echo else bytes(12)
        family = 1 if len(octets) == 4 else 2
        mask = bytes(len(octets)) if plain else (struct.pack(">I", COOKIE) + number)[: len(octets)]
        value = struct.pack(">BBH", 0, family, 0) + bytes(a ^ b for a, b in zip(octets, mask, strict=True))
        kind = 0x0001 if plain else 0x0020
        software = struct.pack(">HH", 0x8022, 3) + b"abc\0"  # padded to four bytes (RFC 8489 §14)
        attributes = software + struct.pack(">HH", kind, len(value)) + value
        return struct.pack(">HHI12s", 0x0101, len(attributes), COOKIE, number) + attributes

    return answer
