"""The one model of a unit's health. Its field names are the metric names of ``recorder.prom`` without ``recorder_``.

``status.json`` holds it as ``health``, ``recorder.prom`` is written from it, the uplink carries it over MQTT, and
docs/health.md is its table: tests keep the four the same. None: the unit cannot tell (no such device, nothing known yet);
such a metric is left out, for a zero would be a lie. A plain dataclass: the uplink has no pydantic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, get_type_hints

from recorder.health.metric import Metric, counter, gauge

Series = Mapping[str, float]
"""Value by label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    # --- the unit ---
    info: Annotated[Series, gauge("程序版本", "version of the program", "version")]
    status_timestamp_seconds: Annotated[
        float, gauge("这些数值的时间（壁钟，1970 年起）", "when these values were taken, wall clock, since 1970")
    ]
    recording: Annotated[bool, gauge("正在录制", "a session is being recorded")]
    officers_signed_in: Annotated[int, gauge("已登记的执法人员", "officers signed in")]
    button_to_record_seconds: Annotated[
        float | None,
        gauge(
            "最近一次录制：从开始指令到首个分片签名",
            "newest session: from the command to its first signed fragment",
        ),
    ]
    config_last_reload_successful: Annotated[
        bool | None, gauge("最近一次配置被采用", "the newest configuration was taken as it is")
    ]
    config_last_reload_success_timestamp_seconds: Annotated[
        float | None, gauge("最近一次采用配置的时间", "when a configuration was last taken")
    ]
    # --- faults ---
    faults: Annotated[Series, gauge("此刻存在的故障", "faults present at this moment", "code")]
    faults_total: Annotated[Series | None, counter("日志中的故障次数", "onsets of faults in the journal", "code")]
    # --- cameras ---
    camera_ready: Annotated[Series, gauge("采集进程正在出帧", "the capture worker delivers frames", "camera")]
    worker_restarts_total: Annotated[
        Series,
        counter(
            "采集进程重启次数，自记录单元启动", "restarts of the capture worker, since the unit process began", "camera"
        ),
    ]
    frames_total: Annotated[
        Series, counter("摄像头帧数，自采集进程启动", "frames of the camera, since its worker began", "camera")
    ]
    dropped_frames_total: Annotated[
        Series, counter("丢失的帧，自采集进程启动", "frames lost, since the worker began", "camera")
    ]
    buffer_bytes: Annotated[Series, gauge("预录与待写缓冲", "pre-roll and frames waiting to be written", "camera")]
    # --- evidence, counted from the journal ---
    segments_closed_total: Annotated[Series | None, counter("已完成的片段", "segments closed", "camera")]
    recorded_frames_total: Annotated[Series | None, counter("已完成片段中的帧", "frames in closed segments", "camera")]
    recorded_frames_dropped_total: Annotated[
        Series | None, counter("已完成片段中缺失的帧", "frames missing from closed segments", "camera")
    ]
    gaps_total: Annotated[Series | None, counter("中断次数", "interruptions", "cause")]
    gap_seconds_total: Annotated[
        float | None, counter("已恢复的中断的总时长", "length of all interruptions that are over")
    ]
    unexplained_gaps: Annotated[
        int | None, gauge("尚未说明的中断（第二十三条）", "interruptions nobody explained (art. 23)")
    ]
    statements_owed: Annotated[int | None, gauge("欠书面说明的中断（第二十三条）", "written statements owed (art. 23)")]
    journal_head_seq: Annotated[int, gauge("日志最后一条记录", "newest record of the journal")]
    journal_durable_seq: Annotated[int, gauge("已落盘的最后一条记录", "newest record on the disk, -1 for none")]
    journal_anchored_seq: Annotated[
        int | None,
        gauge(
            "储存回执锚定的最后一条记录，自记录单元启动",
            "newest record a believed receipt anchors, since the unit process began",
        ),
    ]
    # --- storage and upload ---
    storage_free_bytes: Annotated[int, gauge("数据分区剩余空间", "free space of the data partition")]
    upload_backlog_segments: Annotated[int | None, gauge("尚无回执的片段", "segments without a believed receipt")]
    upload_backlog_bytes: Annotated[int | None, gauge("尚无回执的字节", "bytes without a believed receipt")]
    upload_deadline_left_seconds: Annotated[
        float | None,
        gauge(
            "距最早的二十四小时期限（第二十四条），负数为逾期；没有期限在走时不写",
            "time left to the earliest 24-hour deadline (art. 24), negative when overdue; left out when none runs",
        ),
    ]
    upload_overdue_sessions: Annotated[int | None, gauge("逾期未储存的记录", "recordings past their deadline")]
    last_receipt_timestamp_seconds: Annotated[
        float | None,
        gauge(
            "最近一次储存回执的时间，自记录单元启动",
            "time of the newest believed receipt, since the unit process began",
        ),
    ]
    index_behind: Annotated[bool, gauge("索引正在重建", "the index is being made anew")]
    # --- time ---
    clock_set: Annotated[bool, gauge("时间已校准", "the wall clock was set")]
    clock_synchronized: Annotated[bool, gauge("时间正被校准", "somebody vouches for the wall clock")]
    clock_source: Annotated[Series, gauge("时间来源", "source of the wall clock", "source")]
    clock_error_bound_seconds: Annotated[float | None, gauge("时间误差上限", "bound of the wall clock's error")]
    clock_gnss_offset_seconds: Annotated[
        float | None,
        gauge("壁钟减卫星时间（含语句的传输延迟）", "wall clock minus GNSS time, the sentence's own delay included"),
    ]
    boot_time_seconds: Annotated[
        float, gauge("壁钟减开机时长：突变即为时钟跳变", "wall clock minus time since boot: a jump is a clock step")
    ]
    # --- surroundings ---
    gnss_fix_age_seconds: Annotated[float | None, gauge("最近一次定位距今", "age of the newest position fix")]
    gnss_satellites: Annotated[int | None, gauge("最近一次定位所用卫星", "satellites of the newest fix")]
    temperature_celsius: Annotated[float | None, gauge("处理器温度", "temperature of the processor")]
    throttled: Annotated[Series | None, gauge("处理器降速的原因", "why the processor is slowed down", "reason")]
    battery_charge_ratio: Annotated[float | None, gauge("电池电量，0 至 1", "charge of the battery, 0 to 1")]
    battery_voltage_volts: Annotated[float | None, gauge("电池电压", "voltage of the battery")]
    battery_left_seconds: Annotated[float | None, gauge("预计剩余使用时间", "forecast running time left")]
    external_power: Annotated[bool | None, gauge("外接电源", "external power is there")]


@cache
def metrics() -> Mapping[str, Metric]:
    """What each field says of itself, in the model's order."""
    hints = get_type_hints(Health, include_extras=True)
    return {name: next(each for each in hint.__metadata__ if isinstance(each, Metric)) for name, hint in hints.items()}


def known_values(health: Health) -> dict[str, float | bool | Series]:
    """What is known, by field name; a series without entries is left out."""
    values = {name: getattr(health, name) for name in metrics()}
    return {name: value for name, value in values.items() if value is not None and value != {}}
