"""Position, clock, card and heat: readings in, one fault with its evidence out."""

from __future__ import annotations

import errno
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from recorder.config.load import load_config
from recorder.faults.boots import LastSigned, found_at_start
from recorder.faults.curve import POINTS, Curve
from recorder.faults.errno_code import camera_code, storage_code
from recorder.faults.gnss import GnssReading, GnssWatch
from recorder.faults.latch import Change
from recorder.faults.latency import SlowStorage, percentile
from recorder.faults.regression import level, slope
from recorder.faults.space import BitRate, SpaceWatch
from recorder.faults.thermal import ThermalWatch
from recorder.faults.wall_clock import ClockHealth

SECOND = 1_000_000
FAULTS = load_config([], {}).config.faults


def names(changes: Sequence[Change]) -> list[tuple[str, str]]:
    return [(change.code, change.phase) for change in changes]


# --- position ----------------------------------------------------------------------------------------------------------

GOOD = GnssReading(None, None, 0, 0, 0, 0, None, {})


def gnss() -> GnssWatch:
    return GnssWatch(lost_after_us=300_000, stale_us=2 * SECOND, implausible_clear_us=2_500_000)


def follow(watch: GnssWatch, readings: Sequence[tuple[float, GnssReading]]) -> list[Change]:
    return [change for at_s, reading in readings for change in watch.look(round(at_s * 1e6), reading)]


def test_an_unplugged_receiver_is_lost_and_comes_back() -> None:
    fixed = replace(GOOD, fix_us=SECOND)
    broken = replace(fixed, failure="gnss: gone", errno=errno.EIO)
    changes = follow(
        gnss(), [(1, fixed), (1.2, broken), (1.4, broken), (1.6, broken), (1.8, replace(GOOD, fix_us=1_750_000))]
    )
    assert names(changes) == [("gnss-lost", "onset"), ("gnss-lost", "end")]
    assert (changes[0].evidence["from_us"], changes[0].evidence["errno"]) == (1_200_000, errno.EIO)


def test_a_receiver_without_a_fix_is_lost_until_the_next_fix() -> None:
    fixed, times = replace(GOOD, fix_us=SECOND), [1 + step / 5 for step in range(20)]
    without = [(at, replace(fixed, no_fix=max(0, int(at) - 1))) for at in times]
    back = [(5.0, replace(fixed, no_fix=3, fix_us=4_900_000))]
    assert names(follow(gnss(), [*without, *back])) == [("gnss-lost", "onset"), ("gnss-lost", "end")]


def test_a_receiver_that_repeats_itself_is_stale() -> None:
    readings = [(1 + step / 5, replace(GOOD, fix_us=SECOND, repeated=step)) for step in range(16)]
    fresh = [(4.3, replace(GOOD, fix_us=4_250_000, repeated=16))]
    changes = follow(gnss(), [*readings, *fresh])
    assert names(changes) == [("gnss-stale", "onset"), ("gnss-stale", "end")]
    assert 3.0 < changes[0].evidence["from_us"] / 1e6 <= 3.2


def test_a_receiver_that_never_had_a_fix_is_lost() -> None:
    changes = follow(gnss(), [(step / 5, GOOD) for step in range(25)])
    assert names(changes) == [("gnss-lost", "onset")]


def test_jumps_are_counted_into_one_fault() -> None:
    fixed = replace(GOOD, fix_us=SECOND)
    readings = [(1 + s, replace(fixed, fix_us=round((1 + s) * SECOND), implausible=min(s, 3))) for s in range(10)]
    changes = follow(gnss(), [(at, reading) for at, reading in readings])
    assert names(changes) == [("gnss-implausible", "onset"), ("gnss-implausible", "end")]
    assert changes[1].evidence["refused"] == 3


# --- clock -------------------------------------------------------------------------------------------------------------

WALL = 1_795_000_000 * SECOND


def clock() -> ClockHealth:
    return ClockHealth(step_us=250_000, drift_ppm=300, drift_window_us=60 * SECOND)


