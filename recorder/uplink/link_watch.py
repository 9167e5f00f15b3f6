"""Looks which line the store is reached by: reads the kernel's routing tables and nothing else."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from recorder.uplink.links import Link, LinkNames
from recorder.uplink.routes import interface_to, ipv4_routes, ipv6_routes

PROC_NET = Path("/proc/net")
EVERY_US = 2_000_000


@dataclass(frozen=True, slots=True)
class Way:
    """``interface``: None when the tables know no way to the store."""

    interface: str | None
    link: Link


class LinkWatch:
    """``look`` may be called at every block: it reads the tables every two seconds at most."""

    def __init__(self, names: LinkNames, proc_net: Path = PROC_NET) -> None:
        self._names = names
        self._proc_net = proc_net
        self._next_us: int | None = None
        self.way = Way(None, Link.NONE)

    def look(self, now_us: int, peer: str | None) -> bool:
        """Whether the way has changed since the last look; the first sees no change. ``peer``: the store's address when
        one is known (the last connection's); without it the default route decides."""
        first = self._next_us is None
        if self._next_us is not None and now_us < self._next_us:
            return False
        self._next_us = now_us + EVERY_US
        routes = ipv4_routes(self._read("route")) + ipv6_routes(self._read("ipv6_route"))
        interface = interface_to(routes, None if peer is None else ipaddress.ip_address(peer.partition("%")[0]))
        before, self.way = self.way, Way(interface, self._names.classify(interface))
        return not first and before != self.way

    def _read(self, name: str) -> str:
        """Empty when the kernel has no such table (IPv6 switched off) or shows it to nobody: then no way is known, and
        :class:`Link` says what that means."""
        try:
            return (self._proc_net / name).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return ""
