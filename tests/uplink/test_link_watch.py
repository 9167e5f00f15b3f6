from __future__ import annotations

from pathlib import Path

from recorder.uplink.link_watch import EVERY_US, LinkWatch, Way
from recorder.uplink.links import Link, LinkNames
from tests.uplink.test_routes import IPV4, IPV6

NAMES = LinkNames(dock=("eth0",), metered=("wwan*",))


def tables(folder: Path, ipv4: str, ipv6: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "route").write_text(ipv4)
    if ipv6 is not None:
        (folder / "ipv6_route").write_text(ipv6)
    return folder


def test_it_tells_the_way_and_its_changes_at_its_own_rhythm(tmp_path: Path) -> None:
    header, wlan, wwan, *rest = IPV4.splitlines()
    watch = LinkWatch(NAMES, tables(tmp_path / "net", IPV4))
    assert not watch.look(0, None), "the first look sees no change"
    assert watch.way == Way("wlan0", Link.ORDINARY)
    tables(tmp_path / "net", "\n".join([header, wwan, *rest]))
    assert not watch.look(EVERY_US - 1, None)
    assert watch.look(EVERY_US, None)
    assert watch.way == Way("wwan0", Link.METERED)
    assert not watch.look(2 * EVERY_US, None)
    tables(tmp_path / "net", header)
    assert watch.look(3 * EVERY_US, None)
    assert watch.way == Way(None, Link.NONE)
    tables(tmp_path / "net", "\n".join([header, wlan]))
    assert watch.look(4 * EVERY_US, None)


def test_the_stores_address_decides_where_it_is_known(tmp_path: Path) -> None:
    watch = LinkWatch(NAMES, tables(tmp_path / "net", IPV4, IPV6))
    watch.look(0, "10.0.1.7")
    assert watch.way == Way("eth0", Link.DOCK)
    assert watch.look(EVERY_US, "fe80::1%wlan0")
    assert watch.way == Way("wlan0", Link.ORDINARY)


def test_without_tables_no_way_is_known_and_nothing_fails(tmp_path: Path) -> None:
    watch = LinkWatch(NAMES, tmp_path)
    assert not watch.look(0, None)
    assert watch.way == Way(None, Link.NONE)


def test_the_tables_of_this_machine_can_be_read() -> None:
    """Whatever they say: loopback is in no table of its own, so only the form is checked."""
    LinkWatch(NAMES).look(0, "127.0.0.1")
