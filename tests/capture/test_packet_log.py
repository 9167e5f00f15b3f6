"""Bounds and order of the one buffer, whatever comes in."""

from __future__ import annotations

import itertools
import threading
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.ports import EncodedFrame, SensorInfo
from recorder.capture.packet_log import PacketLog
from recorder.capture.packets import AudioPacket, Gap, Item, Packet
from tests.capture.doubles import frame

STEP_US = 33_333


def video(count: int, gop: int = 10, size: int = 1000, first: int = 0) -> list[Packet]:
    return [frame(n * STEP_US, n % gop == 0, size) for n in range(first, first + count)]


def drain(log: PacketLog) -> list[Item]:
    items = []
    while (item := log.take(0)) is not None:
        items.append(item)
    return items


packets = st.lists(
    st.tuples(st.sampled_from(["key", "delta", "audio"]), st.integers(1, 40_000)), min_size=1, max_size=200
)


def build(kinds: list[tuple[str, int]]) -> list[Packet]:
    return [
        AudioPacket(bytes(size % 300 + 1), n * STEP_US, 21_333)
        if kind == "audio"
        else frame(n * STEP_US, kind == "key", size)
        for n, (kind, size) in enumerate(kinds)
    ]


@given(packets, st.integers(0, 3_000_000), st.integers(50_000, 400_000), st.integers(0, 200))
@settings(max_examples=150, deadline=None)
def test_bounds_hold_in_every_mode(kinds: list[tuple[str, int]], pre_us: int, most: int, start: int) -> None:
    log = PacketLog(pre_us, most)
    pushed = build(kinds)
    for packet in pushed[:start]:
        log.push(packet)
        assert log.state().bytes <= most
    log.begin(10**12, preroll=True)
    for packet in pushed[start:]:
        log.push(packet)
        assert log.state().bytes <= most
    log.end()
    for packet in pushed:
        log.push(packet)
        assert log.state().bytes <= most


@given(packets, st.integers(50_000, 400_000))
@settings(max_examples=150, deadline=None)
def test_recording_loses_only_whole_gops_and_says_how_many(kinds: list[tuple[str, int]], most: int) -> None:
    log = PacketLog(0, most)
    pushed = build([("key", 100), *kinds])
    log.push(pushed[0])
    log.begin(10**12, preroll=False)
    for packet in pushed[1:]:
        log.push(packet)
    items = drain(log)
    got = [item for item in items if not isinstance(item, Gap)]
    gaps = [item for item in items if isinstance(item, Gap)]
    frames = sum(isinstance(packet, EncodedFrame) for packet in pushed)
    assert frames == sum(isinstance(packet, EncodedFrame) for packet in got) + sum(gap.frames for gap in gaps)
    assert log.state().lost_frames == sum(gap.frames for gap in gaps)
    assert [packet.timestamp_us for packet in got] == sorted(packet.timestamp_us for packet in got)
    for gap, following in itertools.pairwise(items):
        if isinstance(gap, Gap):
            assert isinstance(following, EncodedFrame) and following.keyframe
    assert log.state().bytes == 0


@given(st.integers(1, 300), st.integers(0, 5_000_000), st.integers(1, 45))
@settings(max_examples=100, deadline=None)
def test_ring_keeps_what_was_promised_and_hardly_more(count: int, pre_us: int, gop: int) -> None:
    log = PacketLog(pre_us, 1 << 30)
    for packet in video(count, gop):
        log.push(packet)
    last_us = (count - 1) * STEP_US
    log.begin(last_us, preroll=True)
    first_us = None
    if (item := log.take_preroll()) is not None and not isinstance(item, Gap):
        first_us = item.timestamp_us
    live = log.take(0)
    assert isinstance(live, EncodedFrame) and live.keyframe
    first_us = live.timestamp_us if first_us is None else first_us
    assert first_us == 0 or last_us - first_us >= pre_us
    assert last_us - first_us < pre_us + gop * STEP_US


def test_live_begins_at_the_newest_keyframe_not_after_the_press() -> None:
    log = PacketLog(10_000_000, 1 << 30)
    for packet in video(100):
        log.push(packet)
    log.begin(75 * STEP_US, preroll=True)
    items = drain(log)
    assert [item.timestamp_us for item in items if isinstance(item, EncodedFrame)] == [
        n * STEP_US for n in range(70, 100)
    ]
    before = []
    while isinstance(item := log.take_preroll(), EncodedFrame):
        before.append(item.timestamp_us)
    assert before == [n * STEP_US for n in range(70)]


def test_preroll_gives_way_before_live() -> None:
    log = PacketLog(10_000_000, 120_000)
    for packet in video(100):
        log.push(packet)
    log.begin(99 * STEP_US, preroll=True)
    for packet in video(60, first=100):
        log.push(packet)
    live = drain(log)
    assert not any(isinstance(item, Gap) for item in live) and len(live) == 70
    gap = log.take_preroll()
    assert isinstance(gap, Gap) and gap.frames == log.state().lost_frames > 0


def test_memory_over_payload() -> None:
    """Design §10: ≤ 2 %. 30 s at 6 Mbit/s with sound, sensor values that differ from frame to frame."""
    log = PacketLog(30_000_000, 256 << 20)

    def fill() -> int:
        payload = 0
        for n in range(900):
            sensor = SensorInfo(10_000 + n // 30, 2.0 + n // 30, 100.0 + n // 30)
            data = b"\x00\x00\x00\x01\x41" + bytes(25_000)
            log.push(EncodedFrame(data, n % 30 == 0, 10**9 + n * STEP_US, sensor))
            payload += len(data)
            for k in range(n * 47 // 30, (n + 1) * 47 // 30):
                sound = bytes(170)
                log.push(AudioPacket(sound, 10**9 + k * 21_333, 21_333))
                payload += len(sound)
        return payload

    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    payload = fill()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert log.state().bytes == payload
    assert (after - before - payload) / payload <= 0.02


def test_take_returns_when_woken() -> None:
    log = PacketLog(0, 1 << 20)
    log.push(frame(0, True))
    log.begin(0, preroll=False)
    assert log.take(0) is not None
    returned = threading.Event()

    def wait() -> None:
        log.take(60)
        returned.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    for _ in range(100):
        log.wake()
        if returned.wait(0.02):
            break
    assert returned.is_set()
    waiting.join()


def test_a_preroll_larger_than_the_buffer_leaves_the_ring_empty_and_the_camera_running() -> None:
    """Late sound made the pre-roll larger than the buffer after the session's end: the ring then gave way for ever,
    holding the camera's thread in `push`."""
    log = PacketLog(10_000_000, 50_000)
    for n in range(40):
        log.push(frame(n * 33_333, n % 10 == 0, 1_000))
    log.begin(39 * 33_333, preroll=True)
    for n in range(30):
        log.give_preroll(AudioPacket(b"x" * 1_000, n, 1))
    log.end()
    pushed = threading.Event()

    def camera() -> None:
        log.push(frame(2_000_000, True, 1_000))
        pushed.set()

    threading.Thread(target=camera, daemon=True).start()
    assert pushed.wait(5)


def test_a_time_stamp_that_does_not_grow_keeps_its_frame() -> None:
    log = PacketLog(0, 1 << 20)
    log.push(frame(1_000, True))
    log.begin(1_000, preroll=False)
    for timestamp_us in (500, 1_000, 2_000):
        log.push(frame(timestamp_us, False))
    times = [item.timestamp_us for item in iter(lambda: log.take(0), None) if isinstance(item, EncodedFrame)]
    assert times == [1_000, 1_001, 1_002, 2_000]
    assert log.state().disordered == 2
