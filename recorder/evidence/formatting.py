"""How times, lengths and byte ranges are written in findings and reports. Times are shown as +08:00 (design §7)."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))


def wall(seconds: float) -> str:
    """``2026-11-23 22:10:05.1+08:00``; the wall clock's claim. Seconds since 1970."""
    try:
        at = datetime.fromtimestamp(seconds, UTC).astimezone(BEIJING)
    except (OverflowError, ValueError, OSError):
        return f"@{seconds!r}"
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 100_000}+08:00"


def length(us: float) -> str:
    """A duration in microseconds as ``0.52 s`` or ``1:02:03``."""
    seconds = us / 1e6
    if abs(seconds) < 100:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


def ranges(numbers: list[int]) -> str:
    """``[1, 2, 3, 7]`` → ``1–3, 7``."""
    parts: list[str] = []
    start = previous = None
    for number in [*numbers, None]:
        if start is None:
            start = previous = number
        elif number is not None and previous is not None and number == previous + 1:
            previous = number
        else:
            parts.append(str(start) if start == previous else f"{start}–{previous}")
            start = previous = number
    return ", ".join(parts)


def printable(text: str) -> str:
    """``text`` (a file's name, say) so that it says nothing by being shown: line ends, control and direction characters and
    bytes that are no UTF-8 are written as escapes."""
    return "".join(
        character if unicodedata.category(character) not in _UNSEEN else ascii(character)[1:-1] for character in text
    )


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Not what is private or not assigned: rare characters of personal names are."""
