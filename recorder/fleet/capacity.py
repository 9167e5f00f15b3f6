"""Will the fleet make its deadlines? From what the units have left to send and the rate the store takes. Pure.

The link is one server and the units' backlogs are its jobs; with earliest deadline first (which is what the store grants,
:mod:`recorder.fleet.dispatch`) the answer is exact for a rate that holds. Each unit's whole backlog is counted at its
*earliest* deadline, because that is all a unit tells: the answer errs to the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from recorder.uplink.edf import Forecast, Job, forecast

Answer = Literal["makes-it", "will-not"]


class CapacityInputError(ValueError):
    """``key``: which member of the input is wrong, as a path. The message is in Chinese and English."""

    def __init__(self, key: str, zh: str, en: str) -> None:
        super().__init__(f"{key}: {zh} {en}")
        self.key = key


@dataclass(frozen=True, slots=True)
class UnitBacklog:
    """``deadline``: wall seconds (UTC), None: no deadline runs. ``rate``: bytes per second of the unit's own line, None:
    not known, so only the store's rate counts."""

    unit_id: str
    segments: int
    bytes: int
    deadline: float | None
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Late:
    """``cause``: ``store`` (the fleet's rate) or ``unit`` (its own line)."""

    unit_id: str
    bytes: int
    deadline: float
    done_at: float
    cause: Literal["store", "unit"]


@dataclass(frozen=True, slots=True)
class Capacity:
    """``slack_s`` and ``needed_rate``: see :class:`recorder.uplink.edf.Forecast`."""

    answer: Answer
    units: int
    bytes: int
    rate: float
    done_at: float
    slack_s: float
    needed_rate: float
    late: tuple[Late, ...]


def capacity(backlogs: Iterable[UnitBacklog], now: float, rate: float) -> Capacity:
    """``rate``: bytes per second into the store, ``now``: wall seconds. Raises ValueError for a rate not above 0."""
    units = {unit.unit_id: unit for unit in backlogs if unit.bytes > 0}
    jobs = [
        Job(unit.unit_id, unit.bytes, math.inf if unit.deadline is None else unit.deadline) for unit in units.values()
    ]
    whole = forecast(jobs, now, rate)
    late = [Late(t.job.name, t.job.bytes, t.job.deadline, t.done_at, "store") for t in whole.late]
    named = {item.unit_id for item in late}
    for unit in units.values():
        own = _own(unit, now)
        if own is not None and own.late and unit.unit_id not in named and unit.deadline is not None:
            late.append(Late(unit.unit_id, unit.bytes, unit.deadline, own.done_at, "unit"))
    late.sort(key=lambda item: (item.deadline, item.unit_id))
    return Capacity(
        answer="will-not" if late else "makes-it",
        units=len(units),
        bytes=sum(unit.bytes for unit in units.values()),
        rate=rate,
        done_at=whole.done_at,
        slack_s=whole.slack_s,
        needed_rate=whole.needed_rate,
        late=tuple(late),
    )


def _own(unit: UnitBacklog, now: float) -> Forecast | None:
    if unit.rate is None or unit.deadline is None:
        return None
    return forecast([Job(unit.unit_id, unit.bytes, unit.deadline)], now, unit.rate)


# --- input -----------------------------------------------------------------------------------------------------------


def read_units(value: Any) -> list[UnitBacklog]:
    """Units as ``GET /fleet/units`` and ``up/status`` name them: a list, or an object with ``units``; of each ``unit_id``
    and ``backlog`` {``segments``, ``bytes``, ``earliest_deadline``}, ``rate`` where it is known. The rest is ignored.

    Raises CapacityInputError. A unit without ``backlog`` is an error and not a unit without one: what is not known must
    not count as nothing to do.
    """
    units = value.get("units") if isinstance(value, dict) else value
    if not isinstance(units, list):
        raise CapacityInputError("units", "不是列表", "is not a list")
    found = [_unit(f"units[{number}]", item) for number, item in enumerate(units)]
    seen: set[str] = set()
    for number, unit in enumerate(found):
        if unit.unit_id in seen:
            raise CapacityInputError(f"units[{number}].unit_id", f"{unit.unit_id} 重复", "is there twice")
        seen.add(unit.unit_id)
    return found


def _unit(key: str, item: Any) -> UnitBacklog:
    if not isinstance(item, dict):
        raise CapacityInputError(key, "不是对象", "is not an object")
    unit_id, backlog = item.get("unit_id"), item.get("backlog")
    if not isinstance(unit_id, str) or not unit_id:
        raise CapacityInputError(f"{key}.unit_id", "不是文本", "is not text")
    if not isinstance(backlog, dict):
        raise CapacityInputError(f"{key}.backlog", f"{unit_id} 没有待传量", f"{unit_id} does not tell its backlog")
    return UnitBacklog(
        unit_id=unit_id,
        segments=round(_number(f"{key}.backlog.segments", backlog.get("segments"))),
        bytes=round(_number(f"{key}.backlog.bytes", backlog.get("bytes"))),
        deadline=_optional(f"{key}.backlog.earliest_deadline", backlog, "earliest_deadline"),
        rate=_optional(f"{key}.rate", item, "rate", above_zero=True),
    )


def _optional(key: str, item: dict[str, Any], name: str, *, above_zero: bool = False) -> float | None:
    """None where it is null. A deadline must be said: a unit too old to tell it has deadlines all the same."""
    if item.get(name) is None:
        if name not in item and name == "earliest_deadline" and item.get("bytes"):
            raise CapacityInputError(key, "缺少", "is missing (null: no deadline runs)")
        return None
    number = _number(key, item[name])
    if above_zero and number <= 0:
        raise CapacityInputError(key, "必须大于 0", "must be above 0")
    return number


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise CapacityInputError(key, "不是 0 以上的数", "is not a number of 0 or more")
    return float(value)
