"""picamera2's H.264 encoders, set up for evidence: each class by its own name, and an output that only passes on.

``picamera2.encoders.H264Encoder`` is whatever class picamera2 takes the machine for, the V4L2 one also where there is no
such encoder (trap T14); so none is imported from there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

from av.video.frame import PictureType
from picamera2.encoders.encoder import Encoder
from picamera2.encoders.h264_encoder import H264Encoder as V4l2H264Encoder
from picamera2.encoders.libav_h264_encoder import LibavH264Encoder
from picamera2.outputs.output import Output

from firmware_bridge.ports import VideoMode
from firmware_bridge.software_encoder import FLOOR_BITRATE

EncoderKind: TypeAlias = Literal["v4l2", "libx264"]
"""``v4l2``: the encoder in the VC4 of a Pi up to 4 (``/dev/video11``). ``libx264``: the processor's cores (Pi 5 has no
encoder)."""
EncoderMaker: TypeAlias = Callable[[VideoMode, Callable[[Exception], None]], Encoder]
"""Another encoder: gets the mode and whom to tell of its end."""
Deliver: TypeAlias = Callable[[bytes, bool, int], None]
Failed: TypeAlias = Callable[[Exception], None]

_V4L2_PROFILE: Final = "high"


class FrameOutput(Output):
    """Hands each encoded picture to ``deliver(data, keyframe, sensor time in µs)``; never raises (trap T1)."""

    def __init__(self, deliver: Deliver, failed: Failed) -> None:
        super().__init__()
        self._deliver = deliver
        self._failed = failed
        self.encoder: Any = None

    def outputframe(
        self,
        frame: bytes,
        keyframe: bool = True,
        timestamp: int | None = None,
        packet: Any = None,
        audio: bool = False,
    ) -> None:
        try:
            assert timestamp is not None and not audio
            self._deliver(frame, keyframe, self.encoder.firsttimestamp + timestamp)
        except Exception as error:  # noqa: BLE001 - trap T1
            self._failed(error)


class HardwareEncoder(V4l2H264Encoder):
    """The V4L2 encoder. Its poll thread, if it ends by an error, says so: else the camera would just fall silent."""

    def __init__(self, mode: VideoMode, failed: Failed) -> None:
        super().__init__(
            bitrate=_bitrate(mode), repeat=True, iperiod=mode.gop, framerate=mode.frame_rate, profile=_V4L2_PROFILE
        )
        self._failed = failed

    def thread_poll(self, buf_available: Any) -> None:
        try:
            super().thread_poll(buf_available)
        except Exception as error:  # noqa: BLE001 - every end of that thread is a reported fault
            self._failed(error)


class SoftwareEncoder(LibavH264Encoder):
    """libx264 with a bound on its rate, and with keyframes on demand."""

    def __init__(self, mode: VideoMode, threads: int) -> None:
        super().__init__(bitrate=_bitrate(mode), repeat=True, iperiod=mode.gop, framerate=mode.frame_rate)
        self.threads = threads
        self._stream: Any = None

    def force_key_frame(self) -> None:
        """Upstream's sets ``pict_type = "I"`` in the camera's loop, a TypeError since PyAV 14 (trap T7)."""
        self._stream.keyframe_wanted = True

    def _start(self) -> None:
        super()._start()
        # One second of the rate: a scene that needs more is coded coarser, not larger than a card can take.
        self._stream.codec_context.options |= {"maxrate": str(self.bitrate), "bufsize": str(self.bitrate)}
        self._stream = _KeyframesOnDemand(self._stream)


class _KeyframesOnDemand:
    """PyAV's stream with the one thing changed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.keyframe_wanted = False

    def encode(self, frame: Any = None) -> Any:
        if self.keyframe_wanted and frame is not None:
            self.keyframe_wanted = False
            frame.pict_type = PictureType.I
        return self._stream.encode(frame)


def make_encoder(kind: EncoderKind | EncoderMaker, mode: VideoMode, threads: int, failed: Failed) -> Encoder:
    if callable(kind):
        return kind(mode, failed)
    return HardwareEncoder(mode, failed) if kind == "v4l2" else SoftwareEncoder(mode, threads)


def _bitrate(mode: VideoMode) -> int:
    return max(mode.bitrate, FLOOR_BITRATE)
