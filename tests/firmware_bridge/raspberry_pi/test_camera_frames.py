from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ports import SensorInfo
from firmware_bridge.raspberry_pi.camera_frames import FrameBook, TimeBase

FRAME_US = 33_333


@given(st.lists(st.booleans(), min_size=2, max_size=60), st.lists(st.integers(-3_000, 3_000), min_size=60, max_size=60))
def test_holes_in_the_sensor_s_time_are_lost_frames(there: list[bool], jitter_us: list[int]) -> None:
    book = FrameBook(FRAME_US)
    exposed = [n for n, present in enumerate(there) if present]
    for n in exposed:
        sensor_us = 1_000_000 + n * FRAME_US + jitter_us[n]
        book.seen(sensor_us, sensor_us + 20_000, FRAME_US, SensorInfo())
    expected = exposed[-1] - exposed[0] + 1 - len(exposed) if exposed else 0
    assert book.lost == expected


@given(st.lists(st.sampled_from(["encoded", "swallowed"]), max_size=60))
def test_what_the_encoder_swallows_is_lost_and_the_rest_keeps_its_own_information(fates: list[str]) -> None:
    book = FrameBook(FRAME_US)
    came: list[tuple[int, SensorInfo] | None] = []
    for n, fate in enumerate([*fates, "encoded"]):
        book.seen(n * FRAME_US, n * FRAME_US, None, SensorInfo(exposure_us=n))
        if fate == "encoded":
            came.append(book.encoded(n * FRAME_US, n * FRAME_US + 5_000))
    expected = [n for n, fate in enumerate([*fates, "encoded"]) if fate == "encoded"]
    assert came == [(n * FRAME_US, SensorInfo(exposure_us=n)) for n in expected]
    assert book.lost == fates.count("swallowed")


def test_the_duration_the_sensor_tells_goes_before_the_one_asked_for() -> None:
    book = FrameBook(FRAME_US)
    book.seen(1_000_000, 1_000_000, 100_000, SensorInfo())
    book.seen(1_100_000, 1_100_000, 100_000, SensorInfo())
    assert book.lost == 0


def test_time_that_does_not_advance_is_not_passed_on() -> None:
    book = FrameBook(FRAME_US)
    book.seen(1_000_000, 1_000_000, None, SensorInfo())
    assert book.encoded(1_000_000, 1_000_000) is not None
    assert book.encoded(1_000_000, 1_000_000) is None and book.lost == 1


def test_a_frame_nobody_saw_before_the_encoder_is_passed_on() -> None:
    book = FrameBook(FRAME_US)
    assert book.encoded(1_000_000, 1_010_000) == (1_000_000, SensorInfo())


def test_an_encoder_that_returns_nothing_does_not_fill_the_memory() -> None:
    book = FrameBook(FRAME_US)
    for n in range(1_000):
        book.seen(n * FRAME_US, n * FRAME_US, None, SensorInfo())
    assert 700 < book.lost < 1_000


@given(st.integers(0, 2_000_000))
def test_boot_time_is_left_alone(age_us: int) -> None:
    assert TimeBase().boottime_us(5_000_000, 5_000_000 + age_us) == 5_000_000


@given(st.integers(2_000_001, 10**12) | st.integers(-(10**12), -1))
def test_another_clock_is_shifted_by_what_the_first_frame_shows_and_stays_so(age_us: int) -> None:
    base = TimeBase()
    now_us = 10**12 + age_us
    assert base.boottime_us(10**12, now_us) == now_us
    assert base.boottime_us(10**12 + FRAME_US, now_us + 70_000) == now_us + FRAME_US
