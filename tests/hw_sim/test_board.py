"""The simulated board from end to end: world, real drivers, real encoder."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import DeviceError, EncodedFrame, GnssFix, VideoMode
from hw_sim import board as hw_board
from hw_sim.devices.counter import plane_of, read_counter
from hw_sim.world import World
from recorder.loading import load_board_module

MODE = VideoMode(320, 180, 30, 800_000, 30)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World({"gnss.rate_hz": 5}, tmp_path / "w") as world:
        yield world


@pytest.fixture
def options(world: World, tmp_path: Path) -> dict[str, str]:
    return {"world": str(tmp_path / "w")}


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    pause, clock = threading.Event(), SystemClock()
    deadline = clock.boottime_us() + timeout_s * 1e6
    while not condition():
        assert clock.boottime_us() < deadline, "did not happen in time"
        pause.wait(0.02)


def test_it_is_a_board_module() -> None:
    assert load_board_module("hw_sim.board") is hw_board


def test_buttons_lamps_and_sensors(world: World, options: dict[str, str]) -> None:
    board = hw_board.unit_board(options)
    assert set(board.buttons) == {"record", "mark"}
    assert set(board.outputs) == {"led_red", "led_green", "led_yellow", "vibration", "ir_lamp", "ir_cut"}
    edges: queue.SimpleQueue[tuple[str, bool, int]] = queue.SimpleQueue()

    def listener(name: str) -> Callable[[bool, int], None]:
        return lambda pressed, at_us: edges.put((name, pressed, at_us))

    for name, button in board.buttons.items():
        button.start(listener(name))
    before = board.clock.boottime_us()
    world.set("button.mark", True)
    name, pressed, at_us = edges.get(timeout=5)
    assert (name, pressed) == ("mark", True) and before <= at_us <= board.clock.boottime_us()
    world.set("button.mark", False)
    assert edges.get(timeout=5)[:2] == ("mark", False)
    board.outputs["ir_lamp"].set(True)
    board.outputs["ir_lamp"].set(True)
    lit = world.wait_for_output("ir_lamp", True, 5)
    assert lit is not None and lit.at_us >= at_us
    assert board.light is not None and board.light.lux() == 200.0
    world.set("lux", 1.5)
    world.set("battery_percent", 12.0)
    world.set("temperature_c", 71.5)
    until(lambda: board.thermal is not None and board.thermal.temperature_c() == 71.5)
    assert board.power is not None and board.light.lux() == 1.5 and board.power.state().battery_percent == 12.0
    board.close()
    assert world.wait_for_output("ir_lamp", False, 5) is not None
    assert [event.name for event in world.outputs()] == ["ir_lamp", "ir_lamp"]


def test_a_vehicle_has_an_ignition_and_a_body_worn_unit_has_none(tmp_path: Path, options: dict[str, str]) -> None:
    bare = hw_board.unit_board(options)
    assert bare.ignition is None
    bare.close()
    with World({"ignition": "on"}, tmp_path / "v") as world:
        board = hw_board.unit_board({"world": str(tmp_path / "v")})
        assert board.ignition is not None
        levels: queue.SimpleQueue[bool] = queue.SimpleQueue()
        board.ignition.start(lambda on, since_us: levels.put(on))
        assert levels.get(timeout=5) is True
        world.set("ignition", "off")
        assert levels.get(timeout=5) is False and board.ignition.is_on() is False
        board.close()


def test_gnss_over_the_pty_with_faults(world: World, options: dict[str, str]) -> None:
    board = hw_board.unit_board(options)
    gnss = board.gnss
    assert gnss is not None
    fixes: queue.SimpleQueue[GnssFix] = queue.SimpleQueue()
    gnss.start(fixes.put)
    fix = fixes.get(timeout=5)
    assert fix.latitude == pytest.approx(38.04, abs=0.01) and fix.utc_us is not None
    world.set("gnss.failure", "frozen")
    until(lambda: gnss.counters().repeated > 0)
    world.set("gnss.failure", "bad-checksum")
    until(lambda: gnss.counters().bad_checksum > 0)
    world.set("gnss.failure", "no-fix")
    until(lambda: gnss.counters().no_fix > 0)
    world.set("gnss.failure", "jump")
    until(lambda: gnss.counters().implausible > 0)
    world.set("gnss.failure", "off")
    until(lambda: gnss.failure() is not None)
    world.set("gnss.failure", "ok")
    while not fixes.empty():
        fixes.get()
    fixes.get(timeout=10)
    assert gnss.failure() is None
    board.close()


def test_camera_and_microphone(world: World, options: dict[str, str]) -> None:
    board = hw_board.capture_board(options, "cam0")
    assert world.clients() == ("worker:cam0",)
    frames: queue.SimpleQueue[EncodedFrame] = queue.SimpleQueue()
    board.camera.start(MODE, None, frames.put)
    first = frames.get(timeout=5)
    assert first.keyframe and abs(first.timestamp_us - board.clock.boottime_us()) < 1_000_000
    assert board.microphone is not None
    board.microphone.open(16_000, 320)
    block = board.microphone.read(2)
    assert block is not None and block.samples.shape == (320,)
    world.set("camera.failure", "off")
    until(lambda: board.camera.failure() is not None)
    world.set("microphone.failure", "off")
    with pytest.raises(DeviceError):
        for _ in range(500):
            board.microphone.read(0.1)
    board.close()


@pytest.mark.parametrize("file_fed", [False, True])
def test_every_encoded_frame_shows_the_time_it_was_stamped_with(
    world: World, options: dict[str, str], file_fed: bool
) -> None:
    if file_fed:
        world.set("camera.file", str(Path(hw_board.__file__).with_name("media") / "clip.mp4"))
    board = hw_board.capture_board(options, "cam0")
    frames: queue.SimpleQueue[EncodedFrame] = queue.SimpleQueue()
    board.camera.start(VideoMode(640, 360, 30, 800_000, 30), None, frames.put)
    taken = [frames.get(timeout=5) for _ in range(40)]
    board.close()
    decoder = av.VideoCodecContext.create("h264", "r")
    pictures = [picture for frame in taken for picture in decoder.decode(av.Packet(frame.data))] + decoder.decode(None)
    counters = [read_counter(plane_of(picture, 0)) for picture in pictures]
    assert [counter and counter * 1_000_000 // 30 for counter in counters] == [frame.timestamp_us for frame in taken]
    steps = np.diff([frame.timestamp_us for frame in taken])
    assert round(int(steps.sum()) / 33_333) - 39 == board.camera.dropped_frames()


def test_when_the_world_ends_devices_are_unplugged_and_nothing_crashes(tmp_path: Path) -> None:
    options = {"world": str(tmp_path / "w2")}
    with World({"gnss.rate_hz": 5}, tmp_path / "w2"):
        unit, capture = hw_board.unit_board(options), hw_board.capture_board(options, "cam0")
        assert unit.gnss is not None and capture.microphone is not None
        unit.gnss.start(lambda fix: None)
        frames: queue.SimpleQueue[EncodedFrame] = queue.SimpleQueue()
        capture.camera.start(MODE, None, frames.put)
        frames.get(timeout=5)
        capture.microphone.open(16_000, 320)
    until(lambda: capture.camera.failure() is not None)
    gnss = unit.gnss
    until(lambda: gnss.failure() is not None)
    with pytest.raises(DeviceError):
        capture.microphone.read(1)
    assert unit.light is not None and unit.light.lux() is None
    unit.outputs["led_red"].set(True)
    before = unit.clock.boottime_us()
    assert unit.clock.boottime_us() >= before
    unit.close()
    capture.close()


def test_boot_time_starts_again_after_a_power_cut(world: World, options: dict[str, str]) -> None:
    before = hw_board.unit_board(options)
    world.new_boot()
    after = hw_board.unit_board(options)
    assert before.clock.boot_id() != after.clock.boot_id()
    assert 3_000_000 <= after.clock.boottime_us() < before.clock.boottime_us()
    before.close()
    after.close()


@pytest.mark.parametrize("options", [{}, {"world": "/nonexistent/w"}])
def test_without_a_world(options: dict[str, str]) -> None:
    with pytest.raises(DeviceError, match="world"):
        hw_board.unit_board(options)
    with pytest.raises(DeviceError, match="world"):
        hw_board.capture_board(options, "cam0")


def test_options_may_rewire_and_a_wrong_one_is_named(world: World, options: dict[str, str]) -> None:
    board = hw_board.unit_board(
        {**options, "button_record": "GPIO22:high", "led_red": "GPIO23:low", "debounce_ms": "0"}
    )
    edges: queue.SimpleQueue[bool] = queue.SimpleQueue()
    board.buttons["record"].start(lambda pressed, at_us: edges.put(pressed))
    world.set("button.record", True)
    world.set("button.record", False)
    assert edges.get(timeout=5) is True and edges.get(timeout=5) is False
    board.outputs["led_red"].set(True)
    assert world.wait_for_output("led_red", True, 5)
    board.close()
    board = hw_board.unit_board({**options, "led_pink": "GPIO1", "led_red": "none"})
    assert [fault.device for fault in board.faults] == ["board.options"] and "led_pink" in str(board.faults[0])
    assert "led_red" not in board.outputs and "led_green" in board.outputs
    board.close()
    until(lambda: world.clients() == ())
