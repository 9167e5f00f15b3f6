"""What the capture worker needs of the configuration, named as there: its own sections' values, without pydantic.

The unit process validates the configuration (``recorder.config.models``) and signs its digest; the worker gets that very
configuration as JSON and takes out of it what stands here. A key the worker is to read has to be added here; a test keeps
names and values together with the models'.
"""

from __future__ import annotations

import msgspec


class SettingsError(ValueError):
    """Not the configuration of this program's version; the message names the key."""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Further keys are other processes' and are passed over: the models have refused unknown ones already."""


class Device(Section, frozen=True, kw_only=True):
    id: str


class Board(Section, frozen=True, kw_only=True):
    """Its devices: ``recorder.board_options``."""

    module: str


class Storage(Section, frozen=True, kw_only=True):
    data_dir: str
    reserve_mb: int


class Camera(Section, frozen=True, kw_only=True):
    width: int
    height: int
    frame_rate: int
    bitrate_kbps: int


class Capture(Section, frozen=True, kw_only=True):
    segment_s: float
    gop_s: float
    pre_event_s: float
    pre_event_audio: bool
    post_event_s: float
    buffer_mb: int


class Audio(Section, frozen=True, kw_only=True):
    enabled: bool
    rate: int
    bitrate_kbps: int


class SpeechDetection(Section, frozen=True, kw_only=True):
    enabled: bool
    on_above: float
    off_below: float
    hangover_ms: int
    min_span_ms: int


class Watermark(Section, frozen=True, kw_only=True):
    enabled: bool
    margin_px: int
    height_px: int


class Sealing(Section, frozen=True, kw_only=True):
    enabled: bool
    recipients: tuple[str, ...]


class CameraFaults(Section, frozen=True, kw_only=True):
    stall_s: float
    reopen_s: float


class LensFaults(Section, frozen=True, kw_only=True):
    enabled: bool
    sample_s: float
    dwell_s: float
    covered_share: float
    covered_luma: float
    covered_min_lux: float
    blurred_ratio: float
    blurred_history_s: float


class MicrophoneFaults(Section, frozen=True, kw_only=True):
    zero_s: float
    silent_below_dbfs: float
    silent_s: float
    settled_s: float


class StorageFaults(Section, frozen=True, kw_only=True):
    slow_ms: float
    slow_p90_ms: float


class Faults(Section, frozen=True, kw_only=True):
    camera: CameraFaults
    lens: LensFaults
    microphone: MicrophoneFaults
    storage: StorageFaults


class WorkerSettings(Section, frozen=True, kw_only=True):
    """The worker's sections of ``recorder.config.models.RecorderConfig``."""

    device: Device
    board: Board
    storage: Storage
    cameras: dict[str, Camera]
    capture: Capture
    audio: Audio
    speech: SpeechDetection
    watermark: Watermark
    sealing: Sealing
    faults: Faults


def worker_settings(config: bytes) -> WorkerSettings:
    """From the configuration as JSON (``recorder.config.load.canonical``). Raises SettingsError."""
    try:
        return msgspec.json.decode(config, type=WorkerSettings)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SettingsError(f"采集进程的配置不符 the worker's configuration does not fit: {error}") from error
