"""NMEA 0183 sentences as a receiver would say them, and the ways in which one can be wrong. Pure."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import reduce
from typing import Final

EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_TIME_FIELD: Final = {"GGA": 1, "RMC": 1, "GNS": 1, "ZDA": 1, "GLL": 5}
_POSITION_FIELDS: Final = {"GGA": 2, "RMC": 3, "GNS": 2, "GLL": 1}


@dataclass(frozen=True, slots=True)
class Place:
    """A point of a track: WGS-84 degrees, metres, metres a second, degrees."""

    latitude: float
    longitude: float
    altitude_m: float = 80.0
    speed_mps: float = 0.0
    course_deg: float = 0.0


def with_checksum(body: str) -> str:
    """``GNGGA,…`` → ``$GNGGA,…*5A`` (XOR of all characters between $ and *)."""
    return f"${body}*{reduce(lambda total, char: total ^ ord(char), body, 0):02X}"


def has_valid_checksum(line: str) -> bool:
    body, star, _ = line.removeprefix("$").partition("*")
    return line.startswith("$") and bool(star) and with_checksum(body) == line.strip().upper()


def kind_of(line: str) -> str:
    """``GGA`` for ``$GNGGA,…``; empty for what is no talker sentence."""
    return line[3:6] if line.startswith("$") and len(line) > 6 else ""


def epoch_lines(place: Place, utc_us: int) -> list[str]:
    """RMC, then GGA of one epoch, as u-blox receivers send them."""
    moment = EPOCH + datetime.timedelta(microseconds=utc_us)
    latitude, longitude = _angle(place.latitude, 2, "NS"), _angle(place.longitude, 3, "EW")
    knots = place.speed_mps * 3600 / 1852
    clock, date = _clock(moment), f"{moment:%d%m%y}"
    return [
        with_checksum(f"GNRMC,{clock},A,{latitude},{longitude},{knots:.3f},{place.course_deg:.2f},{date},,,A,V"),
        with_checksum(f"GNGGA,{clock},{latitude},{longitude},1,12,0.83,{place.altitude_m:.1f},M,-9.6,M,,"),
    ]


def no_fix_lines(utc_us: int) -> list[str]:
    """What a receiver says that knows the time but sees too few satellites."""
    moment = EPOCH + datetime.timedelta(microseconds=utc_us)
    clock, date = _clock(moment), f"{moment:%d%m%y}"
    return [with_checksum(f"GNRMC,{clock},V,,,,,,,{date},,,N,V"), with_checksum(f"GNGGA,{clock},,,,,0,02,99.99,,,,,,")]


def retimed(line: str, utc_us: int) -> str:
    """``line`` with the time (and date) of ``utc_us``; one that was broken to begin with stays as it is."""
    kind = kind_of(line)
    if kind not in _TIME_FIELD or not has_valid_checksum(line):
        return line
    moment = EPOCH + datetime.timedelta(microseconds=utc_us)
    fields = line[1:].partition("*")[0].split(",")
    if fields[_TIME_FIELD[kind]]:
        fields[_TIME_FIELD[kind]] = _clock(moment)
    if kind == "RMC" and fields[9]:
        fields[9] = f"{moment:%d%m%y}"
    if kind == "ZDA":
        fields[2:5] = [f"{moment:%d}", f"{moment:%m}", f"{moment:%Y}"]
    return with_checksum(",".join(fields))


def with_bad_checksum(line: str) -> str:
    """One digit of the payload changed on the way, the checksum not."""
    position = next((i for i in range(len(line) // 2, len(line)) if line[i].isdigit()), len(line) // 2)
    return line[:position] + ("7" if line[position] != "7" else "3") + line[position + 1 :]


def truncated(line: str) -> str:
    """Cut in the middle of its fields, as a full buffer does."""
    return line[: len(line) * 2 // 3]


def displaced(line: str, degrees: int = 1) -> str:
    """The position ``degrees`` further north, with a right checksum: the one broken sentence in 256 that passes."""
    kind = kind_of(line)
    fields = line[1:].partition("*")[0].split(",")
    index = _POSITION_FIELDS.get(kind, 0)
    if not index or len(fields) <= index or not fields[index]:
        return line
    whole = int(fields[index][:2]) + degrees
    fields[index] = f"{whole:02d}{fields[index][2:]}"
    return with_checksum(",".join(fields))


def time_field(line: str) -> str:
    """The time of day as it stands in the sentence; empty where there is none."""
    index = _TIME_FIELD.get(kind_of(line), 0)
    fields = line.partition("*")[0].split(",")
    return fields[index] if 0 < index < len(fields) else ""


def _clock(moment: datetime.datetime) -> str:
    return f"{moment:%H%M%S}.{moment.microsecond // 10_000:02d}"


def _angle(value: float, width: int, directions: str) -> str:
    ten_thousandths = round(abs(value) * 60 * 100_000)
    degrees, minutes = divmod(ten_thousandths, 60 * 100_000)
    direction = directions[0] if value >= 0 else directions[1]
    return f"{degrees:0{width}d}{minutes / 100_000:08.5f},{direction}"
