"""Numbers, times of day and durations as the words that are rendered, Chinese and English. Pure.

Chinese: 十五 (not 一十五) at the head of a number, 零 for skipped places, 两 for 2 before a measure word, 千 and 万.
Times of day are read digit group by digit group, so that 14:05:09 cannot be heard as anything else.
"""

from __future__ import annotations

from typing import Final, Literal

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
LARGEST: Final = 99_999
"""The largest number that can be said."""

_ZH_DIGITS: Final = "零一二三四五六七八九"
_ZH_TEENS: Final = tuple(f"十{digit}" for digit in _ZH_DIGITS[1:])
_ZH_TENS: Final = tuple(f"{digit}十" for digit in _ZH_DIGITS[1:])
# fmt: off
_EN_SMALL: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
# fmt: on
_EN_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

PIECES: Final[dict[Language, tuple[str, ...]]] = {
    "zh": (*_ZH_DIGITS, "两", "十", *_ZH_TEENS, *_ZH_TENS, "百", "千", "万", "小时", "时", "分", "秒"),
    "en": (*_EN_SMALL, *_EN_TENS, "hundred", "thousand", "hour", "hours", "minute", "minutes", "second", "seconds"),
}
"""Every piece the functions of this module can return."""


def number(value: int, language: Language, *, measured: bool = False) -> list[str]:
    """0 … 99 999 as words. ``measured``: a measure word follows (两小时, not 二小时). Raises ValueError."""
    if not 0 <= value <= LARGEST:
        raise ValueError(f"{value}: 超出范围 out of range 0-{LARGEST}")
    if language == "en":
        return _english(value)
    return ["两"] if measured and value == 2 else _chinese(value)


def time_of_day(seconds: int, language: Language) -> list[str]:
    """Seconds since midnight as 十四 时 零 五 分 零 九 秒, "fourteen zero five zero nine". Raises ValueError."""
    if not 0 <= seconds < 86_400:
        raise ValueError(f"{seconds}: 不是一天中的时刻 no time of day")
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    if language == "en":
        return [*_english(hour), *_two_digits(minute, "en"), *_two_digits(second, "en")]
    return [*_chinese(hour), "时", *_two_digits(minute, "zh"), "分", *_two_digits(second, "zh"), "秒"]


def duration(seconds: int, language: Language) -> list[str]:
    """A duration as 两 分 三 秒, from one hour on 一 小时 零 分 五 秒. Raises ValueError."""
    said: list[str] = []
    for amount, zh, en in _split(seconds):
        said += number(amount, language, measured=True)
        said.append(zh if language == "zh" else _plural(en, amount))
    return said


def time_text(seconds: int, language: Language) -> str:
    """14时05分09秒, 14:05:09."""
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    if language == "en":
        return f"{hour:02}:{minute:02}:{second:02}"
    return f"{hour}时{minute:02}分{second:02}秒"


def duration_text(seconds: int, language: Language) -> str:
    """2分3秒, 2 minutes 3 seconds."""
    if language == "zh":
        return "".join(f"{amount}{zh}" for amount, zh, _ in _split(seconds))
    return " ".join(f"{amount} {_plural(en, amount)}" for amount, _, en in _split(seconds))


def _split(seconds: int) -> list[tuple[int, str, str]]:
    hours, minutes = divmod(seconds // 60, 60)
    parts = [(minutes, "分", "minute"), (seconds % 60, "秒", "second")]
    return [(hours, "小时", "hour"), *parts] if hours else parts


def _plural(unit: str, amount: int) -> str:
    return unit if amount == 1 else f"{unit}s"


def _two_digits(value: int, language: Language) -> list[str]:
    """05 with its zero, 00 as two of them in English and one in Chinese (零分)."""
    if value >= 10:
        return number(value, language)
    zero = "零" if language == "zh" else "zero"
    if value == 0:
        return [zero] if language == "zh" else [zero, zero]
    return [zero, *number(value, language)]


def _chinese(value: int) -> list[str]:
    if value == 0:
        return ["零"]
    said: list[str] = []
    skipped = False
    for unit, name in ((10_000, "万"), (1000, "千"), (100, "百"), (1, "")):
        digit = value // unit % 100 if unit == 1 else value // unit % 10
        if digit == 0:
            skipped = bool(said)
            continue
        if said and (skipped or (unit == 1 and digit < 10)):
            said.append("零")
        skipped = False
        if unit == 1:
            said += _chinese_below_hundred(digit, head=not said)
        else:
            said += ["两" if digit == 2 and unit >= 1000 else _ZH_DIGITS[digit], name]
    return said


def _chinese_below_hundred(value: int, *, head: bool) -> list[str]:
    """十五 at the head of a number, 一十五 after a hundred."""
    tens, ones = divmod(value, 10)
    if tens == 0:
        return [_ZH_DIGITS[ones]]
    if tens == 1 and head:
        return ["十"] if ones == 0 else [_ZH_TEENS[ones - 1]]
    return [_ZH_TENS[tens - 1], *([_ZH_DIGITS[ones]] if ones else [])]


def _english(value: int) -> list[str]:
    if value >= 1000:
        rest = value % 1000
        return [*_english(value // 1000), "thousand", *(_english(rest) if rest else [])]
    if value >= 100:
        rest = value % 100
        return [_EN_SMALL[value // 100], "hundred", *(_english(rest) if rest else [])]
    if value < len(_EN_SMALL):
        return [_EN_SMALL[value]]
    tens, ones = divmod(value, 10)
    return [_EN_TENS[tens - 2], *([_EN_SMALL[ones]] if ones else [])]
