"""``ports.Camera`` on picamera2: the cameras of a Raspberry Pi.

What can go wrong there and what is made of it (traps of docs/testing.md):

* An exception in a callback, the encoder or the output becomes ``failure()``; the loop lives on (T1).
* A consumer that blocks loses frames, counted; the camera does not notice (T2).
* A camera that is pulled out falls silent. After a second without a frame libcamera is asked whether it still has it.
* A camera or encoder that stalls falls silent as well and is *not* a failure here: the worker sees that no frames come, and
  the unit process kills it. There is no cure inside the process.
* ``stop`` hands the closing to a thread of its own and leaves it behind after 2.5 s. The camera is then ``hung``, and does
  not start again in this process.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from firmware_bridge.ports import Clock, DeviceError, EncodedFrame, FramePainter, VideoMode

if TYPE_CHECKING:
    from types import ModuleType

    from firmware_bridge.raspberry_pi.camera_encoders import EncoderMaker
    from firmware_bridge.raspberry_pi.camera_run import CameraRun, CameraSettings

LOG = logging.getLogger(__name__)

_CLOSE_S: Final = 2.2
_DELIVER_S: Final = 0.3
_SILENT_US: Final = 1_000_000
ROTATIONS: Final = (0, 180)
"""Degrees the image processor can turn a picture by."""


class Picamera2Camera:
    """``which``: picamera2's number of the camera (the order of ``rpicam-hello --list-cameras``), or its sensor's model.
    A model is looked up at each opening: libcamera's list may be short while a camera is away, and a number from such a
    list is another camera's.

    ``encoder``: ``v4l2`` for the hardware encoder of boards up to the Pi 4, ``libx264`` for a Pi 5, with ``threads`` of it;
    or something that makes another one of picamera2's.
    ``rotation``: 0 or 180. ``tuning_file``: full path,
    ``/usr/share/libcamera/ipa/rpi/vc4/imx708_noir.json``; one that is not there is left out, with a warning. ``controls``:
    more of libcamera's controls by name; those a camera does not advertise are left out, with a warning. If it refuses a
    value, that ``start`` fails, which is put on record, and the next one is without them: no focus is worth the picture.

    Raises DeviceError for a rotation that cannot be. That picamera2 is missing is said by ``start``.
    """

    def __init__(
        self,
        which: int | str,
        encoder: Literal["v4l2", "libx264"] | EncoderMaker,
        clock: Clock,
        *,
        rotation: int = 0,
        threads: int = 2,
        tuning_file: str | None = None,
        controls: Mapping[str, Any] | None = None,
    ) -> None:
        self._name = f"camera {which}"
        if rotation not in ROTATIONS:
            raise DeviceError(self._name, f"rotation = {rotation}: 只能是 0 或 180 can only be 0 or 180", errno.EINVAL)
        self._clock = clock
        self._arguments = (which, encoder, rotation, threads, tuning_file, dict(controls or {}))
        self._run: CameraRun | None = None
        self._closing: threading.Thread | None = None
        self._failure: DeviceError | None = None
        self._looked_us = 0
        self._lost = 0
        self._bare = False
        # Seconds on a small board, so before anybody waits for frames.
        self._library: ModuleType | DeviceError = _library(self._name)

    def start(self, mode: VideoMode, paint: FramePainter | None, deliver: Callable[[EncodedFrame], None]) -> None:
        if self._run is not None:
            # Also after a ``stop`` that did not get through: two openings of one camera are none.
            raise DeviceError(self._name, "hung 未能停止" if self._closing is not None else "already started 已启动")
        if isinstance(self._library, DeviceError):
            # No other process is started for this, so what was only an unreadable moment is tried again here.
            self._library = _library(self._name, log=False)
        if isinstance(self._library, DeviceError):
            raise self._library
        settings: CameraSettings = self._library.CameraSettings(*self._arguments)
        if self._bare:
            LOG.warning("%s: 不带控制项启动 is opened without its controls", self._name)
            settings = replace(settings, controls={})
        self._failure = None
        self._lost = 0
        run: CameraRun = self._library.CameraRun(settings, mode, self._clock, paint, deliver, self._failed)
        self._run = run
        try:
            run.open()
        except Exception as error:
            problem = _device_error(self._name, error)
            self._bare = run.controls_refused and run.listed()
            if self._bare:
                named = ", ".join(sorted(settings.controls))
                what = f"控制项可能被拒绝，下次不带控制项启动 the next attempt is without controls: {named}"
                problem = DeviceError(self._name, f"{what}: {problem}", problem.errno)
            self.stop()
            raise problem from error
        self._bare = False

    def stop(self) -> None:
        run = self._run
        if run is None:
            return
        again = self._closing is not None
        if self._closing is None:
            self._closing = threading.Thread(target=run.close, name="camera-close", daemon=True)
            self._closing.start()
        self._closing.join(0 if again else _CLOSE_S)
        delivered = run.end_delivery(0 if again else _DELIVER_S)
        if self._closing.is_alive() or not delivered:
            LOG.warning("%s: 未能停止 does not stop", self._name)
            self._failure = self._failure or DeviceError(self._name, "hung: did not stop 未能停止")
        if self._closing.is_alive():
            return
        self._lost = run.lost()
        self._run, self._closing = None, None

    def dropped_frames(self) -> int:
        """Lost before, in or behind the encoder; see ``FrameBook`` and ``Delivery``."""
        return self._lost if self._run is None else self._run.lost()

    def failure(self) -> DeviceError | None:
        if self._failure is None and self._run is not None and self._closing is None:
            self._look_after(self._run)
        return self._failure

    def paint_failures(self) -> int:
        """Frames since ``start`` that went out without (all of) their watermark because ``paint`` raised."""
        return self._run.paint_failures if self._run is not None else 0

    def _look_after(self, run: CameraRun) -> None:
        """Ask libcamera about a camera that gives no frames, once a second."""
        now_us = self._clock.boottime_us()
        if now_us - max(run.last_frame_us, self._looked_us) < _SILENT_US:
            return
        self._looked_us = now_us
        if not run.listed():
            self._failure = self._gone()

    def _failed(self, error: Exception) -> None:
        """On any thread of the camera's; the first one counts."""
        if self._failure is None:
            LOG.error("%s: 出错 failed", self._name, exc_info=error)
            run = self._run
            # libcamera's own words for a camera that is pulled out carry no number to know it by.
            gone = run is not None and not run.listed()
            self._failure = self._gone() if gone else _device_error(self._name, error)

    def _gone(self) -> DeviceError:
        return DeviceError(self._name, "摄像头已断开 the camera is gone", errno.ENODEV)


