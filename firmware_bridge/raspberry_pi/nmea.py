"""NMEA 0183 lines to positions: pure. Time is an argument, trust is somebody else's (``gnss_trust``).

A GNSS receiver says one epoch in several sentences (GGA: position, quality, altitude; RMC: date, speed, course), in an
order of its own. They are joined by their time of day.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final

import pynmea2

from firmware_bridge.ports import GnssCounters, GnssFix

_pynmea2: Any = pynmea2  # a library without types

KNOT_MPS: Final = 1852 / 3600
DAY_US: Final = 86_400_000_000
BELIEVED_QUALITIES: Final = frozenset({1, 2, 3, 4, 5})
"""GGA qualities taken as a fix. 6 is dead reckoning, 7 typed in by hand, 8 a simulator's: none of these is evidence."""
BELIEVED_MODES: Final = frozenset({"A", "D", "P", "F", "R"})
"""RMC mode indicators that are a fix (E estimated, M manual, S simulated, N none are not)."""
OLDEST_DATE: Final = datetime.date(2024, 1, 1)
"""A receiver with an earlier date has a rolled-over week counter or lost its date: no UTC is better than that one."""
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MAX_LINE: Final = 120  # NMEA says 82; multi-band receivers go a little over


@dataclass(frozen=True, slots=True)
class Reading:
    """A fix and the time of day (UTC, microseconds since midnight) its sentences bear, known even without a date."""

    fix: GnssFix
    time_of_day_us: int


@dataclass(slots=True)
class _Epoch:
    time_of_day_us: int
    received_us: int
    gga: Any = None
    rmc: Any = None


class NmeaEpochs:
    """Feeds on lines, returns fixes. What is not believed is counted in ``counters``, sentence by sentence."""

    def __init__(self, counters: GnssCounters) -> None:
        self._counters = counters
        self._open: _Epoch | None = None
        self._told_tod_us: int | None = None
        self._refused_tod_us: int | None = None

    def line(self, raw: bytes, at_us: int) -> list[Reading]:
        """One line as it came (line end included or not), at boot-time ``at_us``."""
        text = raw.strip()
        if not text:
            return []
        self._counters.sentences += 1
        if not text.startswith(b"$") or len(text) > _MAX_LINE or not text.isascii():
            self._counters.unparsable += 1
            return []
        try:
            # check=True: without it a sentence cut before its checksum is accepted (pynmea2 #128).
            sentence = _pynmea2.parse(text.decode("ascii"), check=True)
        except _pynmea2.ChecksumError:
            self._counters.bad_checksum += 1
            return []
        except _pynmea2.SentenceTypeError:
            return []  # a sentence we have no use for, with a right checksum
        except (_pynmea2.ParseError, ValueError, IndexError):
            self._counters.unparsable += 1
            return []
        kind = getattr(sentence, "sentence_type", None)
        if kind not in ("GGA", "RMC"):
            return []
        return self._take(kind, sentence, at_us)

    def idle(self) -> list[Reading]:
        """The receiver has paused: the epoch being gathered will get no more sentences."""
        return self._close()

    def _take(self, kind: str, sentence: Any, at_us: int) -> list[Reading]:
        tod_us = _time_of_day_us(sentence)
        if not _has_fix(kind, sentence) or (tod_us is not None and tod_us == self._refused_tod_us):
            self._counters.no_fix += 1
            self._refused_tod_us = tod_us
            if self._open is not None and self._open.time_of_day_us == tod_us:
                self._open = None  # one half of the epoch says "no fix": the other half is not believed either
            return []
        if tod_us is None or _position(sentence) is None:
            self._counters.unparsable += 1
            return []
        readings: list[Reading] = []
        if self._open is not None and self._open.time_of_day_us != tod_us:
            readings = self._close()
        if tod_us == self._told_tod_us:
            self._counters.repeated += 1  # an old fix is never told again as a fresh one
            return readings
        if self._open is None:
            self._open = _Epoch(tod_us, at_us)
        if kind == "GGA":
            self._open.gga = sentence
        else:
            self._open.rmc = sentence
        if self._open.gga is not None and self._open.rmc is not None:
            readings += self._close()
        return readings

    def _close(self) -> list[Reading]:
        epoch, self._open = self._open, None
        if epoch is None:
            return []
        self._told_tod_us = epoch.time_of_day_us
        return [Reading(_fix(epoch), epoch.time_of_day_us)]


def _fix(epoch: _Epoch) -> GnssFix:
    gga, rmc = epoch.gga, epoch.rmc
    position = _position(gga if gga is not None else rmc)
    assert position is not None
    speed = _number(rmc.spd_over_grnd) if rmc is not None else None
    course = _number(rmc.true_course) if rmc is not None else None
    return GnssFix(
        received_us=epoch.received_us,
        latitude=position[0],
        longitude=position[1],
        altitude_m=_number(gga.altitude) if gga is not None else None,
        speed_mps=None if speed is None or speed < 0 else speed * KNOT_MPS,
        course_deg=course if course is not None and 0 <= course <= 360 else None,
        quality=gga.gps_qual if gga is not None else (2 if _mode(rmc) == "D" else 1),
        satellites=_count(gga.num_sats) if gga is not None else None,
        hdop=_number(gga.horizontal_dil) if gga is not None else None,
        utc_us=_utc_us(rmc, epoch.time_of_day_us),
    )


def _has_fix(kind: str, sentence: Any) -> bool:
    if kind == "GGA":
        return sentence.gps_qual in BELIEVED_QUALITIES
    mode = _mode(sentence)
    return sentence.status == "A" and (mode in BELIEVED_MODES or mode == "")


def _mode(rmc: Any) -> str:
    """Empty before NMEA 2.3, which had no mode indicator."""
    return str(rmc.mode_indicator)


def _time_of_day_us(sentence: Any) -> int | None:
    moment = sentence.timestamp
    if not isinstance(moment, datetime.time):  # pynmea2 hands back the raw text of a field it cannot convert
        return None
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond


def _utc_us(rmc: Any, time_of_day_us: int) -> int | None:
    date = rmc.datestamp if rmc is not None else None
    if not isinstance(date, datetime.date) or date < OLDEST_DATE:
        return None
    midnight = datetime.datetime.combine(date, datetime.time(), datetime.UTC)
    return (midnight - _EPOCH) // datetime.timedelta(microseconds=1) + time_of_day_us


def _position(sentence: Any) -> tuple[float, float] | None:
    """Degrees, or None. pynmea2 turns a missing hemisphere into 0.0, a place in the Gulf of Guinea: refused here."""
    latitude = _degrees(sentence.lat, sentence.lat_dir, "NS", 90)
    longitude = _degrees(sentence.lon, sentence.lon_dir, "EW", 180)
    return None if latitude is None or longitude is None else (latitude, longitude)


def _degrees(text: str, direction: str, directions: str, limit: float) -> float | None:
    whole, point, fraction = text.partition(".")
    if direction not in tuple(directions) or not whole.isdecimal() or (point and not fraction.isdecimal()):
        return None
    degrees, minutes = int(whole[:-2] or "0"), float(f"{whole[-2:]}.{fraction or 0}")
    value = degrees + minutes / 60
    if minutes >= 60 or value > limit:
        return None
    return -value if direction == directions[1] else value


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isdecimal() else None