def tick(health: ClockHealth, wall: Sequence[tuple[int, int]]) -> list[Change]:
    return [change for now, at in wall for change in health.look(now, at, is_set=at > WALL // 2, source="ntp")]


def test_a_step_is_a_fault_of_a_moment() -> None:
    times = [step * 200_000 for step in range(100)]
    changes = tick(clock(), [(now, WALL + now + (5 * SECOND if now >= 8 * SECOND else 0)) for now in times])
    assert names(changes) == [("clock-stepped", "onset"), ("clock-stepped", "end")]
    assert changes[0].evidence["steps_us"] == [5 * SECOND]
    assert changes[1].evidence["to_us"] - changes[0].evidence["from_us"] <= 200_000


@pytest.mark.parametrize(("ppm", "found"), [(0, False), (100, False), (-280, False), (400, True), (-2000, True)])
def test_drift_is_found_by_its_rate(ppm: float, found: bool) -> None:
    noise = random.Random(1)
    times = [step * 200_000 for step in range(600)]
    wall = [(now, WALL + now + round(now * ppm / 1e6) + noise.randint(-500, 500)) for now in times]
    changes = tick(clock(), wall)
    assert names(changes) == ([("clock-drifting", "onset")] if found else [])
    if found:
        assert changes[0].evidence["ppm"] == pytest.approx(ppm, abs=60)
        assert len(changes[0].evidence["curve_us"]) <= POINTS + 1


def test_a_step_is_no_drift_and_ends_one() -> None:
    times = [step * 200_000 for step in range(900)]
    wall = [(now, WALL + now + round(now * 1000 / 1e6) if now < 90 * SECOND else WALL + now) for now in times]
    changes = tick(ClockHealth(step_us=50_000, drift_ppm=300, drift_window_us=60 * SECOND), wall)
    assert ("clock-drifting", "onset") in names(changes) and ("clock-drifting", "end") in names(changes)
    assert names(changes).count(("clock-stepped", "onset")) == 1


def test_a_clock_that_was_never_set_says_so_until_it_is() -> None:
    changes = tick(clock(), [(0, SECOND), (SECOND, 2 * SECOND), (2 * SECOND, WALL)])
    assert names(changes)[0] == ("clock-not-set", "onset") and ("clock-not-set", "end") in names(changes)


# --- card --------------------------------------------------------------------------------------------------------------


def test_errors_are_told_apart_by_their_number() -> None:
    assert [storage_code(n) for n in (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EMFILE, None)] == [
        "storage-full",
        "storage-read-only",
        "storage-io-error",
        "storage-fault",
        "storage-fault",
    ]
    assert [camera_code(n) for n in (errno.ENODEV, errno.EIO, None)] == [
        "camera-unplugged",
        "camera-fault",
        "camera-fault",
    ]


def test_one_write_that_hangs_is_noticed_while_it_hangs() -> None:
    storage = SlowStorage(FAULTS.storage)
    for step in range(10):
        storage.done(5_000)
        assert storage.look(step * SECOND, None) is None
    begun = 10 * SECOND
    assert storage.look(begun + 700_000, begun) is None
    onset = storage.look(begun + 850_000, begun)
    assert onset is not None and onset.present and onset.evidence["pending_ms"] == 850
    storage.done(3_000_000)
    assert storage.look(begun + 3_100_000, None) is None
    storage.done(4_000)
    end = storage.look(begun + 3_600_000, None)
    assert end is not None and not end.present and end.evidence["max_ms"] == 3000


def test_every_tenth_write_being_slow_is_a_slow_card() -> None:
    storage = SlowStorage(FAULTS.storage)
    changes = []
    for step in range(40):
        storage.done(500_000 if step % 5 == 0 else 8_000)
        changes.append(storage.look(step * SECOND // 2, None))
    found = [change for change in changes if change is not None]
    assert found[0].present and found[0].evidence["p90_ms"] == 500 and len(found[0].evidence["last_ms"]) <= 8


def test_an_ordinary_card_is_not_slow() -> None:
    storage, noise = SlowStorage(FAULTS.storage), random.Random(3)
    for step in range(2000):
        storage.done(round(1000 * noise.lognormvariate(2.5, 0.7)))
        assert storage.look(step * SECOND // 2, None) is None


def test_percentiles_by_nearest_rank() -> None:
    assert [percentile(range(1, 11), p) for p in (0, 50, 90, 91, 100)] == [1, 5, 9, 10, 10]


def test_room_is_counted_in_minutes_at_the_rate_that_is_written() -> None:
    rate = BitRate(1_000_000)
    assert rate.bytes_s(0) == 1_000_000
    for second in range(30):
        rate.wrote(second * SECOND, 500_000)
    assert rate.bytes_s(30 * SECOND) == pytest.approx(500_000)
    assert rate.bytes_s(200 * SECOND) == 1_000_000, "what was written long ago says nothing of now"


def test_low_and_very_low_and_full_come_and_go_in_order() -> None:
    watch = SpaceWatch(low_minutes=60, very_low_minutes=30, reserve_bytes=64 << 20)
    rate, changes = 800_000.0, []
    frees = [*range(4_000_000_000, 0, -10_000_000), *range(0, 4_000_000_000, 10_000_000)]
    for step, free in enumerate(frees):
        changes += watch.look(step * SECOND, free, rate)
    assert names(changes) == [
        ("storage-low", "onset"),
        ("storage-very-low", "onset"),
        ("storage-full", "onset"),
        ("storage-full", "end"),
        ("storage-very-low", "end"),
        ("storage-low", "end"),
    ]
    assert changes[0].evidence["minutes_left"] == pytest.approx(60, abs=0.5)
    assert changes[-1].evidence["minutes_left"] > 60
    assert not watch.look(10**12, None, rate), "a disk that does not tell changes nothing"


# --- heat --------------------------------------------------------------------------------------------------------------


def test_heat_comes_with_its_curve_and_its_peak() -> None:
    watch, changes = ThermalWatch(80, 75), []
    rise = [40 + step / 10 for step in range(450)]
    for step, celsius in enumerate([*rise, *reversed(rise)]):
        changes += watch.look(step * SECOND, celsius, frozenset({"throttled"}) if celsius > 82 else frozenset())
    assert names(changes) == [
        ("over-temperature", "onset"),
        ("throttled", "onset"),
        ("throttled", "end"),
        ("over-temperature", "end"),
    ]
    onset, end = changes[0].evidence, changes[3].evidence
    assert onset["temperature_c"] == 80 and onset["curve_c"][0][1] < 60 and end["peak_c"] == pytest.approx(84.9)
    assert len(end["curve_c"]) <= POINTS + 1 and changes[2].evidence["reasons"] == ["throttled"]


def test_a_sensor_that_says_nothing_is_neither_hot_nor_cold() -> None:
    watch = ThermalWatch(80, 75)
    assert names(watch.look(0, 90, None)) == [("over-temperature", "onset")]
    assert not watch.look(SECOND, None, None)


# --- start -------------------------------------------------------------------------------------------------------------


def test_how_the_last_run_ended_is_found_at_the_start() -> None:
    last = LastSigned("head", 55 * SECOND, "boot-a", 1000.0)
    assert found_at_start(None, False, "boot-b", 1100, ()) is None
    assert found_at_start(last, True, "boot-b", 1100, ()) is None
    code, evidence = found_at_start(last, False, "boot-a", 1100, ()) or ("", {})
    assert code == "process-crash" and evidence["from_us"] == 55 * SECOND and "off_s" not in evidence
    code, evidence = found_at_start(last, False, "boot-b", 1100, ("battery-critical",)) or ("", {})
    assert (code, evidence["from_bootseed"], evidence["off_s"]) == ("power-loss", "boot-a", 100)
    assert evidence["open_faults"] == ["battery-critical"]


# --- tools -------------------------------------------------------------------------------------------------------------


def test_a_line_is_found_though_every_fourth_point_is_nonsense() -> None:
    points = [(float(x), 3.0 * x + 7 if x % 4 else 1000.0) for x in range(40)]
    rate = slope(points)
    assert rate == pytest.approx(3) and level(points, 3.0, 40) == pytest.approx(127)
    assert slope([(1.0, 2.0)]) is None and slope([(1.0, 2.0), (1.0, 3.0)]) is None


@pytest.mark.parametrize("window_us", [None, 60 * SECOND])
def test_a_curve_never_has_more_than_its_points(window_us: int | None) -> None:
    curve = Curve(SECOND, window_us=window_us)
    for step in range(10_000):
        curve.add(step * SECOND, float(step))
    points = curve.points()
    assert len(points) <= POINTS + 1 and points == sorted(points) and points[-1] == (9_999 * SECOND, 9_999.0)
    assert (points[0][0] == 0) == (window_us is None)
