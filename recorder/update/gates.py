"""When an update may be installed: never while it could cost evidence. Pure.

What is not known counts as not allowed: a unit that cannot say whether it records is taken to be recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class GateLimits:
    """``slack_h``: hours the nearest statutory deadline (art. 24) must be away. ``backlog``: segments without a receipt,
    at most. ``battery_percent``: without external power. ``window``: minutes of the day (+08:00) from, to; equal: any."""

    slack_h: float
    backlog: int
    battery_percent: float
    free_mb: int
    window: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Conditions:
    """``status``: status.json as the unit wrote it; ``fresh``: a moment ago and in this boot. ``needed_bytes``: what the
    installation takes beside ``limits.free_mb``. ``way_back``: the version that runs can be put back."""

    status: Mapping[str, Any]
    fresh: bool
    free_bytes: int
    needed_bytes: int
    minute: int
    way_back: bool


@dataclass(frozen=True, slots=True)
class Gate:
    """Why an update waits."""

    code: str
    zh: str
    en: str


UNIT_SILENT: Final = Gate("unit-silent", "记录单元未答复", "the unit process does not say how it is")
RECORDING: Final = Gate("recording", "正在记录", "a recording is running")
SLACK: Final = Gate("slack", "储存时限将至或已过", "recordings are due to be stored soon, or overdue")
BACKLOG: Final = Gate("backlog", "尚有片段没有回执", "segments have no receipt yet")
BATTERY: Final = Gate("battery", "未接外部电源且电量不足", "no external power, and the battery is low or unknown")
SPACE: Final = Gate("space", "空间不足", "too little free space")
WINDOW: Final = Gate("window", "不在升级时段内", "outside the hours for updates")
NO_WAY_BACK: Final = Gate("no-way-back", "没有可退回的版本", "the version that runs could not be put back")


def closed(conditions: Conditions, limits: GateLimits) -> tuple[Gate, ...]:
    """The gates that are closed, the gravest first; none: install now."""
    status = conditions.status
    if not conditions.fresh:
        return (UNIT_SILENT,)
    health = status.get("health")
    health = health if isinstance(health, Mapping) else {}
    left_s, backlog = _number(health, "upload_deadline_left_seconds"), _number(health, "upload_backlog_segments")
    due = _number(health, "upload_overdue_sessions") != 0
    if "upload_deadline_left_seconds" in health:
        due = due or left_s is None or not left_s >= limits.slack_h * 3600
    checks = (
        (RECORDING, status.get("recording") is not False or status.get("session_id") is not None),
        (SLACK, due),
        (BACKLOG, backlog is None or backlog > limits.backlog or health.get("index_behind") is not False),
        (BATTERY, not _powered(health, limits.battery_percent)),
        (SPACE, conditions.free_bytes < conditions.needed_bytes + limits.free_mb * MB),
        (WINDOW, not _inside(conditions.minute, limits.window, status.get("clock_set") is True)),
        (NO_WAY_BACK, not conditions.way_back),
    )
    return tuple(gate for gate, shut in checks if shut)


def _number(health: Mapping[str, Any], name: str) -> float | None:
    value = health.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _powered(health: Mapping[str, Any], percent: float) -> bool:
    charge = _number(health, "battery_charge_ratio")
    return health.get("external_power") is True or (charge is not None and charge * 100 >= percent)


def _inside(minute: int, window: tuple[int, int], clock_set: bool) -> bool:
    begin, end = window
    if begin == end:
        return True
    if not clock_set:
        return False
    return begin <= minute < end if begin < end else minute >= begin or minute < end
