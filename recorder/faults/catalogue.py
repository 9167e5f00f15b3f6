"""Every fault there is: what it is called, when it begins, what it brings as evidence, what the officer is told. Data only.

``docs/faults.md`` is this table for people; a test keeps the two the same and finds every code the program can report.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from recorder.evidence.records import InterruptionCause

Indicator = Literal["fault", "clock-not-set"]


@dataclass(frozen=True, slots=True)
class FaultKind:
    """``threshold``: key of the configuration, empty where nothing can be set. ``evidence``: fields of onset and end.
    ``prompt``: what is said at its onset, ``prompt_end`` at its end. ``indicator``: None where the
    device is well and the lamp goes on showing what it does. ``cause``: of the interruption it makes when it stops the
    picture; None where it does not."""

    code: str
    zh: str
    en: str
    threshold: str = ""
    evidence: tuple[str, ...] = ()
    prompt: str | None = None
    prompt_end: str | None = None
    cause: InterruptionCause | None = None
    indicator: Indicator | None = "fault"


def _kinds() -> Iterator[FaultKind]:
    # --- camera and picture ---
    yield FaultKind(
        "camera-stall",
        "摄像头停止出帧",
        "the camera delivers no frames",
        "faults.camera.stall_s",
        ("from_us", "frames", "threshold_us", "resumed_by_us", "became", "detail", "last_frame_us", "entries"),
        cause="camera-stall",
    )
    yield FaultKind(
        "camera-unplugged",
        "摄像头被拔出或者不存在",
        "the camera is unplugged or not there",
        "faults.camera.reopen_s",
        ("error", "errno", "from_us", "to_us", "last_frame_us", "frames", "resumed_by_us", "became"),
        prompt="camera-lost",
        cause="camera-unplugged",
    )
    yield FaultKind(
        "camera-fault",
        "摄像头或者驱动出错",
        "the camera or its driver fails",
        "faults.camera.reopen_s",
        ("error", "errno", "from_us", "to_us", "last_frame_us", "frames", "resumed_by_us", "became", "keyframe_us"),
        prompt="camera-lost",
        cause="camera-fault",
    )
    yield FaultKind(
        "lens-covered",
        "镜头被遮挡",
        "the lens is covered",
        "faults.lens.covered_share",
        ("from_us", "to_us", "mean_luma", "flat_share", "lux"),
        prompt="lens-covered",
    )
    yield FaultKind(
        "lens-blurred",
        "画面模糊",
        "the picture is blurred",
        "faults.lens.blurred_ratio",
        ("from_us", "to_us", "sharpness", "usual_sharpness", "ratio"),
    )
    yield FaultKind("timestamp-fault", "帧时间戳紊乱", "time stamps of frames go back", evidence=("frames",))
    yield FaultKind("watermark-fault", "水印无法绘制", "the watermark cannot be drawn", evidence=("error",))
    # --- sound ---
    yield FaultKind(
        "microphone-unplugged",
        "话筒被拔出或者不存在",
        "the microphone is unplugged or refuses",
        "faults.microphone.settled_s",
        ("from_us", "to_us", "error", "errno", "attempts", "missing_us"),
    )
    yield FaultKind(
        "microphone-stall",
        "话筒不送数据",
        "the microphone is there and delivers nothing, or its driver hangs",
        evidence=("from_us", "to_us", "error", "missing_us"),
    )
    yield FaultKind(
        "microphone-overflow",
        "话筒溢出，丢失声音",
        "the microphone overflows and sound is lost",
        evidence=("from_us", "to_us", "count", "missing_us"),
    )
    yield FaultKind(
        "microphone-silent",
        "话筒无声",
        "the microphone delivers digital zero, or less noise than any room has",
        "faults.microphone.silent_below_dbfs",
        ("from_us", "to_us", "level_dbfs", "digital_zero"),
    )
    yield FaultKind(
        "microphone-fault",
        "录音出错，本次采集不再有声音",
        "the audio thread failed: no more sound of this worker",
        evidence=("error", "ended"),
    )
    yield FaultKind(
        "vad-fault",
        "语音检测失败或者过慢，声音照录",
        "the speech detector fails or is too slow; sound goes on",
        evidence=("error", "blocks_left_out"),
    )
    # --- card ---
    yield FaultKind(
        "storage-slow",
        "存储卡写入过慢",
        "the card is slow",
        "faults.storage.slow_ms",
        (
            "from_us",
            "to_us",
            "threshold_ms",
            "threshold_p90_ms",
            "writes",
            "p50_ms",
            "p90_ms",
            "max_ms",
            "last_ms",
            "pending_ms",
            "slow_writes",
        ),
    )
    yield FaultKind(
        "storage-low",
        "存储空间不足",
        "room for less than an hour",
        "faults.storage.low_minutes",
        ("from_us", "to_us", "free_bytes", "reserve_bytes", "bytes_per_s", "minutes_left"),
        prompt="storage-low",
    )
    yield FaultKind(
        "storage-very-low",
        "存储空间严重不足",
        "room for less than half an hour",
        "faults.storage.very_low_minutes",
        ("from_us", "to_us", "free_bytes", "reserve_bytes", "bytes_per_s", "minutes_left"),
        prompt="storage-low",
    )
    yield FaultKind(
        "storage-full",
        "存储空间已满",
        "the card is full (ENOSPC), or nothing but the journal's reserve is left",
        "storage.reserve_mb",
        (
            "from_us",
            "to_us",
            "free_bytes",
            "reserve_bytes",
            "bytes_per_s",
            "minutes_left",
            *_WRITE_FAILED,
        ),
        prompt="storage-full",
        cause="storage-full",
    )
    yield FaultKind(
        "storage-read-only",
        "存储卡变为只读",
        "the card has become read-only (EROFS)",
        evidence=_WRITE_FAILED,
        prompt="storage-fault",
        cause="storage-fault",
    )
    yield FaultKind(
        "storage-io-error",
        "存储卡读写错误",
        "the card answers with I/O errors (EIO)",
        evidence=_WRITE_FAILED,
        prompt="storage-fault",
        cause="storage-fault",
    )
    yield FaultKind(
        "storage-fault",
        "存储故障",
        "the disk refuses, or nothing becomes durable",
        "supervision.progress_timeout_s",
        (*_WRITE_FAILED, *_WORKER_LOST),
        prompt="storage-fault",
        cause="storage-fault",
    )
    yield FaultKind(
        "buffer-overflow",
        "缓冲区溢出，丢失画面",
        "the buffer overflows and pictures are lost",
        "capture.buffer_mb",
        ("frames", "buffer_bytes"),
        cause="buffer-overflow",
    )
    yield FaultKind(
        "media-lost",
        "部分音像未能落盘",
        "media was delivered and never became durable",
        evidence=("error", "session_id", "frames_not_durable"),
    )
    yield FaultKind("sealing-fault", "加密封装失败", "sealing fails", "sealing.recipients", ("error",))
    # --- position ---
    yield FaultKind(
        "gnss-lost",
        "定位信号丢失",
        "no position: receiver gone, silent, or without a fix",
        "faults.gnss.lost_after_s",
        _GNSS,
        prompt="gnss-lost",
        prompt_end="gnss-back",
    )
    yield FaultKind(
        "gnss-stale",
        "定位数据陈旧",
        "the last believed position is old",
        "gnss.stale_s",
        _GNSS,
        prompt="gnss-lost",
        prompt_end="gnss-back",
    )
    yield FaultKind(
        "gnss-implausible",
        "定位数据不可信",
        "positions jump and are refused",
        "gnss.max_speed_mps",
        ("from_us", "to_us", "refused", "refused_ever"),
    )
    # --- time ---
    yield FaultKind(
        "clock-not-set",
        "时钟未校准",
        "the wall clock was never set",
        evidence=("from_us", "to_us", "source", "wall_us"),
        prompt="clock-not-set",
        indicator="clock-not-set",
    )
    yield FaultKind(
        "clock-stepped",
        "时钟跳变",
        "the wall clock was set while the unit ran",
        "faults.clock.step_ms",
        ("from_us", "to_us", "source", "wall_us", "steps_us", "offset_us"),
        prompt="clock-stepped",
    )
    yield FaultKind(
        "clock-drifting",
        "时钟漂移",
        "the wall clock runs at the wrong rate",
        "faults.clock.drift_ppm",
        ("from_us", "to_us", "source", "wall_us", "ppm", "curve_us"),
    )
    # --- power and heat ---
    yield FaultKind(
        "battery-low",
        "电量不足",
        "the battery will soon be empty",
        "faults.battery.low_minutes",
        _BATTERY,
        "battery-low",
    )
    yield FaultKind(
        "battery-critical",
        "电量即将耗尽",
        "the battery is nearly empty",
        "faults.battery.critical_minutes",
        _BATTERY,
        "battery-critical",
    )
    yield FaultKind(
        "over-temperature",
        "设备温度过高",
        "the unit is too hot",
        "faults.thermal.high_c",
        ("from_us", "to_us", "temperature_c", "threshold_c", "peak_c", "curve_c"),
        prompt="over-temperature",
    )
    yield FaultKind(
        "throttled",
        "处理器降频",
        "the processor is slowed down by heat or low voltage",
        evidence=("from_us", "to_us", "temperature_c", "reasons", "curve_c"),
    )
    # --- processes, power loss ---
    yield FaultKind(
        "worker-crash",
        "采集进程崩溃",
        "the capture worker ended",
        evidence=_WORKER_LOST,
        cause="worker-crash",
    )
    yield FaultKind(
        "worker-late",
        "采集进程启动迟缓",
        "the capture worker takes long to start",
        "supervision.late_start_s",
        ("from_us", "to_us", "threshold_us", *_WORKER_LOST),
        cause="worker-late",
    )
    yield FaultKind(
        "worker-fault", "采集进程内部错误", "the capture worker failed", evidence=("error",), cause="worker-crash"
    )
    yield FaultKind(
        "process-crash",
        "记录单元进程崩溃（下次启动时发现）",
        "the unit process ended; found at its next start",
        evidence=_AT_START,
        cause="process-crash",
    )
    yield FaultKind(
        "power-loss",
        "断电（下次开机时发现）",
        "the power went; found at the next boot",
        evidence=(*_AT_START, "off_s", "off_basis"),
        cause="power-loss",
    )
    yield FaultKind("duty-fault", "附属功能出错", "a duty of the unit process failed", evidence=("call", "error"))
    yield FaultKind("output-fault", "指示输出故障", "a light, motor or loudspeaker fails", evidence=("error", "errno"))
    yield FaultKind(
        "sensor-fault",
        "传感器无应答",
        "a sensor does not answer, or hangs",
        evidence=("from_us", "to_us", "error", "errno"),
    )
    yield FaultKind(
        "watchdog-fault", "看门狗无法使用", "the board's watchdog cannot be fed", evidence=("error", "errno")
    )
    yield FaultKind(
        "board-hang",
        "整机停滞，看门狗将复位",
        "nothing is recorded any more and no restart helps: the watchdog will reset the board",
        "watchdog.reset_after_s",
        ("last_progress_us",),
    )
    yield FaultKind("device-fault", "设备无法启用", "a device cannot be used", evidence=_FOUND)
    yield FaultKind("prompts-unusable", "语音提示无法使用", "prompts cannot be spoken", evidence=_FOUND)
    # --- evidence ---
    yield FaultKind("signing-fault", "签名失败", "records cannot be signed", evidence=("error",))
    yield FaultKind(
        "certificate-unusable", "设备证书无法使用", "the device certificate cannot be used", evidence=_FOUND
    )
    yield FaultKind("journal-altered", "日志被改动", "the journal on the disk was altered", evidence=_FOUND)
    yield FaultKind("signed-bytes-lost", "已签名数据丢失", "signed bytes are missing from a segment", evidence=_FOUND)
    yield FaultKind("segment-not-recovered", "片段未能恢复", "a segment could not be recovered", evidence=_FOUND)
    # --- art. 27 ---
    yield FaultKind(
        "evidence-deleted",
        "音像记录被删除",
        "a recording was removed behind the unit's back",
        evidence=(*_FOUND, "named"),
    )
    yield FaultKind(
        "evidence-altered", "音像记录被改动", "a recording was changed behind the unit's back", evidence=_FOUND
    )
    yield FaultKind(
        "evidence-unwatched", "无法监视音像记录文件", "removals of recordings cannot be watched", evidence=("error",)
    )
    # --- art. 24 ---
    # --- people ---
    yield FaultKind("no-officer", "录制时没有执法人员登记", "recording with no officer signed in", indicator=None)
    yield FaultKind(
        "code-watch-fault", "二维码识别出错", "the reader of QR codes fails", evidence=("error",), indicator="fault"
    )
    # --- storing in time ---
    yield FaultKind(
        "deadline-near",
        "储存时限临近",
        "the 24 hours of art. 24 are nearly over",
        "statutory.near_h",
        ("sessions", "segments"),
    )
    yield FaultKind(
        "deadline-at-risk",
        "按当前速度赶不上储存时限",
        "at the present rate of uploading the 24 hours of art. 24 will not be met",
        evidence=("segments",),
    )
    yield FaultKind(
        "store-gap",
        "存储称本机丢失了日志记录，而记录就在本机",
        "the store has it that this unit lost lines of its journal, and they are here",
        evidence=("first", "last", "held", "gaps"),
    )
    yield FaultKind(
        "deadline-missed", "超过储存时限", "the 24 hours of art. 24 are over", evidence=("sessions", "segments")
    )


_WRITE_FAILED = (
    "errno",
    "error",
    "session_id",
    "segment_id",
    "durable_bytes",
    "media_end_us",
    "frames_not_durable",
    "close_error",
    "became",
)
_WORKER_LOST = ("detail", "last_frame_us", "frames", "entries")
_GNSS = (
    "from_us",
    "to_us",
    "error",
    "errno",
    "no_fix",
    "repeated",
    "bad_checksum",
    "fix_age_s",
    "fix_us",
    "quality",
    "satellites",
    "hdop",
)
_BATTERY = (
    "from_us",
    "to_us",
    "percent",
    "voltage_v",
    "external",
    "minutes_left",
    "percent_per_hour",
    "threshold_minutes",
    "percent_curve",
    "voltage_curve",
)
_AT_START = ("from_us", "from_bootseed", "from_wall", "last_record", "open_faults", "found_us")
_FOUND = ("finding", "zh", "en")

CATALOGUE: Final[dict[str, FaultKind]] = {kind.code: kind for kind in _kinds()}


def cause_of(code: str) -> InterruptionCause | None:
    """The cause of an interruption that began while this fault was present; None when the fault cannot stop the picture."""
    kind = CATALOGUE.get(code)
    return None if kind is None else kind.cause
