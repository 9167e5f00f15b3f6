"""The shipped catalogue says what was agreed; a wrong one is refused with file, line, key and both languages."""

from __future__ import annotations

import re

import pytest

from recorder.config.load import load_config
from recorder.officer.prompts.catalogue import CatalogueError, parse_catalogue
from recorder.officer.prompts.numerals import LANGUAGES
from recorder.officer.prompts.template import Pause, TemplateError, Value, Words, parts
from tools.render_prompts import load_catalogue

SPOKEN_TABLE = """
时间未校准，请校时后使用。
请报执法人员姓名、执法证号。
当前仅登记一名执法人员，请登记第二名执法人员。
开始记录。
请出示执法证件，并说明姓名、执法证号。
已标记。
本次执法应当全程记录，停止记录请说明原因。
停止记录。
记录中断，原因：{}。正在恢复。
记录已恢复。中断时间{}至{}，共{}。请对中断原因进行语音说明。
语音说明已保存。
尚未对中断原因进行语音说明，请现在说明。
中断原因可选：设备故障、天气恶劣、人为阻挠、其他客观原因。
确实无法继续记录。请在现场执法结束后书面说明情况，并由两名以上执法人员签字。
还有{}份中断情况说明未签字。
电量不足，预计还可记录{}分钟。
存储空间不足，预计还可记录{}分钟。
存储空间已满，记录即将停止。
定位信号丢失，继续记录。
定位已恢复。
已开启夜视。
已关闭夜视。
未检测到声音，请检查话筒。
画面被遮挡，请检查镜头。
音像记录尚未储存，距二十四小时时限还有{}小时，请及时储存。
音像记录储存已超过二十四小时，请立即储存。
已登记{}，请在返回所在机关后二十四小时内予以储存。
已返回所在机关，二十四小时储存时限现在开始计算。
音像记录已储存至所在机关，共{}段，校验通过。
音像记录不得擅自毁损、删除、修改。
"""
"""The exact wording this project agreed on, value places left blank."""

GOOD = """
[choices.class]
weather = { zh = "天气恶劣", en = "bad weather" }

[prompts.one]
zh = "原因：{reason}。共{count}份。"
en = "Cause: {reason}. Copies: {count}."
values = { reason = "class", count = "count" }
priority = "high"
repeat_s = 5
stale_s = 10
"""


def test_the_agreed_wording_is_spoken_to_the_letter() -> None:
    ours = {re.sub(r"\{\w+\}", "{}", prompt.text["zh"]) for prompt in load_catalogue().prompts.values()}
    assert set(SPOKEN_TABLE.split()) <= ours


def test_the_choices_are_those_of_the_articles() -> None:
    choices = load_catalogue().choices
    said = {name: [choice["zh"] for choice in table.values()] for name, table in choices.items()}
    assert said["legal-class"] == ["设备故障", "天气恶劣", "人为阻挠", "其他客观原因"]
    assert said["field-mode"] == ["连续执法", "异地执法", "边远地区执法", "水上执法", "交通不便地区执法"]
    assert len(said["checklist"]) == 6
    assert said["interruption-cause"] == ["设备故障", "电量不足", "存储空间不足", "其他"]


def test_no_prompt_is_too_long_to_be_listened_to() -> None:
    for prompt in load_catalogue().prompts.values():
        assert len(prompt.text["zh"]) <= 50, prompt.id


def test_what_begins_with_an_indication_that_beeps_has_no_tone_of_its_own() -> None:
    """``recording`` and ``stopped`` beep already; two tunes at once are none."""
    table, prompts = load_config([], {}).config.indicators, load_catalogue().prompts
    for indication, prompt in (("recording", "started"), ("stopped", "stopped"), ("marked", "marked")):
        assert table[indication].tone_hz
        assert not prompts[prompt].tone


def test_a_good_one() -> None:
    catalogue = parse_catalogue(GOOD, "x.toml")
    assert catalogue.prompts["one"].repeat_us == 5_000_000
    assert {"原因", "共", "份", "天气恶劣", "十"} <= set(catalogue.clauses("zh"))
    assert {"Cause", "Copies", "bad weather", "ten"} <= set(catalogue.clauses("en"))


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ('en = "Cause', 'fr = "Cause', "7:1: prompts.one.fr", "no such key"),
        ("{count}份", "{number}份", "6:1: prompts.one.zh", "reason, number"),
        ("Copies: {count}", "Copies", "7:1: prompts.one.en", "差"),
        ("{count}份", "{count}份}", "6:1: prompts.one.zh", "brace"),
        (
            'count = "count"',
            'count = "colour"',
            "8:1: prompts.one.values.count",
            "percent, count, time, duration, class",
        ),
        ('priority = "high"', 'priority = "loud"', "9:1: prompts.one.priority", "urgent, high, normal, low"),
        ("repeat_s = 5", "repeat_s = -5", "10:1: prompts.one.repeat_s", "0-3600"),
        ("stale_s = 10\n", "", "5:1: prompts.one.stale_s", "missing"),
        (', en = "bad weather"', "", "3:1: choices.class.weather", "needs zh and en"),
        ('"bad weather"', '"bad {kind}"', "3:1: choices.class.weather.en", "cannot have placeholders"),
        ("stale_s = 10", "stale_s = 10\ntone = [1, 2.5]", "12:1: prompts.one.tone", "whole numbers 0-8000"),
        ("stale_s = 10", 'stale_s = 10\nspoken_zh = "原因"', "12:1: prompts.one.spoken_zh", "as long as zh"),
        ("[prompts.one]", "[promts.one]", "5:1: promts", "no such table"),
        ('zh = "原因', "zh = 原因", "6:6", "not TOML"),
    ],
)
def test_a_wrong_one_is_refused_by_line_and_key(old: str, new: str, where: str, what: str) -> None:
    assert old in GOOD
    with pytest.raises(CatalogueError) as caught:
        parse_catalogue(GOOD.replace(old, new), "x.toml")
    lines = str(caught.value).splitlines()
    found = [line for line in lines if line.startswith(f"x.toml:{where}")]
    assert found, lines
    assert any(re.search("[\u4e00-\u9fff]", line) for line in found)
    if what != "差":
        assert any(what in line for line in found), found


def test_all_problems_are_named_at_once() -> None:
    wrong = GOOD.replace('"high"', '"loud"').replace("repeat_s = 5", "repeat_s = true")
    with pytest.raises(CatalogueError) as caught:
        parse_catalogue(wrong, "x.toml")
    assert len(caught.value.problems) == 2


def test_one_clause_has_one_sound() -> None:
    other = GOOD.split("\n\n")[1].replace("one", "two") + 'spoken_zh = "缘因：{reason}。共{count}份。"\n'
    with pytest.raises(CatalogueError, match=r"prompts\.two\.spoken_zh.*原因"):
        parse_catalogue(GOOD + other, "x.toml")


def test_a_text_is_taken_apart_as_it_is_spoken() -> None:
    assert parts("共{count}份，请签字。") == (
        Words("共"),
        Value("count"),
        Words("份"),
        Pause(150),
        Words("请签字"),
        Pause(350),
    )
    assert parts("Hours left: {hours}. Twenty-four.")[0] == Words("Hours left")
    with pytest.raises(TemplateError, match="}"):
        parts("共}份")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_clause_has_something_to_say(language: str) -> None:
    letters = r"[\u4e00-\u9fff]" if language == "zh" else r"[A-Za-z]"
    for clause in load_catalogue().clauses("zh" if language == "zh" else "en"):
        assert re.search(letters, clause), clause
