"""Logs split into epochs, played at their pace, in all their brokenness."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.gnss_trust import distance_m
from hw_sim.devices import nmea
from hw_sim.devices.gnss_feed import LogFeed, open_feed, split_epochs, walk
from hw_sim.world_keys import initial_state

UTC = 1_780_000_000_000_000


def log(*seconds: float) -> list[str]:
    return [line for s in seconds for line in nmea.epoch_lines(walk(s), UTC + round(s * 1e6))]


def test_a_log_keeps_its_pace_and_loops() -> None:
    feed = LogFeed(log(0, 1, 3), "loop", retime=False)
    assert [feed.due_s(n) for n in range(5)] == pytest.approx([0, 1, 3, 5, 6])
    assert feed.lines(0, 0) == feed.lines(3, 0)


def test_hold_stays_at_the_end_with_time_going_on() -> None:
    feed = LogFeed(log(0, 1), "hold", retime=True)
    assert [feed.due_s(n) for n in range(4)] == pytest.approx([0, 1, 2, 3])
    late = feed.lines(9, UTC + 9_000_000)
    assert late == nmea.epoch_lines(walk(1), UTC + 9_000_000)


def test_retiming_keeps_checksums_right_and_wrong_ones_wrong() -> None:
    good, bad = log(0)[0], nmea.with_bad_checksum(log(0)[1])
    feed = LogFeed([good, bad], "loop", retime=True)
    lines = feed.lines(0, UTC + 5_000_000)
    assert nmea.has_valid_checksum(lines[0]) and nmea.time_field(lines[0]) != nmea.time_field(good)
    assert lines[1] == bad


def test_sentences_without_a_time_are_split_where_they_repeat() -> None:
    silent = [nmea.with_checksum("GPRMC,,V,,,,,,,,,,N"), nmea.with_checksum("GPGGA,,,,,,0,00,,,,,,,")]
    assert len(split_epochs(silent * 3)) == 3


def test_times_over_midnight() -> None:
    midnight = 1_780_012_800_000_000 // 86_400_000_000 * 86_400_000_000
    lines = [line for t in (-1, 0, 1) for line in nmea.epoch_lines(walk(0), midnight + t * 1_000_000)]
    feed = LogFeed(lines, "loop", retime=False)
    assert [feed.due_s(n) for n in range(3)] == pytest.approx([0, 1, 2])


@pytest.mark.parametrize("content", [b"", b"no sentence here\n"])
def test_a_file_that_is_no_log_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.nmea"
    path.write_bytes(content)
    with pytest.raises(DeviceError, match=r"x\.nmea"):
        open_feed(initial_state({"gnss.file": str(path)}))


@given(st.floats(0, 100_000), st.floats(0.05, 5))
def test_the_walk_is_a_walk(t_s: float, dt_s: float) -> None:
    a, b = walk(t_s), walk(t_s + dt_s)
    assert distance_m(a.latitude, a.longitude, b.latitude, b.longitude) <= 1.4 * dt_s * 1.01 + 0.01


def test_displaced_is_the_sentence_that_passes_the_checksum() -> None:
    line = nmea.displaced(log(0)[1])
    assert nmea.has_valid_checksum(line) and ",3902." in line
