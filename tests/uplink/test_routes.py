"""The parser on tables of real machines, then on anything."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.uplink.routes import Route, interface_to, ipv4_routes, ipv6_routes

IPV4 = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
wwan0	00000000	010200C0	0003	0	0	700	00000000	0	0	0
eth0	0000000A	00000000	0001	0	0	100	000000FF	0	0	0
eth0	0001000A	00000000	0001	0	0	100	00FFFFFF	0	0	0
usb0	00000000	00000000	0000	0	0	1	00000000	0	0	0
eth9	0102000A	00000000	0201	0	0	0	FFFFFFFF	0	0	0
"""
IPV6 = """\
fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000003    wlan0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
"""  # noqa: E501  # as the kernel writes it
ROUTES = ipv4_routes(IPV4) + ipv6_routes(IPV6)


@pytest.mark.parametrize(
    ("destination", "interface"),
    [
        (None, "wlan0"),  # the default route with the least metric; a route that is down does not count
        ("203.0.113.5", "wlan0"),
        ("10.0.1.7", "eth0"),
        ("10.200.0.1", "eth0"),
        ("10.0.2.1", "eth0"),  # the rejecting host route is none
        ("fd00::5", "eth0"),
        ("2001:db8::1", "wlan0"),
    ],
)
def test_the_way_is_the_kernels(destination: str | None, interface: str) -> None:
    assert interface_to(ROUTES, ipaddress.ip_address(destination) if destination else None) == interface


def test_no_default_route_is_no_way() -> None:
    lines = IPV4.splitlines()
    routes = ipv4_routes("\n".join([lines[0], lines[3]]))
    assert interface_to(routes, None) is None
    assert interface_to(routes, ipaddress.ip_address("203.0.113.5")) is None
    assert interface_to(routes, ipaddress.ip_address("::1")) is None
    assert interface_to([], None) is None


def test_a_line_that_cannot_be_read_does_not_hide_the_others() -> None:
    broken = IPV4.replace("wlan0	00000000", "wlan0	0000")
    assert interface_to(ipv4_routes(broken), None) == "wwan0"


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    ipv4_routes("head\n" + text)
    ipv6_routes(text)


@given(
    st.lists(st.tuples(st.integers(0, 32), st.integers(0, 2**32 - 1), st.integers(0, 9)), max_size=12),
    st.integers(0, 2**32 - 1),
)
def test_a_longer_prefix_always_wins(networks: list[tuple[int, int, int]], address: int) -> None:
    routes = [
        Route(f"if{number}", ipaddress.IPv4Network((base, prefix), strict=False), metric)
        for number, (prefix, base, metric) in enumerate(networks)
    ]
    destination = ipaddress.IPv4Address(address)
    able = {route.interface: route for route in routes if destination in route.network}
    found = interface_to(routes, destination)
    if not able:
        assert found is None
        return
    assert found is not None
    chosen = able[found]
    assert all(chosen.network.prefixlen >= route.network.prefixlen for route in able.values())
    equals = [route for route in able.values() if route.network.prefixlen == chosen.network.prefixlen]
    assert chosen.metric == min(route.metric for route in equals)