@dataclass(frozen=True, slots=True)
class AttachedCamera:
    """A camera libcamera found. ``model`` is the sensor's name (``imx708``), ``id`` its place in the device tree."""

    num: int
    model: str
    id: str


def attached_cameras() -> list[AttachedCamera]:
    """All of them, in picamera2's order. Raises DeviceError where picamera2 or libcamera is missing or fails."""
    library = _library("camera")
    if isinstance(library, DeviceError):
        raise library
    try:
        found = library.Picamera2.global_camera_info()
    except Exception as error:
        raise _device_error("camera", error) from error
    return [AttachedCamera(num, str(info.get("Model", "")), str(info["Id"])) for num, info in enumerate(found)]


def _library(name: str, *, log: bool = True) -> ModuleType | DeviceError:
    """ENODEV says that another process would find no camera either: killing this one would only end sound and faults."""
    try:
        from firmware_bridge.raspberry_pi import camera_run
    except ImportError as error:
        LOG.log(logging.ERROR if log else logging.DEBUG, "picamera2", exc_info=error)
        what = "缺少 picamera2 或 libcamera（apt install python3-picamera2） picamera2 or libcamera is missing"
        return DeviceError(name, f"{what}: {error}", errno.ENODEV)
    except Exception as error:  # one compiled for another numpy raises ValueError, and there are more ways than that
        LOG.log(logging.ERROR if log else logging.DEBUG, "picamera2", exc_info=error)
        what = "picamera2 无法加载（重装 python3-picamera2） picamera2 cannot be loaded (reinstall python3-picamera2)"
        return DeviceError(name, f"{what}: {type(error).__name__}: {error}", errno.ENODEV)
    return camera_run


def _device_error(name: str, error: BaseException) -> DeviceError:
    """With all its causes, outermost first, and the kernel's number where one of them has it."""
    if isinstance(error, DeviceError):
        return error
    causes = list(_causes(error))
    number = next((cause.errno for cause in causes if isinstance(cause, OSError | DeviceError)), None)
    return DeviceError(name, ": ".join(f"{type(cause).__name__}: {cause}" for cause in causes), number)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
