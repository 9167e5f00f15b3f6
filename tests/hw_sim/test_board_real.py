"""The simulated world seen through the real picamera2."""

from __future__ import annotations

import errno
import queue
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from firmware_bridge.ports import CaptureBoard, DeviceError, EncodedFrame, VideoMode
from firmware_bridge.raspberry_pi.camera import Picamera2Camera
from firmware_bridge.raspberry_pi.microphone import PyAudioMicrophone
from hw_sim import board_real
from hw_sim.devices.alsa_fifo import FedMicrophone
from hw_sim.devices.counter import plane_of, read_counter
from hw_sim.world import World
from recorder.loading import load_board_module
from tests.firmware_bridge.raspberry_pi.camera_rig import until
from tests.support import require_module

MODE = VideoMode(320, 180, 30, 800_000, 15)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World({}, tmp_path / "w") as world:
        yield world


@pytest.fixture
def board(world: World, tmp_path: Path) -> Iterator[CaptureBoard]:
    require_module("picamera2")
    board = load_board_module("hw_sim.board_real").capture_board({"world": str(tmp_path / "w")}, "cam0")
    yield board
    board.close()


def test_the_unit_s_board_is_the_simulated_one(world: World, tmp_path: Path) -> None:
    board = board_real.unit_board({"world": str(tmp_path / "w")})
    assert set(board.buttons) == {"record", "mark"}
    board.close()


def test_the_worker_s_devices_are_those_the_pi_s_board_makes(world: World, tmp_path: Path) -> None:
    """Of a board file's options only the names of what there is none of are others."""
    require_module("picamera2")
    options = {"world": str(tmp_path / "w"), "camera.cam0.sensor": "imx219", "camera.cam0.encoder": "v4l2"}
    options |= {"camera.cam0.rotation": "180", "microphone_device": "USB Audio", "microphone_latency_ms": "7"}
    made = board_real.capture_board(options, "cam0")
    assert isinstance(made.camera, Picamera2Camera) and isinstance(made.microphone, FedMicrophone)
    assert made.camera._arguments == (0, "libx264", 180, 2, None, {})
    driver = made.microphone._driver
    assert isinstance(driver, PyAudioMicrophone) and (driver._device, driver._latency_us) == ("mic", 7_000)
    made.close()
    silent = board_real.capture_board({**options, "camera.cam0.microphone": "none"}, "cam0")
    assert silent.microphone is None
    silent.close()


def test_frames_of_the_world_bear_the_unit_s_time(world: World, board: CaptureBoard) -> None:
    frames: queue.SimpleQueue[EncodedFrame] = queue.SimpleQueue()
    board.camera.start(MODE, None, frames.put)
    decoder = av.VideoCodecContext.create("h264", "r")
    seen = 0
    while seen < 20:
        frame = frames.get(timeout=10)
        for picture in decoder.decode(av.Packet(frame.data)):
            counter = read_counter(plane_of(picture, 0))
            assert counter is not None and counter * 1_000_000 // 30 == frame.timestamp_us
            seen += 1
        assert 0 < board.clock.boottime_us() - frame.timestamp_us < 5_000_000
    world.set("camera.mode", "covered")
    until(lambda: (frames.get(timeout=10).sensor.lux or 1.0) < 0.1)


def test_unplugging_and_plugging_in_again(world: World, board: CaptureBoard) -> None:
    frames: queue.SimpleQueue[EncodedFrame] = queue.SimpleQueue()
    board.camera.start(MODE, None, frames.put)
    frames.get(timeout=10)
    world.set("camera.failure", "off")
    until(board.camera.failure)
    failure = board.camera.failure()
    assert failure is not None and failure.errno == errno.ENODEV
    board.camera.stop()
    world.set("camera.failure", "ok")
    while not frames.empty():
        frames.get()

    def delivers() -> bool:
        board.camera.stop()
        try:
            board.camera.start(MODE, None, frames.put)
        except DeviceError:
            return False  # the world's word has not arrived yet
        return frames.get(timeout=10) is not None

    until(delivers)
