"""What people read."""

from __future__ import annotations

from typing import Any

import pytest

from recorder.health.model import known_values, metrics
from recorder.health.text import standing_line, status_lines
from tests.health.sample import health

STATUS: dict[str, Any] = {
    "unit_id": "zfy-000001",
    "version": "0.1.0",
    "state": "recording",
    "session_id": "s",
    "faults": ["clock-not-set", "of-tomorrow"],
    "health": known_values(health()),
}
UPLINK = {"faults": [{"code": "store-away", "zh": "无法连接存储", "en": "the store cannot be reached"}]}


def test_in_chinese() -> None:
    text = "\n".join(status_lines(STATUS, UPLINK, "zh"))
    for words in (
        "录制中",
        "clock-not-set: ",
        "of-tomorrow",
        "store-away: 无法连接存储",
        "80%",
        "123,456.8 MB",
        "61.20 °C",
    ):
        assert words in text
    assert "2026-02-02 10:40:00+08:00" in text, "times are Beijing's"


def test_in_english_without_a_chinese_character() -> None:
    text = "\n".join(status_lines(STATUS, UPLINK, "en"))
    assert "recording" in text and "the store cannot be reached" in text
    assert not any("\u4e00" <= character <= "\u9fff" for character in text)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_number_is_shown_once_and_under_a_label_of_its_own(language: Any) -> None:
    lines = list(status_lines({**STATUS, "faults": [], "session_id": None}, None, language))
    assert len(lines) == 2 + 1 + len(metrics()) - 3
    labels = [line[:22].split("  ")[0] for line in lines]
    assert len(set(labels)) == len(labels), [label for label in labels if labels.count(label) > 1]


def test_a_healthy_unit_says_so() -> None:
    assert any(line.endswith("none") for line in status_lines({**STATUS, "faults": []}, None, "en"))


def test_what_a_silent_unit_left_is_said_to_be_old() -> None:
    assert "62 seconds old" in standing_line("silent", 61.7, "b", "en")
    assert "boot id b" in standing_line("other-boot", None, "b", "en")
    assert "不是现在的" in standing_line("other-boot", None, "b", "zh")
    assert "没有" in standing_line("absent", None, None, "zh")
