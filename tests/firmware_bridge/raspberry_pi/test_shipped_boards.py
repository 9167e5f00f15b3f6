"""The shipped board files all the way down: their options make the drivers, on what stands in for the hardware."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins import mock

from firmware_bridge.ports import BoardOptions
from firmware_bridge.raspberry_pi.board import capture_board, compose
from firmware_bridge.raspberry_pi.camera import attached_cameras
from firmware_bridge.raspberry_pi.camera_settings import Machine
from firmware_bridge.raspberry_pi.checks.cameras import cameras
from firmware_bridge.raspberry_pi.microphone import PyAudioMicrophone
from firmware_bridge.raspberry_pi.options import OptionReader
from recorder.board_options import board_options
from recorder.config.load import load_config
from recorder.config.paths import shipped_dir
from tests.firmware_bridge.manual_clock import ManualClock
from tests.firmware_bridge.raspberry_pi.camera_rig import MODE, Frames, TestSensor, counters, plugged_in
from tests.firmware_bridge.raspberry_pi.i2c_stub import StubBus
from tests.firmware_bridge.raspberry_pi.test_board import IDENTITY

_mock: Any = mock


def options_of(board: str, example: str) -> BoardOptions:
    """As a unit with that agency file on that board would have them."""
    files, env = [shipped_dir() / f"{example}.toml"], {"RECORDER__BOARD__FILE": board}
    return board_options(load_config(files, env, Path("/nowhere")).config.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("board", "example", "lights"),
    [("body-worn-zero2w", "body-worn", 6), ("vehicle-pi4", "vehicle", 3), ("vehicle-pi5", "vehicle", 3)],
)
def test_the_unit_of_each_board_on_mock_pins(board: str, example: str, lights: int, tmp_path: Path) -> None:
    codec = tmp_path / "video11"
    codec.touch()
    factory = _mock.MockFactory()
    options = options_of(board, example)
    made = compose(options, factory, ManualClock(), IDENTITY, lambda number: StubBus(), Machine(codec))
    try:
        assert made.faults == []
        assert set(made.buttons) == {"record", "mark"} and len(made.outputs) == lights
        assert (made.ignition is not None) == board.startswith("vehicle")
        assert None not in (made.gnss, made.power, made.thermal, made.speaker)
        assert made.watchdog is None, "it is systemd's"
    finally:
        made.close()
        factory.close()


CAMERAS = [("body-worn-zero2w", "body-worn", "cam0")]
CAMERAS += [(f"vehicle-{pi}", "vehicle", camera) for pi in ("pi4", "pi5") for camera in ("cam0", "cam1")]


@pytest.mark.parametrize(("board", "example", "camera_id"), CAMERAS)
def test_each_camera_of_each_board_delivers(board: str, example: str, camera_id: str) -> None:
    """Everything as shipped, also the VC4's encoder, which this machine does not have."""
    options = options_of(board, example)
    models = [options.get(f"camera.cam{n}.sensor", "imx708") for n in range(2)]
    with plugged_in(*(TestSensor(name=f"/base/i2c@{n}/x@1a", model=model) for n, model in enumerate(models))):
        made, frames = capture_board(options, camera_id), Frames()
        made.camera.start(MODE, None, frames.add)
        frames.wait_for(3)
        made.close()


def test_both_cameras_of_the_pi_5_deliver_and_the_doctor_sees_them() -> None:
    options = options_of("vehicle-pi5", "vehicle")
    # picamera2 numbers cameras by their place in the device tree, the highest first: CAM/DISP 0 is on i2c@88000.
    ahead = TestSensor(name="/base/axi/pcie@120000/rp1/i2c@88000/imx708@1a", model="imx708_wide")
    cabin = TestSensor(name="/base/axi/pcie@120000/rp1/i2c@80000/imx708@1a", model="imx708_wide_noir")
    with plugged_in(ahead, cabin):
        for camera_id, sensor in (("cam0", ahead), ("cam1", cabin)):
            made, frames = capture_board(options, camera_id), Frames()
            made.camera.start(MODE, None, frames.add)
            frames.wait_for(3)
            made.close()
            shown = counters(frames.all)
            assert set(shown) <= set(sensor.shown) and len(shown) >= 3
            assert isinstance(made.microphone, PyAudioMicrophone) == (camera_id == "cam0"), "one microphone, one file"
        found = list(cameras(OptionReader(options), ["cam0", "cam1"], attached_cameras))
    assert [(check.device, check.verdict) for check in found] == [
        ("camera.cam0", "ok"),
        ("camera.cam0.encoder", "ok"),
        ("camera.cam1", "ok"),
        ("camera.cam1.encoder", "ok"),
    ]
