from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ports import EncodedFrame
from recorder.capture.interleave import PATIENCE_US, Interleaver
from recorder.capture.packets import AudioPacket, Gap, Item
from tests.capture.doubles import frame

STEP = 33_333


def sound(timestamp_us: int) -> AudioPacket:
    return AudioPacket(b"a", timestamp_us, 21_333)


@given(st.integers(0, 150_000), st.integers(10, 60))
def test_order_of_time_when_sound_trails(delay_us: int, count: int) -> None:
    coming: list[tuple[int, Item]] = [(n * STEP, frame(n * STEP, n % 30 == 0)) for n in range(count)]
    coming += [(n * 21_333 + delay_us, sound(n * 21_333)) for n in range(count)]
    order = Interleaver(True)
    out: list[Item] = []
    for _, item in sorted(coming, key=lambda each: each[0]):
        out += order.push(item)
    out += order.drain()
    times = [item.timestamp_us for item in out if not isinstance(item, Gap)]
    assert times == sorted(times)
    assert len(out) == len(coming)


def test_a_frame_waits_only_so_long() -> None:
    order = Interleaver(True)
    released: list[Item] = []
    for n in range(30):
        released += order.push(frame(n * STEP, n == 0))
        oldest_waiting_us = len(released) * STEP
        assert n * STEP - oldest_waiting_us <= PATIENCE_US
    assert len(released) >= 23


def test_a_slow_camera_waits_one_frame_for_dead_sound() -> None:
    order = Interleaver(True)
    order.push(frame(0, True))
    assert [item.timestamp_us for item in order.push(frame(200_000, False)) if isinstance(item, EncodedFrame)] == [0]


def test_without_sound_nothing_waits() -> None:
    order = Interleaver(False)
    first = frame(0, True)
    assert order.push(first) == [first]


def test_a_gap_keeps_its_place() -> None:
    order = Interleaver(True)
    first, gap, second = frame(0, True), Gap(3, 100, 1, 2), frame(STEP, True)
    assert order.push(first) == []
    assert order.push(gap) == [first, gap]
    assert order.push(second) == []
