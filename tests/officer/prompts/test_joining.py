"""A prompt with its values, as text and as the sequence of pieces."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.officer.prompts.catalogue import Catalogue, Prompt
from recorder.officer.prompts.joining import JOINT_MS, Piece, PromptValueError, pieces, text
from recorder.officer.prompts.numerals import LANGUAGES
from tests.officer.prompts import reading_back as heard
from tools.render_prompts import load_catalogue

CATALOGUE = load_catalogue()
RESUMED = {"begin": 50_709, "end": 50_832, "lasted": 123}


def spoken(prompt_id: str, values: dict[str, object]) -> str:
    return "".join(piece.text for piece in pieces(CATALOGUE, prompt_id, values, "zh"))


def test_the_resume_prompt() -> None:
    values: dict[str, object] = dict(RESUMED)
    assert (
        text(CATALOGUE, "resumed", values, "zh")
        == "记录已恢复。中断时间14时05分09秒至14时07分12秒，共2分3秒。请对中断原因进行语音说明。"
    )
    assert spoken("resumed", values) == (
        "记录已恢复中断时间十四时零五分零九秒至十四时零七分十二秒共两分三秒请对中断原因进行语音说明"
    )
    assert text(CATALOGUE, "resumed", values, "en") == (
        "Recording resumed. Interrupted from 14:05:09 to 14:07:12, in all 2 minutes 3 seconds. "
        "State the cause of the interruption now."
    )


def test_punctuation_becomes_a_rest() -> None:
    said = pieces(CATALOGUE, "statements-pending", {"count": 2}, "zh")
    assert said == (Piece("还有", JOINT_MS), Piece("两", JOINT_MS), Piece("份中断情况说明未签字", 350))
    said = pieces(CATALOGUE, "checklist-missing", {"point": "documents"}, "zh")
    assert [piece.gap_ms for piece in said] == [180, 80, 350]


def test_percent_is_not_measured() -> None:
    charge = Prompt(
        id="charge",
        text={"zh": "电量百分之{charge}，约{hours}小时", "en": "Battery percent: {charge}. Hours: {hours}."},
        spoken={"zh": "电量百分之{charge}，约{hours}小时", "en": "Battery percent: {charge}. Hours: {hours}."},
        values={"charge": "percent", "hours": "count"},
        tone=(),
        vibration=(),
        priority="low",
        repeat_us=0,
        stale_us=1,
    )
    catalogue = Catalogue({"charge": charge}, {})
    said = "".join(piece.text for piece in pieces(catalogue, "charge", {"charge": 2, "hours": 2}, "zh"))
    assert said == "电量百分之二约两小时"
    with pytest.raises(PromptValueError, match="0-100"):
        text(catalogue, "charge", {"charge": 101, "hours": 1}, "zh")


@given(st.integers(0, 86_399), st.integers(0, 86_399), st.integers(0, 100_000))
def test_what_is_heard_is_what_is_meant(begin: int, end: int, lasted: int) -> None:
    found = re.fullmatch(
        "记录已恢复中断时间(.*)至(.*)共(.*)请对中断原因进行语音说明",
        spoken("resumed", {"begin": begin, "end": end, "lasted": lasted}),
    )
    assert found is not None
    for group, seconds in ((found[1], begin), (found[2], end)):
        assert heard.chinese_clock(group) == (seconds // 3600, seconds // 60 % 60, seconds % 60)
    units = re.fullmatch("(?:(.*)小时)?(.*)分(.*)秒", found[3])
    assert units is not None
    hours, minutes, seconds = (heard.chinese(part or "零") for part in units.groups())
    assert hours * 3600 + minutes * 60 + seconds == lasted


@pytest.mark.parametrize("reason", ["remote", "边远地区执法"])
def test_a_choice_is_named_by_its_key_or_by_its_legal_term(reason: str) -> None:
    said = text(CATALOGUE, "field-mode", {"reason": reason}, "zh")
    assert said == "已登记边远地区执法，请在返回所在机关后二十四小时内予以储存。"
    assert "remote area" in text(CATALOGUE, "field-mode", {"reason": reason}, "en")
    assert "边远地区执法" in spoken("field-mode", {"reason": reason})


@pytest.mark.parametrize(
    ("prompt_id", "values", "message"),
    [
        ("resume", {}, "resume: .*no such prompt"),
        ("resumed", {"begin": 1, "end": 2}, "must be begin, end, lasted"),
        ("started", {"count": 1}, "got count"),
        ("resumed", {**RESUMED, "begin": 86_400}, r"resumed\.begin = 86400: .*0-86399"),
        ("resumed", {**RESUMED, "begin": True}, "whole number"),
        ("statements-pending", {"count": 100_000}, "0-99999"),
        ("statements-pending", {"count": 2.0}, "whole number"),
        ("class-chosen", {"cause": "sunshine"}, "equipment, weather, obstruction, other"),
    ],
)
def test_values_that_do_not_fit_are_named(prompt_id: str, values: dict[str, object], message: str) -> None:
    for language in LANGUAGES:
        with pytest.raises(PromptValueError, match=message):
            text(CATALOGUE, prompt_id, values, language)
        with pytest.raises(PromptValueError, match=message):
            pieces(CATALOGUE, prompt_id, values, language)
