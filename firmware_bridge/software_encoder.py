"""A camera made of raw frames and libx264: for boards without an encoder of their own, and for the simulator.

Decides nothing: frames come from a :class:`FrameSource`, are painted, encoded and delivered on one thread. Its pace is the
source's, so a source with synthetic time stamps runs as fast as the encoder can.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Protocol, cast

import av
import numpy as np
from av.video.frame import PictureType

from firmware_bridge.ports import Clock, DeviceError, EncodedFrame, FramePainter, Plane, SensorInfo, VideoMode

LOG = logging.getLogger(__name__)

FLOOR_BITRATE: Final = 500_000
"""bit/s. Encoders stall when a dark picture costs next to nothing (rpicam-apps #664), so nobody may ask for less."""

_JOIN_S: Final = 2.5
_POLL_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One YUV 4:2:0 frame. ``y`` is height x width, ``u`` and ``v`` half of it each way; all uint8, ``y`` writable (the
    watermark is painted into it). The arrays may be reused by the source as soon as ``next_frame`` is called again.

    ``timestamp_us``: CLOCK_BOOTTIME at exposure, strictly increasing between ``open`` and ``close``.
    """

    y: Plane
    u: Plane
    v: Plane
    timestamp_us: int
    sensor: SensorInfo = field(default_factory=SensorInfo)


class FrameSource(Protocol):
    """Where raw frames come from. All methods but ``dropped_frames`` are called on the camera's thread."""

    def open(self, mode: VideoMode) -> None:
        """Prepare frames of ``mode.width`` x ``mode.height`` at ``mode.frame_rate``. Called before the thread starts, on
        the thread that called ``Camera.start``. Raises DeviceError."""

    def next_frame(self, timeout_s: float) -> RawFrame | None:
        """The next frame, or None when there was none in ``timeout_s``. Raises DeviceError when the device is gone."""

    def close(self) -> None:
        """Release the device. Called once after ``open``, on the camera's thread."""

    def dropped_frames(self) -> int:
        """Frames the sensor produced since ``open`` that nobody fetched in time. Called from any thread."""


class SoftwareEncodedCamera:
    """``ports.Camera`` on a :class:`FrameSource`: ultrafast zero-latency H.264, no B-frames, headers on each keyframe."""

    def __init__(self, source: FrameSource, clock: Clock, *, threads: int = 1) -> None:
        self._source = source
        self._clock = clock
        self._threads = threads
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: DeviceError | None = None
        self._paint_failures = 0
        self._disordered = 0

    def start(self, mode: VideoMode, paint: FramePainter | None, deliver: Callable[[EncodedFrame], None]) -> None:
        if self._thread is not None and self._thread.is_alive():
            # Also after a ``stop`` the source did not let through: two threads must never read one source.
            raise DeviceError("camera", "already started 已启动" if not self._stop.is_set() else "hung 未能停止")
        self._source.open(mode)
        try:
            encoder = _Encoder(mode, self._threads)
        except (av.FFmpegError, ValueError) as error:
            self._source.close()
            raise DeviceError("camera", f"libx264 refused {mode}: {error}") from error
        self._stop.clear()
        self._failure = None
        self._paint_failures = 0
        self._disordered = 0
        self._thread = threading.Thread(target=self._run, args=(encoder, paint, deliver), name="camera", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """A source that never comes back leaves its (daemon) thread behind: the process is about to be ended anyway."""
        waited = self._stop.is_set()
        self._stop.set()
        thread = self._thread
        if thread is None:
            return
        thread.join(0 if waited else _JOIN_S)
        if thread.is_alive():
            LOG.warning("camera thread does not end 摄像头线程未结束")
            self._failure = self._failure or DeviceError("camera", "hung: did not stop 未能停止")
        else:
            self._thread = None

    def dropped_frames(self) -> int:
        return self._source.dropped_frames() + self._disordered

    def failure(self) -> DeviceError | None:
        return self._failure

    def paint_failures(self) -> int:
        """Frames since ``start`` that went out without (all of) their watermark because ``paint`` raised."""
        return self._paint_failures

    def _run(self, encoder: _Encoder, paint: FramePainter | None, deliver: Callable[[EncodedFrame], None]) -> None:
        last = -1
        try:
            while not self._stop.is_set():
                raw = self._source.next_frame(_POLL_S)
                if raw is None:
                    continue
                if raw.timestamp_us <= last:
                    self._disordered += 1
                    continue
                last = raw.timestamp_us
                if paint is not None:
                    self._paint(paint, raw)
                for frame in encoder.encode(raw):
                    deliver(frame)
        except DeviceError as error:
            self._failure = error
        except Exception as error:  # a silent death of this thread is trap T1: every end is a reported fault
            LOG.exception("camera thread failed 摄像头线程出错")
            self._failure = DeviceError("camera", f"{type(error).__name__}: {error}")
        finally:
            self._source.close()

    def _paint(self, paint: FramePainter, raw: RawFrame) -> None:
        try:
            paint(raw.y, raw.timestamp_us)
        except Exception:  # the picture without a watermark is worth more than no picture
            self._paint_failures += 1
            if self._paint_failures == 1:
                LOG.exception("watermark failed, video goes on 水印失败，录像继续")


class _Encoder:
    """libx264 through PyAV. Frames are numbered, and time stamps kept beside: rate control sees a constant rate whatever
    the sensor's jitter."""

    def __init__(self, mode: VideoMode, threads: int) -> None:
        bitrate = max(mode.bitrate, FLOOR_BITRATE)
        context = av.VideoCodecContext.create("libx264", "w")
        context.width = mode.width
        context.height = mode.height
        context.pix_fmt = "yuv420p"
        context.framerate = Fraction(mode.frame_rate)
        context.time_base = Fraction(1, mode.frame_rate)
        context.bit_rate = bitrate
        context.gop_size = mode.gop
        context.max_b_frames = 0
        context.thread_count = threads
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "maxrate": str(bitrate),
            "bufsize": str(bitrate),
            "x264-params": f"keyint={mode.gop}:min-keyint={mode.gop}:scenecut=0:repeat-headers=1:annexb=1",
        }
        context.open()
        self._context = context
        self._gop = mode.gop
        self._n = 0
        self._pending: dict[int, tuple[int, SensorInfo]] = {}
        # One picture for the whole session: x264 copies its input, and a fresh 3 MB buffer a frame costs page faults.
        self._picture = av.VideoFrame(mode.width, mode.height, "yuv420p")
        self._planes = [
            np.frombuffer(cast("memoryview[int]", plane), np.uint8).reshape(plane.height, plane.line_size)[
                :, : plane.width
            ]
            for plane in self._picture.planes
        ]

    def encode(self, raw: RawFrame) -> list[EncodedFrame]:
        for target, plane in zip(self._planes, (raw.y, raw.u, raw.v), strict=True):
            np.copyto(target, plane)
        picture = self._picture
        picture.pts = self._n
        # PyAV >= 14 takes the enumeration only; the string "I" raises TypeError (trap T7).
        picture.pict_type = PictureType.I if self._n % self._gop == 0 else PictureType.NONE
        self._pending[self._n] = (raw.timestamp_us, raw.sensor)
        self._n += 1
        frames = []
        for packet in self._context.encode(picture):
            assert packet.pts is not None
            timestamp_us, sensor = self._pending.pop(packet.pts)
            frames.append(EncodedFrame(bytes(packet), packet.is_keyframe, timestamp_us, sensor))
        return frames
