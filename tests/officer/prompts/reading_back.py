"""A listener: turns spoken words back into numbers, by rules of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_ZH = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
_ZH_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_SMALL = """zero one two three four five six seven eight nine ten
eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"""
_TENS = """twenty thirty forty fifty sixty seventy eighty ninety"""
_EN = {word: value for value, word in enumerate(str.split(_SMALL))}
_EN |= {word: 10 * value for value, word in enumerate(str.split(_TENS), 2)}


def chinese(words: Sequence[str]) -> int:
    """万 at most; a leading 十 is ten."""
    total, digit = 0, None
    for character in "".join(words):
        if character in _ZH_UNITS:
            total += (1 if digit is None else digit) * _ZH_UNITS[character]
            digit = None
        else:
            digit = _ZH[character]
    return total + (digit or 0)


def english(words: Sequence[str]) -> int:
    total, group = 0, 0
    for word in words:
        if word == "thousand":
            total, group = total + group * 1000, 0
        elif word == "hundred":
            group *= 100
        else:
            group += _EN[word]
    return total + group


def chinese_clock(words: Sequence[str]) -> tuple[int, int, int]:
    text = "".join(words)
    hour, rest = text.split("时")
    minute, rest = rest.split("分")
    assert rest.endswith("秒")
    return chinese(hour), chinese(minute), chinese(rest[:-1])


def english_clock(words: Sequence[str]) -> tuple[int, int, int]:
    """Hour as a number, then two spoken digits (or one number from ten on) twice."""
    rest = list(words)

    def take_pair() -> int:
        if rest[0] == "zero":
            rest.pop(0)
            return _EN[rest.pop(0)]
        tens = _EN[rest.pop(0)]
        return tens + (_EN[rest.pop(0)] if rest and tens >= 20 and 0 < _EN[rest[0]] < 10 else 0)

    hour = _EN[rest.pop(0)]
    if hour >= 20 and rest and 0 < _EN[rest[0]] < 10:
        hour += _EN[rest.pop(0)]
    minute, second = take_pair(), take_pair()
    assert not rest
    return hour, minute, second


def seconds_of(words: Sequence[str], units: dict[str, int], number: Callable[[Sequence[str]], int]) -> int:
    """A duration: number, unit, number, unit …; ``number`` reads the words of one number."""
    total, said = 0, list[str]()
    for word in words:
        if word in units:
            total += number(said) * units[word]
            said = []
        else:
            said.append(word)
    assert not said
    return total
