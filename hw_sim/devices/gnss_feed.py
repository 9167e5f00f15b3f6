"""What the simulated receiver says: a made-up walk, or any NMEA log. Pure but for reading the log."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from firmware_bridge.ports import DeviceError
from hw_sim.devices import nmea
from hw_sim.world_keys import Value

START: Final = (38.0428, 114.5149)
"""Shijiazhuang (石家庄), the seat of Hebei's provincial government."""
_M_PER_DEGREE: Final = 111_320.0


class Feed(Protocol):
    """Epochs without end."""

    def due_s(self, n: int) -> float:
        """When epoch ``n`` is said, in seconds after epoch 0."""

    def lines(self, n: int, utc_us: int) -> list[str]:
        """Sentences of epoch ``n``, spoken at ``utc_us``."""


def walk(t_s: float) -> nmea.Place:
    """A beat of an officer on foot: round a block of 180 m by 120 m at 1.4 m/s, back at its start every 428.6 s."""
    east_m, north_m = 180.0, 120.0
    corners = ((0.0, 0.0), (east_m, 0.0), (east_m, north_m), (0.0, north_m), (0.0, 0.0))
    way = (t_s * 1.4) % (2 * (east_m + north_m))
    for course, (begin, end) in zip((90.0, 0.0, 270.0, 180.0), itertools.pairwise(corners), strict=True):
        length = math.dist(begin, end)
        if way <= length:
            x = begin[0] + (end[0] - begin[0]) * way / length
            y = begin[1] + (end[1] - begin[1]) * way / length
            return nmea.Place(
                latitude=START[0] + y / _M_PER_DEGREE,
                longitude=START[1] + x / (_M_PER_DEGREE * math.cos(math.radians(START[0]))),
                altitude_m=80.0 + 2.0 * math.sin(t_s / 40),
                speed_mps=1.4,
                course_deg=course,
            )
        way -= length
    raise AssertionError("the way round the block is its four sides")


class WalkFeed:
    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz

    def due_s(self, n: int) -> float:
        return n / self._rate_hz

    def lines(self, n: int, utc_us: int) -> list[str]:
        return nmea.epoch_lines(walk(n / self._rate_hz), utc_us)


class LogFeed:
    """A log, played at its own pace. ``at_end``: ``loop`` plays it again, ``hold`` repeats its last epoch (with new
    times, as a receiver standing still). ``retime`` gives sentences the present time instead of the log's."""

    def __init__(self, lines: list[str], at_end: str, retime: bool) -> None:
        self._epochs = split_epochs(lines)
        if not self._epochs:
            raise ValueError("没有 NMEA 语句 no NMEA sentence in it")
        self._at_end = at_end
        self._retime = retime
        self._due = _due_times(self._epochs)
        self._last_step_s = self._due[-1] - self._due[-2] if len(self._due) > 1 else 1.0

    def due_s(self, n: int) -> float:
        count = len(self._epochs)
        if self._at_end == "hold" and n >= count:
            return self._due[-1] + (n - count + 1) * self._last_step_s
        rounds, rest = divmod(n, count)
        return rounds * (self._due[-1] + self._last_step_s) + self._due[rest]

    def lines(self, n: int, utc_us: int) -> list[str]:
        count = len(self._epochs)
        epoch = self._epochs[min(n, count - 1) if self._at_end == "hold" else n % count]
        return [nmea.retimed(line, utc_us) for line in epoch] if self._retime else list(epoch)


def split_epochs(lines: list[str]) -> list[list[str]]:
    """Sentences grouped by what was said at once: a new epoch begins when the time of day changes, or, where sentences bear
    no time, when a kind comes round again."""
    epochs: list[list[str]] = []
    current = ""
    seen: set[str] = set()
    for line in (raw.strip() for raw in lines):
        if not line.startswith("$"):
            continue
        time, kind = nmea.time_field(line), line[1:6]
        again = kind in seen and kind[2:] in ("GGA", "RMC") and not time
        if not epochs or (time and current and time != current) or again:
            epochs.append([])
            current, seen = "", set()
        epochs[-1].append(line)
        current = time or current
        seen.add(kind)
    return epochs


def _due_times(epochs: list[list[str]]) -> list[float]:
    """Seconds since the first epoch, by the sentences' own times; a step that makes no sense counts as one second."""
    due = [0.0]
    times = [next((s for s in map(_seconds, epoch) if s is not None), None) for epoch in epochs]
    for before, after in itertools.pairwise(times):
        step = (after - before) % 86_400 if before is not None and after is not None else 1.0
        due.append(due[-1] + (step if 0.05 <= step <= 60 else 1.0))
    return due


def _seconds(line: str) -> float | None:
    text = nmea.time_field(line)
    if len(text) < 6 or not text[:6].isdecimal():
        return None
    return int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:])


def spoiled(lines: list[str], failure: str, utc_us: int) -> list[str]:
    """``lines`` as they leave a receiver with that failure (``gnss.failure`` of the world)."""
    if failure == "silent":
        return []
    if failure == "no-fix":
        return nmea.no_fix_lines(utc_us)
    if failure == "bad-checksum":
        return [nmea.with_bad_checksum(line) for line in lines]
    if failure == "truncated":
        return [nmea.truncated(line) for line in lines]
    if failure == "jump":
        return [nmea.displaced(line) for line in lines]
    return lines


def open_feed(state: Mapping[str, Value]) -> Feed:
    """The feed the world's state asks for. Raises DeviceError naming the log that cannot be played."""
    path = str(state["gnss.file"])
    if not path:
        return WalkFeed(float(state["gnss.rate_hz"]))
    try:
        lines = Path(path).read_text(encoding="ascii", errors="replace").splitlines()
        return LogFeed(lines, str(state["gnss.at_end"]), bool(state["gnss.retime"]))
    except (OSError, ValueError) as error:
        raise DeviceError("gnss", f"{path}: 无法播放定位日志 cannot play the NMEA log: {error}") from error
