"""What chrony follows, from its files: no program is started and no socket opened, neither of which the unit may.

``tracking.log`` (chrony.conf(5), ``log tracking``) names the source of each correction: an address, or the name of a
reference clock. What kind of source that is, its configuration tells.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from firmware_bridge.ports import ClockSource

LOG: Final = Path("/var/log/chrony/tracking.log")
CONFIG: Final = tuple(
    Path(path)
    for path in ("/etc/chrony/chrony.conf", "/etc/chrony/conf.d", "/etc/chrony/sources.d", "/run/chrony-dhcp")
)
"""Where Debian has them; of a folder, its ``*.conf`` and ``*.sources``."""

FRESH_S: Final = 7200
"""An older line is no news: sources are asked each 1024 s at the rarest, and some answers are lost."""
_TAIL: Final = 4096
_GNSS_DRIVERS: Final = frozenset({"PPS", "SHM", "SOCK"})
"""What gpsd and a receiver's pulse come in by. PHC is PTP hardware, which nothing here vouches for."""


@dataclass(frozen=True, slots=True)
class Sources:
    """``clocks``: reference clocks by name; ``authenticated``: every server is asked with NTS (RFC 8915)."""

    clocks: dict[str, ClockSource]
    authenticated: bool


@dataclass(frozen=True, slots=True)
class Tracking:
    """One line of the log. ``source``: as chrony names it; ``leap``: ``N - + ?``, the last when it follows nobody."""

    at: datetime
    source: str
    leap: str


def read_sources(lines: Iterable[str]) -> Sources:
    """Out of chrony's configuration (chrony.conf(5), ``server pool peer refclock``)."""
    clocks: dict[str, ClockSource] = {}
    servers: list[bool] = []
    for line in lines:
        words = line.split()
        if not words or words[0][0] in "#!;%":
            continue
        directive = words[0].lower()
        if directive in ("server", "pool", "peer"):
            servers.append("nts" in words[2:])
        elif directive == "refclock" and len(words) > 2:
            driver = words[1].upper()
            name = words[words.index("refid") + 1 :][:1] if "refid" in words else []
            if driver in _GNSS_DRIVERS or driver == "RTC":
                # Without a name of its own, it is the driver's first three letters and a number over all clocks.
                clocks[name[0] if name else driver[:3]] = "rtc" if driver == "RTC" else "gnss"
    return Sources(clocks, bool(servers) and all(servers))


def parse_tracking(line: str) -> Tracking | None:
    """None for the log's banners and whatever else is no line of it."""
    words = line.split()
    if len(words) < 8:
        return None
    try:
        at = datetime.strptime(f"{words[0]} {words[1]}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Tracking(at, words[2], words[7])


def kind_of(tracking: Tracking, sources: Sources, wall_us: int) -> ClockSource | None:
    """None: it follows nobody, or what it says is old or unknown here."""
    age_s = wall_us / 1e6 - tracking.at.timestamp()
    if tracking.leap == "?" or not -1.0 <= age_s <= FRESH_S:
        return None
    name = tracking.source
    known = sources.clocks.get(name) or sources.clocks.get(name.rstrip("0123456789"))
    if known is not None:
        return known
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    if address.is_unspecified or address.is_loopback:
        return None
    return "nts" if sources.authenticated else "ntp"


class ChronyFiles:
    """``log``: its tracking log; ``config``: files and folders of its configuration, read once, as chrony itself does."""

    def __init__(self, log: Path = LOG, config: Sequence[Path] = CONFIG) -> None:
        self._log = log
        self._sources = read_sources(line for path in config for line in lines(path))
        self._seen: tuple[int, int] | None = None
        self._tracking: Tracking | None = None

    def follows(self, wall_us: int) -> ClockSource | None:
        """What it follows now; None when its files do not say. Costs one ``stat`` while the log does not grow."""
        try:
            status = self._log.stat()
            seen = status.st_mtime_ns, status.st_size
            if seen != self._seen:
                self._tracking = _last(self._log)
                self._seen = seen
        except OSError:  # no chrony, no log, or not for this user: nothing is known, which is no fault
            return None
        return None if self._tracking is None else kind_of(self._tracking, self._sources, wall_us)


def _last(log: Path) -> Tracking | None:
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        tail = file.read().decode("ascii", "replace")
    whole = tail[: tail.rfind("\n") + 1].splitlines()
    return next((found for line in reversed(whole) if (found := parse_tracking(line)) is not None), None)


def lines(path: Path) -> list[str]:
    try:
        if path.is_dir():
            files = [file for file in sorted(path.iterdir()) if file.suffix in (".conf", ".sources")]
            return [line for file in files for line in lines(file)]
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
