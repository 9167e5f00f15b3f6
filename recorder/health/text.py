"""A unit's status for people, in Chinese or English. Pure: the status goes in, lines come out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, Literal

from recorder.faults.catalogue import CATALOGUE
from recorder.health.model import metrics
from recorder.health.status_file import Standing

Language = Literal["zh", "en"]

_BEIJING: Final = timezone(timedelta(hours=8))

_SAID: Final = ("info", "recording", "faults")
"""Stand above the numbers already."""

_PRESENT: Final = ("reason", "source")
"""Labels of series that name what is there: a value of 1 says nothing more."""

_SHORT: Final = re.compile("[，；（：,(;:]")
"""Where the explanation of a metric begins."""

_STATES: Final = {
    "standby": ("待机", "standby"),
    "recording": ("录制中", "recording"),
    "stopping": ("正在结束录制", "stopping"),
    "off": ("已关闭", "off"),
}
_STANDINGS: Final[Mapping[Standing, tuple[str, str]]] = {
    "fresh": ("以下是刚才的状态", "what follows is of just now"),
    "silent": ("以下是 {age:.0f} 秒以前的状态，不是现在的", "what follows is {age:.0f} seconds old, not of now"),
    "other-boot": (
        "以下是上一次开机（boot id {boot_id}）留下的状态，不是现在的",
        "what follows is of another boot of the machine (boot id {boot_id}), not of now",
    ),
    "absent": ("没有可读的状态", "there is no readable status"),
}


def standing_line(standing: Standing, age_s: float | None, boot_id: object, language: Language) -> str:
    """What the status of a unit that does not answer is worth."""
    return _one(_STANDINGS[standing], language).format(age=age_s or 0, boot_id=boot_id)


def status_lines(status: Mapping[str, Any], uplink: Mapping[str, Any] | None, language: Language) -> Iterator[str]:
    """``status``: of ``status.json``; ``uplink``: of ``uplink/status.json``, None without one."""
    state = str(status.get("state"))
    yield _row(_one(("设备", "unit"), language), f"{status.get('unit_id')}  {status.get('version')}")
    yield _row(_one(("状态", "state"), language), _one(_STATES.get(state, (state, state)), language))
    if status.get("session_id"):
        yield _row(_one(("录制编号", "session"), language), str(status["session_id"]))
    yield from _faults(status, uplink, language)
    health = status.get("health", {})
    for name, metric in metrics().items():
        if name in health and name not in _SAID:
            label = _SHORT.split(_one((metric.zh, metric.en), language))[0].strip()
            yield _row(label, _value(name, health[name], language))


def _faults(status: Mapping[str, Any], uplink: Mapping[str, Any] | None, language: Language) -> Iterator[str]:
    codes = list(status.get("faults", ()))
    sent = [] if uplink is None else list(uplink.get("faults", ()))
    if not codes and not sent:
        yield _row(_one(("故障", "faults"), language), _one(("无", "none"), language))
    for code in codes:
        kind = CATALOGUE.get(code)
        text = (code, code) if kind is None else (kind.zh, kind.en)
        yield _row(_one(("故障", "fault"), language), f"{code}: {_one(text, language)}")
    for fault in sent:
        text = (str(fault.get("zh")), str(fault.get("en")))
        yield _row(_one(("上传故障", "upload fault"), language), f"{fault.get('code')}: {_one(text, language)}")


def _value(name: str, value: Any, language: Language) -> str:
    if isinstance(value, Mapping):
        if metrics()[name].label in _PRESENT:
            return ", ".join(sorted(value))
        return ", ".join(f"{label} {_value(name, number, language)}" for label, number in sorted(value.items()))
    if isinstance(value, bool):
        return _one(("是", "yes") if value else ("否", "no"), language)
    if name.endswith("timestamp_seconds") or name == "boot_time_seconds":
        return datetime.fromtimestamp(value, UTC).astimezone(_BEIJING).isoformat(sep=" ", timespec="seconds")
    if name.endswith("_bytes"):
        return f"{value / 1e6:,.1f} MB"
    if name.endswith("_ratio"):
        return f"{value:.0%}"
    if name.endswith(("_seconds", "_seconds_total")):
        return f"{value:,.3f} s" if abs(value) < 60 else f"{value / 3600:,.1f} h"
    unit = {"_celsius": " °C", "_volts": " V"}.get(name[name.rfind("_") :], "")
    return f"{value:,.2f}{unit}" if value != int(value) else f"{int(value)}{unit}"


def _one(texts: tuple[str, str], language: Language) -> str:
    return texts[0] if language == "zh" else texts[1]


def _row(label: str, value: str) -> str:
    """Aligned for a terminal, where a Chinese character is two columns wide."""
    width = sum(2 if ord(character) > 0x2E7F else 1 for character in label)
    return f"{label}{' ' * max(1, 44 - width)}{value}"
