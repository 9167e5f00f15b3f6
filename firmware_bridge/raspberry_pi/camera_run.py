"""One opening of a camera through picamera2, from configuration to close. Calls here may hang; ``camera.py`` sees to it.

Imports picamera2, which needs libcamera: only where a camera is used.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import ENODEV
from pathlib import Path
from typing import Any, Final

from libcamera import Transform
from picamera2 import MappedArray, Picamera2

from firmware_bridge.ports import Clock, DeviceError, EncodedFrame, FramePainter, SensorInfo, VideoMode
from firmware_bridge.raspberry_pi.camera_delivery import Delivery
from firmware_bridge.raspberry_pi.camera_encoders import EncoderKind, EncoderMaker, FrameOutput, make_encoder
from firmware_bridge.raspberry_pi.camera_frames import FrameBook
from firmware_bridge.raspberry_pi.camera_loop import EventLoop

LOG = logging.getLogger(__name__)

BUFFERS: Final = 6
"""Requests in flight. Two are in the encoder's hands at times; the rest is how long a frame may take without loss."""
_TUNING: Final = "LIBCAMERA_RPI_TUNING_FILE"
FORMATS: Final = ("YUV420", "NV12")
"""Formats whose buffer begins with the luma plane, which is all the painter touches; the second is what cameras without
Raspberry Pi's image processor fall back to."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """``which``: picamera2's number, or the sensor's model. ``rotation`` in degrees, 0 or 180. ``controls``:
    libcamera's names and values, beside the frame rate."""

    which: int | str
    encoder: EncoderKind | EncoderMaker
    rotation: int = 0
    threads: int = 2
    tuning_file: str | None = None
    controls: Mapping[str, Any] = field(default_factory=dict)


class _Picamera2(Picamera2):
    """As upstream's, but it leaves nothing open behind a vain attempt, and closes only when it is told to."""

    def __init__(self, camera_num: int, tuning_file: str | None) -> None:
        try:
            super().__init__(camera_num, tuning=tuning_file)
        except Exception:
            # A camera that is missing is looked for again every few seconds, as long as the unit runs.
            self.notifymeread.close()
            os.close(self.notifyme_w)
            if self.is_open:
                self.camera.release()
            raise
        atexit.unregister(self.close)

    def __del__(self) -> None:
        """Upstream closes here and at exit, and would wait for a loop that hangs."""


