"""The sensor's pace, its buffers and its failures; any video file in place of the street."""

from __future__ import annotations

import threading
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Clock, DeviceError, VideoMode
from firmware_bridge.software_encoder import RawFrame
from hw_sim.devices.camera import BUFFERS, FrameGrid, SimulatedSensor
from hw_sim.devices.camera_file import VideoFile
from hw_sim.devices.counter import read_counter
from hw_sim.devices.sensor_view import sensor_info
from hw_sim.world_keys import State, initial_state
from tests.firmware_bridge.manual_clock import ManualClock
from tests.hw_sim.devices.footage import encode_h264, planes

MODE = VideoMode(320, 180, 30, 800_000, 30)


def sensor(state: State | None = None, clock: Clock | None = None, mode: VideoMode = MODE) -> SimulatedSensor:
    state = state if state is not None else initial_state({})
    made = SimulatedSensor(clock or ManualClock(step_us=3_000), state.__getitem__, lambda: True)
    made.open(mode)
    return made


def take(source: SimulatedSensor, count: int) -> list[tuple[int | None, int]]:
    """(counter in the picture, time stamp) of the next frames. With a clock that steps at each reading, no time passes."""
    seen: list[tuple[int | None, int]] = []
    while len(seen) < count:
        frame = source.next_frame(0.0)
        if frame is not None:
            seen.append((read_counter(frame.y), frame.timestamp_us))
    return seen


@given(rate=st.integers(5, 60), now_us=st.integers(0, 10**12))
def test_grid(rate: int, now_us: int) -> None:
    grid = FrameGrid(rate)
    n = grid.next_after(now_us)
    assert grid.at_us(n) > now_us and (n == 0 or grid.at_us(n - 1) <= now_us)
    assert grid.overdue(n, now_us) == 0
    late_us = now_us + 5_000_000
    assert grid.overdue(n, late_us) == max(0, grid.next_after(late_us) - n - BUFFERS)


def test_each_frame_bears_its_own_time() -> None:
    for counter, at_us in take(sensor(), 60):
        assert counter is not None and at_us == counter * 1_000_000 // 30


def test_pace_is_real_and_every_hole_is_counted() -> None:
    clock = SystemClock()
    source = sensor(clock=clock)
    begin = clock.boottime_us()
    frames = [source.next_frame(1.0) for _ in range(31)]
    took = clock.boottime_us() - begin
    stamps = [frame.timestamp_us for frame in frames if frame is not None]
    assert len(stamps) == 31
    holes = round((stamps[-1] - stamps[0]) / 33_333) - 30
    assert holes == source.dropped_frames(), "on a busy machine frames may be lost, but never uncounted"
    assert 0.95e6 < took < 5e6


def test_a_late_consumer_loses_frames_and_they_are_counted() -> None:
    clock = ManualClock(step_us=1_000)
    source = sensor(clock=clock)
    first = take(source, 1)[0][0]
    clock.now_us += 1_000_000
    then = take(source, 1)[0][0]
    assert first is not None and then is not None
    lost = then - first - 1
    assert source.dropped_frames() == lost and 30 - BUFFERS - 1 <= lost <= 30 - BUFFERS + 1


def test_nothing_is_dropped_within_the_buffers() -> None:
    clock = ManualClock(step_us=100)
    source = sensor(clock=clock)
    take(source, 1)
    clock.now_us += (BUFFERS - 2) * 33_333
    counters = [counter for counter, _ in take(source, 10)]
    assert source.dropped_frames() == 0 and np.diff(np.array(counters)).tolist() == [1] * 9


def test_a_time_out_returns_none_in_time() -> None:
    clock = SystemClock()
    source = sensor(clock=clock, mode=VideoMode(320, 180, 5, 800_000, 5))
    source.next_frame(1.0)
    begin = clock.boottime_us()
    assert source.next_frame(0.02) is None
    assert clock.boottime_us() - begin < 2_000_000


def test_failures() -> None:
    state = initial_state({})
    source = sensor(state)
    take(source, 2)
    state["camera.failure"] = "stuck"
    assert [source.next_frame(0.001) for _ in range(5)] == [None] * 5
    state["camera.failure"] = "off"
    with pytest.raises(DeviceError):
        source.next_frame(0.001)
    with pytest.raises(DeviceError):
        sensor(state)
    state["camera.failure"] = "ok"
    assert take(source, 1)


