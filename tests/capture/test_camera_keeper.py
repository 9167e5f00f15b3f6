from __future__ import annotations

import errno
from collections.abc import Callable

from firmware_bridge.ports import DeviceError, EncodedFrame, FramePainter, VideoMode
from recorder.capture.camera_keeper import CameraKeeper

SECOND = 1_000_000
MODE = VideoMode(640, 360, 30, 1_000_000, 30)


class Camera:
    """Opens unless ``refuses`` is set; delivery ends when ``error`` is."""

    def __init__(self) -> None:
        self.refuses: DeviceError | None = None
        self.error: DeviceError | None = None
        self.dropped = 0
        self.started = self.stopped = 0

    def start(self, mode: VideoMode, paint: FramePainter | None, deliver: Callable[[EncodedFrame], None]) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.started += 1
        self.error, self.dropped = None, 0

    def stop(self) -> None:
        self.stopped += 1

    def dropped_frames(self) -> int:
        return self.dropped

    def failure(self) -> DeviceError | None:
        return self.error


class Bench:
    def __init__(self) -> None:
        self.camera = Camera()
        self.refused: list[int | None] = []
        self.ends = 0
        self.keeper = CameraKeeper(
            self.camera,
            MODE,
            None,
            lambda frame: None,
            SECOND // 2,
            lambda error: self.refused.append(error.errno),
            self._ended,
        )

    def _ended(self) -> None:
        self.ends += 1


def test_it_is_opened_again_until_it_opens() -> None:
    bench = Bench()
    bench.keeper.look(0)
    assert bench.camera.started == 1 and not bench.keeper.absent
    bench.camera.error = bench.camera.refuses = DeviceError("camera", "gone", errno.ENODEV)
    bench.keeper.look(SECOND)
    assert (bench.ends, bench.camera.stopped, bench.keeper.absent) == (1, 1, True)
    for step in range(100):
        bench.keeper.look(SECOND + step * 100_000)
    assert bench.ends == 1 and 15 <= len(bench.refused) <= 22 and set(bench.refused) == {errno.ENODEV}
    bench.camera.refuses = None
    bench.keeper.look(20 * SECOND)
    assert bench.camera.started == 2 and not bench.keeper.absent


def test_a_driver_error_is_no_absence() -> None:
    bench = Bench()
    bench.camera.refuses = DeviceError("camera", "busy", errno.EBUSY)
    bench.keeper.look(0)
    assert not bench.keeper.absent and bench.refused == [errno.EBUSY] and bench.ends == 0


def test_dropped_frames_count_on_over_all_its_lives() -> None:
    bench = Bench()
    bench.keeper.look(0)
    bench.camera.dropped = 7
    assert bench.keeper.dropped_frames() == 7
    bench.camera.error = DeviceError("camera", "failed", errno.EIO)
    bench.keeper.look(SECOND)
    assert bench.keeper.dropped_frames() == 7
    bench.keeper.look(2 * SECOND)
    bench.camera.dropped = 2
    assert bench.keeper.dropped_frames() == 9