class CameraRun:
    """``failed`` gets every exception that ends or endangers delivery, on whatever thread it happens."""

    def __init__(
        self,
        settings: CameraSettings,
        mode: VideoMode,
        clock: Clock,
        paint: FramePainter | None,
        deliver: Callable[[EncodedFrame], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._settings = settings
        self._mode = mode
        self._clock = clock
        self._paint = paint
        self._failed = failed
        self._book = FrameBook(1_000_000 // mode.frame_rate)
        self._delivery = Delivery(deliver, failed)
        self._camera: Any = None
        self._id = ""
        self.last_frame_us = clock.boottime_us()
        """Boot-time at which the camera gave its last frame, or the run was made."""
        self.paint_failures = 0
        self.controls_refused = False
        """``open`` failed where the wanted controls were handed over."""

    # --- opening and closing, on the caller's thread ---------------------------------------------------------------

    def open(self) -> None:
        """Raises whatever picamera2 and libcamera raise, and DeviceError for what they do not mind but we do."""
        mode, name = self._mode, f"camera {self._settings.which}"
        tuning_file = self._settings.tuning_file
        if tuning_file is not None and not Path(tuning_file).is_file():
            LOG.warning("%s: 没有调校文件，使用默认值 no tuning file %s, libcamera's own is used", name, tuning_file)
            tuning_file = None
            os.environ.pop(_TUNING, None)
        if tuning_file is not None:
            # picamera2 sets it too, but libcamera reads it when it looks for cameras, and that is the next line.
            os.environ[_TUNING] = tuning_file
        number, self._id = _find(self._settings.which)
        self._camera = camera = _Picamera2(number, tuning_file)
        turned = self._settings.rotation == 180
        configuration = camera.create_video_configuration(
            main={"size": (mode.width, mode.height), "format": FORMATS[0]},
            raw=None,  # nobody looks at it, and it is 20 MB of contiguous memory
            transform=Transform(hflip=turned, vflip=turned),
            buffer_count=BUFFERS,
            queue=False,
            display=None,
            controls=self._controls(camera.camera_controls),
        )
        with self._controls_in_question():
            camera.configure(configuration)
        main = camera.camera_configuration()["main"]
        if tuple(main["size"]) != (mode.width, mode.height) or main["format"] not in FORMATS:
            width, height = main["size"]
            raise DeviceError(
                name,
                f"摄像头不支持 the camera does not do {mode.width} x {mode.height} {FORMATS[0]}; "
                f"它给出 it offers {width} x {height} {main['format']}",
            )
        output = FrameOutput(self._encoded, self._failed)
        encoder = output.encoder = make_encoder(self._settings.encoder, mode, self._settings.threads, self._failed)
        camera.pre_callback = self._before_encoding
        camera.start_preview(EventLoop(self._failed))
        self._delivery.start()
        try:
            camera.start_encoder(encoder, output)
        except Exception as error:  # without its number: an encoder that is not there is no camera unplugged
            raise DeviceError(name, f"编码器 encoder {self._settings.encoder}: {error}") from error
        with self._controls_in_question():  # configure looks at the names, this at the values
            camera.start()
        self.last_frame_us = self._clock.boottime_us()

    @contextmanager
    def _controls_in_question(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            self.controls_refused = bool(self._settings.controls)
            raise

    def close(self) -> None:
        """Stop and close what is open. May hang with the hardware."""
        camera = self._camera
        if camera is None:
            return
        for step in (camera.stop, camera.stop_encoder, camera.close):
            try:
                step()
            except Exception as error:  # noqa: BLE001 - the next step is tried all the same, or the device stays open
                LOG.warning("摄像头未能正常关闭 the camera did not close cleanly: %s: %s", step.__name__, error)
        self._camera = None

    def end_delivery(self, timeout_s: float) -> bool:
        """Pass on what was encoded. False when the consumer does not let go."""
        return self._delivery.stop(timeout_s)

    # --- what is to be known while it runs -------------------------------------------------------------------------

    def lost(self) -> int:
        return self._book.lost + self._delivery.lost

    def listed(self) -> bool:
        """Whether libcamera still has the camera, or does not say: one that is pulled out often only gives no frames."""
        try:
            return any(info["Id"] == self._id for info in Picamera2.global_camera_info())
        except Exception:
            LOG.exception("libcamera 没有回答 does not answer")
            return True

    # --- on picamera2's threads ------------------------------------------------------------------------------------

    def _before_encoding(self, request: Any) -> None:
        """picamera2's ``pre_callback``: nothing may be raised here (trap T1)."""
        try:
            self.last_frame_us = now_us = self._clock.boottime_us()
            metadata = request.get_metadata()
            sensor_us = _microseconds(metadata["SensorTimestamp"])
            at_us = self._book.seen(sensor_us, now_us, metadata.get("FrameDuration"), _sensor_info(metadata))
            if self._paint is not None:
                with MappedArray(request, "main") as mapped:
                    self._paint(mapped.array[: self._mode.height, : self._mode.width], at_us)
        except Exception:  # the picture without a watermark is worth more than no picture
            self.paint_failures += 1
            if self.paint_failures == 1:
                LOG.exception("watermark failed, video goes on 水印失败，录像继续")

    def _encoded(self, data: bytes, keyframe: bool, sensor_us: int) -> None:
        known = self._book.encoded(sensor_us, self._clock.boottime_us())
        if known is not None:
            self._delivery.put(EncodedFrame(data, keyframe, *known))

    def _controls(self, offered: Mapping[str, Any]) -> dict[str, Any]:
        """What is wanted and advertised: anything else makes picamera2 refuse the whole configuration."""
        frame_us = 1_000_000 // self._mode.frame_rate
        wanted = {**self._settings.controls, "FrameDurationLimits": (frame_us, frame_us)}
        missing = sorted(set(wanted) - set(offered))
        if missing:
            LOG.warning("摄像头没有这些控制项，忽略 controls the camera does not have, ignored: %s", ", ".join(missing))
        return {name: value for name, value in wanted.items() if name in offered}


def _find(which: int | str) -> tuple[int, str]:
    """The camera's number and libcamera's id of it. Raises DeviceError with ENODEV."""
    found = Picamera2.global_camera_info()
    if (number := _number(which, found)) is None:
        # A manager made before the camera was there does not always learn of it; one that is made anew looks again.
        Picamera2._cm.reset()
        found = Picamera2.global_camera_info()
        number = _number(which, found)
    if number is None:
        names = ", ".join(f"{num}: {info.get('Model', info['Id'])}" for num, info in enumerate(found)) or "无 none"
        raise DeviceError(f"camera {which}", f"没有这个摄像头 no such camera; 现有 there are: {names}", ENODEV)
    return number, str(found[number]["Id"])


def _number(which: int | str, found: Sequence[Mapping[str, Any]]) -> int | None:
    if isinstance(which, int):
        return which if which < len(found) else None
    return next((number for number, info in enumerate(found) if info.get("Model") == which), None)


def _microseconds(nanoseconds: int) -> int:
    """As picamera2's ``Encoder._timestamp`` does it: its result is the key by which a frame is found again."""
    return int(nanoseconds / 1000)


def _sensor_info(metadata: Mapping[str, Any]) -> SensorInfo:
    return SensorInfo(metadata.get("ExposureTime"), metadata.get("AnalogueGain"), metadata.get("Lux"))