def test_a_hung_driver_never_returns() -> None:
    state = initial_state({"worker.failure": "stuck"})
    source = sensor(state)
    returned: list[RawFrame | None] = []
    thread = threading.Thread(target=lambda: returned.append(source.next_frame(0.01)), daemon=True)
    thread.start()
    thread.join(0.3)
    state["worker.failure"] = "ok"
    thread.join(0.3)
    assert thread.is_alive() and returned == []


def test_covered_lens_keeps_its_counter_and_reads_dark() -> None:
    state = initial_state({"camera.mode": "covered"})
    source = sensor(state)
    frame = None
    while frame is None:
        frame = source.next_frame(0.0)
    assert read_counter(frame.y) is not None
    assert frame.y[100:].max() < 30 and frame.sensor.lux is not None and frame.sensor.lux < 1


def test_the_counter_can_be_left_out() -> None:
    assert take(sensor(initial_state({"camera.counter": False})), 1)[0][0] is None


def test_exposure_then_gain_rise_as_the_light_goes() -> None:
    infos = [sensor_info(lux, False) for lux in (10_000, 200, 40, 5, 0.1)]
    exposures = [info.exposure_us or 0 for info in infos]
    gains = [info.analogue_gain or 0 for info in infos]
    assert exposures == sorted(exposures) and gains == sorted(gains) and gains[0] == 1.0 and gains[-1] == 16.0


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    encode_h264(path, (640, 360), 1_500_000, 30, first=500)
    return path


def shown(file: VideoFile, at_us: int, size: tuple[int, int] = (640, 360)) -> int | None:
    y, u, v = planes(*size)
    file.draw(y, u, v, at_us, lux=200.0, covered=False)
    return read_counter(y)


@pytest.mark.parametrize(
    ("at_end", "expected"), [("loop", [500, 501, 529, 500, 501, 529, 500]), ("hold", [500, 501] + [529] * 5)]
)
def test_a_file_loops_or_holds(clip: Path, at_end: str, expected: list[int]) -> None:
    file = VideoFile(str(clip), 640, 360, at_end)
    moments = [0, 33_400, 967_000, 1_000_100, 1_033_400, 1_967_100, 2_000_200]
    assert [shown(file, at_us) for at_us in moments] == expected
    file.close()


def test_frames_between_are_skipped_and_slow_files_repeat(clip: Path) -> None:
    file = VideoFile(str(clip), 640, 360, "loop")
    assert [shown(file, n * 66_667 + 5_000) for n in range(5)] == [500, 502, 504, 506, 508]
    assert [shown(file, 300_000 + n * 16_000) for n in range(4)] == [509, 509, 509, 510]
    file.close()


def test_other_shapes_are_fitted_with_black_bars(clip: Path) -> None:
    file = VideoFile(str(clip), 640, 480, "loop")
    y, u, v = planes(640, 480)
    file.draw(y, u, v, 0, lux=200.0, covered=False)
    assert (y[:60] == 16).all() and (y[420:] == 16).all() and y[60:420].max() > 100
    assert read_counter(y[60:420]) == 500
    file.close()


def test_a_file_darkens_with_the_light(clip: Path) -> None:
    file = VideoFile(str(clip), 640, 360, "loop")
    y, u, v = planes(640, 360)
    file.draw(y, u, v, 0, lux=200.0, covered=False)
    day = float(y.mean())
    file.draw(y, u, v, 0, lux=0.5, covered=False)
    assert y.mean() < day / 2 and (u == 128).all()
    file.close()


def test_file_fed_sensor_stamps_its_own_counter(clip: Path) -> None:
    source = sensor(initial_state({"camera.file": str(clip)}), mode=VideoMode(640, 360, 30, 800_000, 30))
    for counter, at_us in take(source, 40):
        assert counter is not None and counter * 1_000_000 // 30 == at_us
    source.close()


def test_files_that_are_no_video_are_named(tmp_path: Path) -> None:
    text, sound = tmp_path / "text.mp4", tmp_path / "sound.wav"
    text.write_text("hello")
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        block.sample_rate = 16_000
        container.mux(stream.encode(block))
    for path in (text, sound, tmp_path / "none.mp4"):
        with pytest.raises(DeviceError, match=path.stem):
            VideoFile(str(path), 640, 360, "loop")
