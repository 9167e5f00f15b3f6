from __future__ import annotations

from typing import Any

from firmware_bridge.ports import DeviceError
from recorder.capture.monitor import Monitor
from recorder.capture.packet_log import LogState
from recorder.capture.settings import worker_settings
from recorder.config.load import canonical, load_config


def state(lost: int = 0, last_us: int = 0, frames: int = 0, disordered: int = 0) -> LogState:
    return LogState(0, True, frames, last_us, lost, 0, disordered)


def watch() -> tuple[Monitor, list[Any]]:
    faults = list[Any]()
    settings = worker_settings(canonical(load_config([], {}).config))
    return Monitor(settings.faults, lambda *fault: faults.append(fault)), faults


def test_an_unplugged_camera_is_one_fault_until_its_first_frame() -> None:
    monitor, faults = watch()
    monitor.look(50_000, state(last_us=40_000, frames=2))  # the third came between this look and the failure
    for at_us in (100_000, 600_000, 1_100_000):
        monitor.camera_refused(at_us, DeviceError("camera", "gone", 19), state(last_us=80_000, frames=3))
        monitor.look(at_us, state(last_us=80_000, frames=3))
    assert [fault[:2] for fault in faults] == [("camera-unplugged", "onset")]
    assert faults[0][2] | {"error": ""} == {
        "error": "", "errno": 19, "from_us": 100_000, "last_frame_us": 80_000, "frames": 3
    }  # fmt: skip
    monitor.look(2_000_000, state(last_us=1_980_000, frames=4))
    assert faults[1] == (
        "camera-unplugged",
        "end",
        {"from_us": 100_000, "to_us": 2_000_000, "resumed_by_us": 1_980_000},
    )


def test_a_driver_error_that_turns_out_to_be_a_missing_device_says_so() -> None:
    monitor, faults = watch()
    monitor.camera_refused(1, DeviceError("camera", "I/O error", 5), state())
    monitor.camera_refused(2, DeviceError("camera", "no such device", 19), state())
    assert [fault[:2] for fault in faults] == [
        ("camera-fault", "onset"),
        ("camera-fault", "end"),
        ("camera-unplugged", "onset"),
    ]
    assert faults[1][2]["became"] == "camera-unplugged"


def test_overflow_has_one_onset_and_one_end_with_the_sum() -> None:
    monitor, faults = watch()
    monitor.look(0, state())
    monitor.look(1_000_000, state(30))
    monitor.look(2_000_000, state(60))
    monitor.look(3_500_000, state(60))
    assert [fault[1] for fault in faults] == ["onset"]
    monitor.look(4_500_000, state(60))
    assert [fault[:2] for fault in faults] == [("buffer-overflow", "onset"), ("buffer-overflow", "end")]
    assert (faults[0][2]["frames"], faults[1][2]["frames"]) == (30, 60)


def test_a_hole_in_the_picture_is_a_fault_from_its_last_frame_on() -> None:
    monitor, faults = watch()
    monitor.look(900_000, state())  # no frame yet: the start time is somebody else's
    monitor.look(1_400_000, state(last_us=1_000_000, frames=1))
    assert not faults
    monitor.look(1_600_000, state(last_us=1_000_000, frames=1))
    monitor.look(1_900_000, state(last_us=1_000_000, frames=1))
    assert [fault[:2] for fault in faults] == [("camera-stall", "onset")]
    assert faults[0][2]["from_us"] == 1_000_000
    monitor.look(2_650_000, state(last_us=2_600_000, frames=2))
    assert faults[1:] == [("camera-stall", "end", {"from_us": 1_000_000, "resumed_by_us": 2_600_000})]


def test_a_camera_that_failed_is_not_also_stalled() -> None:
    monitor, faults = watch()
    monitor.look(1_300_000, state(last_us=1_000_000, frames=1))
    monitor.camera_refused(1_400_000, DeviceError("camera", "unplugged", 19), state(last_us=1_000_000, frames=1))
    monitor.look(5_000_000, state(last_us=1_000_000, frames=1))
    assert [fault[0] for fault in faults] == ["camera-unplugged"]


def test_disordered_time_stamps_are_reported_once_and_end() -> None:
    monitor, faults = watch()
    for at_us, count in ((0, 0), (250_000, 2), (500_000, 5), (2_400_000, 5), (2_600_000, 5)):
        monitor.look(at_us, state(disordered=count))
    assert faults == [("timestamp-fault", "onset", {"frames": 2}), ("timestamp-fault", "end", {"frames": 5})]
