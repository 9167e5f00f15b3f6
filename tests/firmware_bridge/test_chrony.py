"""chrony's own files: its log's lines are those of its manual."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware_bridge.chrony import ChronyFiles, Sources, Tracking, kind_of, parse_tracking, read_sources
from firmware_bridge.ports import ClockSource

BANNER = (
    "===================================================================================\n"
    "   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L Co  Offset sd Rem. corr. Root delay\n"
    "===================================================================================\n"
)
AT_US = round(datetime(2026, 11, 26, 8, 0, 0, tzinfo=UTC).timestamp() * 1e6)


def line(source: str, leap: str = "N", time: str = "07:59:50") -> str:
    return (
        f"2026-11-26 {time} {source:<15}  1     -3.541      0.075 -8.621e-06 {leap}  2  2.940e-03 -2.084e-04"
        "  1.534e-02  3.472e-04  8.304e-03\n"
    )


def test_a_line_of_the_log() -> None:
    assert parse_tracking(line("203.0.113.15")) == Tracking(
        datetime(2026, 11, 26, 7, 59, 50, tzinfo=UTC), "203.0.113.15", "N"
    )
    assert [parse_tracking(text) for text in [*BANNER.splitlines(), "", "2026-11-26 07:59"]] == [None] * 5


def test_kinds_of_sources_are_in_the_configuration() -> None:
    sources = read_sources(
        [
            "# server not.this.one",
            "server time.cloudflare.com iburst nts",
            "pool nts.example.cn nts maxsources 2",
            "refclock SHM 0 refid NMEA offset 0.2",
            "refclock PPS /dev/pps0 lock NMEA refid PPS prefer",
            "refclock SOCK /run/chrony.ttyAMA0.sock",
            "refclock PHC /dev/ptp0 refid PTP",
            "refclock RTC /dev/rtc0:utc",
            "makestep 1 3",
        ]
    )
    assert sources == Sources({"NMEA": "gnss", "PPS": "gnss", "SOC": "gnss", "RTC": "rtc"}, authenticated=True)
    assert not read_sources(["server a nts", "server b iburst"]).authenticated
    assert not read_sources([]).authenticated


@pytest.mark.parametrize(
    ("source", "leap", "authenticated", "kind"),
    [
        ("PPS", "N", False, "gnss"),
        ("SOC1", "N", False, "gnss"),
        ("203.0.113.15", "N", False, "ntp"),
        ("203.0.113.15", "+", True, "nts"),
        ("2001:db8::1", "N", True, "nts"),
        ("PTP", "N", True, None),
        ("0.0.0.0", "N", True, None),
        ("127.127.1.1", "N", True, None),  # "local": it follows itself
        ("PPS", "?", False, None),
    ],
)
def test_what_it_follows(source: str, leap: str, authenticated: bool, kind: ClockSource | None) -> None:
    tracking = parse_tracking(line(source, leap))
    assert tracking is not None
    assert kind_of(tracking, Sources({"PPS": "gnss", "SOC": "gnss"}, authenticated), AT_US) == kind


def test_an_old_line_is_no_news() -> None:
    tracking = parse_tracking(line("PPS"))
    assert tracking is not None
    sources = Sources({"PPS": "gnss"}, authenticated=False)
    assert kind_of(tracking, sources, AT_US + 7_180_000_000) == "gnss"
    assert kind_of(tracking, sources, AT_US + 7_200_000_000) is None
    assert kind_of(tracking, sources, AT_US - 60_000_000) is None, "from the future: the clock was set back"


def test_the_files_as_they_grow(tmp_path: Path) -> None:
    log, main, folder = tmp_path / "tracking.log", tmp_path / "chrony.conf", tmp_path / "sources.d"
    main.write_text("refclock PPS /dev/pps0 refid PPS\n", encoding="utf-8")
    folder.mkdir()
    (folder / "agency.sources").write_text("server ntp.example.cn iburst nts\n", encoding="utf-8")
    (folder / "README").write_text("server nobody.reads.this\n", encoding="utf-8")
    chrony = ChronyFiles(log, (main, folder, tmp_path / "none"))
    assert chrony.follows(AT_US) is None
    log.write_text(BANNER + line("198.51.100.7"), encoding="utf-8")
    assert chrony.follows(AT_US) == "nts"
    with log.open("a", encoding="utf-8") as more:
        more.write(line("PPS"))
    assert chrony.follows(AT_US) == "gnss"
    with log.open("a", encoding="utf-8") as more:
        more.write(line("0.0.0.0", "?") + "2026-11-26 08:0")  # caught in mid-write
    assert chrony.follows(AT_US) is None
    with log.open("a", encoding="utf-8") as more:
        more.write("0:00 broken\n" + BANNER)
    assert chrony.follows(AT_US) is None
