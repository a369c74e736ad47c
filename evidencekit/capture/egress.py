"""What a browser in a network namespace of its own may reach, as nftables rules (nft(8)); nothing is run here.

The rules stand twice: inside the namespace, where a refused connection fails at once and is counted, and outside,
where nothing that runs in the namespace can change them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INNER_DEVICE: Final = "ek0"
OUTER_PREFIX: Final = "ek"
TABLE_PREFIX: Final = "evidencekit_"
RELAY: Final = "127.0.0.1"
"""Where names are asked for inside, port 53; nothing else listens there."""

REFUSED: Final = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
)
"""IPv4 ranges that are not ordinary public unicast: `url_policy.is_private_address` as networks (RFC 6890), and the
relays of 6to4 (RFC 7526)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The way out of one namespace.

    `name` is eight hexadecimal digits; `inner` and `outer` are the two ends of its link, IPv4 addresses of one /30;
    `exit` is the machine's device that leads on; `opened` says that the machine forwarded nothing there before.
    """

    name: str
    inner: str
    outer: str
    exit: str
    opened: bool

    @property
    def device(self) -> str:
        """The end of the link that stays outside."""
        return OUTER_PREFIX + self.name

    @property
    def table(self) -> str:
        """The table that holds the rules outside."""
        return TABLE_PREFIX + self.name


def rules_inside() -> str:
    """Rules for the namespace: names through the relay, public IPv4 over the link, nothing else."""
    return f"""
table inet evidencekit {{
    counter refused {{}}
    set refused_addresses {{ type ipv4_addr; flags interval; elements = {{ {", ".join(REFUSED)} }} }}
    chain relay {{
        ip saddr {RELAY} ip daddr {RELAY} meta l4proto {{ tcp, udp }} th dport 53 accept
        ip saddr {RELAY} ip daddr {RELAY} meta l4proto {{ tcp, udp }} th sport 53 accept
    }}
    chain out {{
        type filter hook output priority filter; policy drop;
        oifname "lo" meta l4proto {{ icmp, ipv6-icmp }} accept comment "refusals reach who asked"
        oifname "lo" jump relay
        meta nfproto ipv4 ip daddr != @refused_addresses oifname "{INNER_DEVICE}" accept
        counter name refused
        reject with icmpx admin-prohibited
    }}
    chain in {{
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        ct state established,related accept
    }}
}}
"""


def rules_outside(link: Link) -> str:
    """Rules for the machine: what comes from the namespace is translated and goes out, and reaches no host inside."""
    others = f'iifname "{link.exit}" oifname != "{OUTER_PREFIX}*" drop' if link.opened else ""
    return f"""
table inet {link.table} {{
    set refused_addresses {{ type ipv4_addr; flags interval; elements = {{ {", ".join(REFUSED)} }} }}
    chain forward {{
        type filter hook forward priority filter - 5; policy accept;
        iifname "{link.device}" ip saddr != {link.inner} drop
        iifname "{link.device}" ip daddr @refused_addresses drop
        iifname "{link.device}" meta nfproto ipv6 drop
        oifname "{link.device}" ct state established,related accept
        oifname "{link.device}" drop
        {others}
    }}
    chain input {{
        type filter hook input priority filter - 5; policy accept;
        iifname "{link.device}" drop
    }}
    chain translate {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {link.inner} oifname != "{link.device}" masquerade
    }}
}}
"""
