"""Keeps a camera open: one that fails or is unplugged is opened again and again, in this process, until it delivers."""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.ports import Camera, DeviceError, EncodedFrame, FramePainter, VideoMode
from recorder.faults.errno_code import camera_code


class CameraKeeper:
    """Call ``look`` a few times a second, from one thread. ``refused``: each failure and each vain attempt to open;
    ``ended`` once for each time a running delivery ended by itself."""

    def __init__(
        self,
        camera: Camera,
        mode: VideoMode,
        paint: FramePainter | None,
        deliver: Callable[[EncodedFrame], None],
        reopen_us: int,
        refused: Callable[[DeviceError], None],
        ended: Callable[[], None],
    ) -> None:
        self._camera = camera
        self._mode = mode
        self._paint = paint
        self._deliver = deliver
        self._reopen_us = reopen_us
        self._refused = refused
        self._ended = ended
        self._running = False
        self._absent = False
        self._try_us = 0
        self._dropped_before = 0

    @property
    def absent(self) -> bool:
        """The last attempt found no device there: another process would find none either."""
        return self._absent

    def look(self, now_us: int) -> None:
        if self._running:
            failure = self._camera.failure()
            if failure is None:
                return
            self._running = False
            self._dropped_before += self._camera.dropped_frames()
            self._camera.stop()
            self._try_us = now_us + self._reopen_us
            self._note(failure)
            self._ended()
        elif now_us >= self._try_us:
            self._try_us = now_us + self._reopen_us
            self._open()

    def dropped_frames(self) -> int:
        """Since the worker started, over all times the camera was opened."""
        return self._dropped_before + (self._camera.dropped_frames() if self._running else 0)

    def stop(self) -> None:
        self._camera.stop()

    def _open(self) -> None:
        try:
            self._camera.start(self._mode, self._paint, self._deliver)
        except DeviceError as error:
            self._note(error)
        else:
            self._running, self._absent = True, False

    def _note(self, error: DeviceError) -> None:
        self._absent = camera_code(error.errno) == "camera-unplugged"
        self._refused(error)
