from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firmware_bridge.ports import DeviceError, EncodedFrame, FramePainter, VideoMode
from recorder.capture.monitor import Monitor
from recorder.capture.packet_log import LogState


class StillCamera:
    def __init__(self) -> None:
        self.error: DeviceError | None = None

    def start(self, mode: VideoMode, paint: FramePainter | None, deliver: Callable[[EncodedFrame], None]) -> None:
        pass

    def stop(self) -> None:
        pass

    def dropped_frames(self) -> int:
        return 0

    def failure(self) -> DeviceError | None:
        return self.error


def state(lost: int = 0, last_us: int = 0, frames: int = 0, disordered: int = 0) -> LogState:
    return LogState(0, True, frames, last_us, lost, 0, disordered)


def watch() -> tuple[Monitor, StillCamera, list[Any], list[None]]:
    camera, faults, failed = StillCamera(), list[Any](), list[None]()
    monitor = Monitor(camera, lambda *fault: faults.append(fault), lambda: failed.append(None))
    return monitor, camera, faults, failed


def test_camera_failure_is_reported_once_and_so_is_its_end() -> None:
    monitor, camera, faults, failed = watch()
    monitor.look(0, state())
    camera.error = DeviceError("camera", "gone", 19)
    monitor.look(1, state())
    monitor.look(2, state())
    camera.error = None
    monitor.look(3, state())
    assert [fault[:2] for fault in faults] == [("camera-fault", "onset"), ("camera-fault", "end")]
    assert faults[0][2]["errno"] == 19 and len(failed) == 1


def test_overflow_has_one_onset_and_one_end_with_the_sum() -> None:
    monitor, _, faults, _ = watch()
    monitor.look(0, state())
    monitor.look(1_000_000, state(30))
    monitor.look(2_000_000, state(60))
    monitor.look(3_500_000, state(60))
    assert [fault[1] for fault in faults] == ["onset"]
    monitor.look(4_500_000, state(60))
    assert [fault[:2] for fault in faults] == [("buffer-overflow", "onset"), ("buffer-overflow", "end")]
    assert (faults[0][2]["frames"], faults[1][2]["frames"]) == (30, 60)


def test_a_hole_in_the_picture_is_a_fault_from_its_last_frame_on() -> None:
    monitor, _, faults, failed = watch()
    monitor.look(900_000, state())  # no frame yet: the start time is somebody else's
    monitor.look(1_900_000, state(last_us=1_000_000, frames=1))
    assert not faults
    monitor.look(2_100_000, state(last_us=1_000_000, frames=1))
    monitor.look(2_400_000, state(last_us=1_000_000, frames=1))
    assert faults == [("camera-stall", "onset", {"from_us": 1_000_000})]
    monitor.look(2_650_000, state(last_us=2_600_000, frames=2))
    assert faults[1:] == [("camera-stall", "end", {"from_us": 1_000_000, "resumed_by_us": 2_600_000})]
    assert not failed


def test_a_camera_that_failed_is_not_also_stalled() -> None:
    monitor, camera, faults, _ = watch()
    camera.error = DeviceError("camera", "unplugged", 19)
    monitor.look(5_000_000, state(last_us=1_000_000, frames=1))
    assert [fault[0] for fault in faults] == ["camera-fault"]


def test_disordered_time_stamps_are_reported_once_and_end() -> None:
    monitor, _, faults, _ = watch()
    for at_us, count in ((0, 0), (250_000, 2), (500_000, 5), (2_400_000, 5), (2_600_000, 5)):
        monitor.look(at_us, state(disordered=count))
    assert faults == [("timestamp-fault", "onset", {"frames": 2}), ("timestamp-fault", "end", {"frames": 5})]
