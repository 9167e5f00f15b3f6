"""Every number, time of day and duration speaks back to itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.officer.prompts.numerals import (
    LANGUAGES,
    LARGEST,
    PIECES,
    duration,
    duration_text,
    number,
    time_of_day,
    time_text,
)
from tests.officer.prompts import reading_back as heard

DURATIONS = st.integers(0, LARGEST * 3600 + 3599)
ZH_UNITS = {"小时": 3600, "分": 60, "秒": 1}
EN_UNITS = {"hour": 3600, "hours": 3600, "minute": 60, "minutes": 60, "second": 1, "seconds": 1}


def test_every_number_speaks_back_to_itself() -> None:
    for value in range(LARGEST + 1):
        assert heard.chinese(number(value, "zh")) == value
        assert heard.chinese(number(value, "zh", measured=True)) == value
        assert heard.english(number(value, "en")) == value


def test_no_two_numbers_sound_alike() -> None:
    for language in LANGUAGES:
        assert len({" ".join(number(value, language)) for value in range(LARGEST + 1)}) == LARGEST + 1


def test_every_time_of_day_speaks_back_to_itself() -> None:
    for seconds in range(86_400):
        clock = (seconds // 3600, seconds // 60 % 60, seconds % 60)
        assert heard.chinese_clock(time_of_day(seconds, "zh")) == clock
        assert heard.english_clock(time_of_day(seconds, "en")) == clock


def test_no_two_times_of_day_sound_alike() -> None:
    for language in LANGUAGES:
        assert len({" ".join(time_of_day(seconds, language)) for seconds in range(86_400)}) == 86_400


@given(DURATIONS)
def test_durations_speak_back_to_themselves(seconds: int) -> None:
    assert heard.seconds_of(duration(seconds, "zh"), ZH_UNITS, heard.chinese) == seconds
    assert heard.seconds_of(duration(seconds, "en"), EN_UNITS, heard.english) == seconds


@given(st.integers(0, LARGEST), st.integers(0, 86_399), DURATIONS)
def test_only_words_that_are_rendered_are_spoken(value: int, clock: int, seconds: int) -> None:
    for known in LANGUAGES:
        spoken = [*number(value, known), *number(value, known, measured=True)]
        assert set(spoken) | set(time_of_day(clock, known)) | set(duration(seconds, known)) <= set(PIECES[known])


@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        (0, "零", "zero"),
        (2, "二", "two"),
        (10, "十", "ten"),
        (15, "十五", "fifteen"),
        (20, "二十", "twenty"),
        (87, "八十七", "eighty seven"),
        (100, "一百", "one hundred"),
        (105, "一百零五", "one hundred five"),
        (110, "一百一十", "one hundred ten"),
        (222, "二百二十二", "two hundred twenty two"),
        (1000, "一千", "one thousand"),
        (1010, "一千零一十", "one thousand ten"),
        (2002, "两千零二", "two thousand two"),
        (10_500, "一万零五百", "ten thousand five hundred"),
        (20_000, "两万", "twenty thousand"),
        (99_999, "九万九千九百九十九", "ninety nine thousand nine hundred ninety nine"),
    ],
)
def test_numbers_as_people_say_them(value: int, zh: str, en: str) -> None:
    assert "".join(number(value, "zh")) == zh
    assert " ".join(number(value, "en")) == en


def test_two_before_a_measure_word() -> None:
    assert number(2, "zh", measured=True) == ["两"]
    assert "".join(number(12, "zh", measured=True)) == "十二"


def test_times_and_durations_as_people_say_them() -> None:
    at = 14 * 3600 + 5 * 60 + 9
    assert "".join(time_of_day(at, "zh")) == "十四时零五分零九秒"
    assert " ".join(time_of_day(at, "en")) == "fourteen zero five zero nine"
    assert "".join(time_of_day(0, "zh")) == "零时零分零秒"
    assert "".join(duration(123, "zh")) == "两分三秒"
    assert "".join(duration(3605, "zh")) == "一小时零分五秒"
    assert " ".join(duration(61, "en")) == "one minute one second"


def test_times_and_durations_as_they_are_written() -> None:
    at = 14 * 3600 + 5 * 60 + 9
    assert (time_text(at, "zh"), time_text(at, "en")) == ("14时05分09秒", "14:05:09")
    assert (duration_text(123, "zh"), duration_text(123, "en")) == ("2分3秒", "2 minutes 3 seconds")
    assert duration_text(7321, "zh") == "2小时2分1秒"


@pytest.mark.parametrize("value", [-1, LARGEST + 1])
def test_what_cannot_be_said_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match=str(value)):
        number(value, "zh")
    with pytest.raises(ValueError, match="no time of day"):
        time_of_day(-1 if value < 0 else 86_400, "en")
