"""The kernel's routing tables as text, and the interface a destination is reached by. Pure.

Formats: proc_net(5) (``/proc/net/route``: hexadecimal in the machine's byte order, which is little-endian on every board we
run on) and ``/proc/net/ipv6_route`` (32 hexadecimal digits, network order). Rules that choose between tables (``ip rule``)
are not seen here; a unit has none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

RTF_UP, RTF_REJECT = 0x1, 0x200


@dataclass(frozen=True, slots=True)
class Route:
    interface: str
    network: Network
    metric: int


def ipv4_routes(text: str) -> list[Route]:
    """Usable routes of ``/proc/net/route``. A line that cannot be read is left out: the others still tell the way."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        try:
            interface, destination, flags, metric, mask = (fields[n] for n in (0, 1, 3, 6, 7))
            if not _usable(int(flags, 16)):
                continue
            prefix = int(mask, 16).bit_count()
            address = ipaddress.IPv4Address(bytes.fromhex(destination)[::-1])
            network = ipaddress.IPv4Network((address, prefix), strict=False)
            found.append(Route(interface, network, int(metric)))
        except (IndexError, ValueError):
            continue
    return found


def ipv6_routes(text: str) -> list[Route]:
    """Usable routes of ``/proc/net/ipv6_route``; those of the loopback interface are the unit's own addresses."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        try:
            destination, prefix, metric, flags, interface = (fields[n] for n in (0, 1, 5, 8, 9))
            if not _usable(int(flags, 16)) or interface == "lo":
                continue
            address = ipaddress.IPv6Address(bytes.fromhex(destination))
            network = ipaddress.IPv6Network((address, int(prefix, 16)), strict=False)
            found.append(Route(interface, network, int(metric, 16)))
        except (IndexError, ValueError):
            continue
    return found


def _usable(flags: int) -> bool:
    return bool(flags & RTF_UP) and not flags & RTF_REJECT


def interface_to(routes: Iterable[Route], destination: Address | None) -> str | None:
    """The interface that ``destination`` is reached by: longest prefix, then least metric, as the kernel chooses. None
    for the destination: that of the default route (IPv4 before IPv6). None when there is no way."""
    if destination is None:
        able = [route for route in routes if route.network.prefixlen == 0]
        return min(able, key=lambda route: (route.network.version, route.metric)).interface if able else None
    able = [route for route in routes if destination.version == route.network.version and destination in route.network]
    return min(able, key=lambda route: (-route.network.prefixlen, route.metric)).interface if able else None
