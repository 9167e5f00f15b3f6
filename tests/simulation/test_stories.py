"""The shipped stories: days on the deterministic tier, each with its expectations met and a folder anybody can verify."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hw_sim.deterministic.story import STORIES, Story, load_story, story_file
from hw_sim.deterministic.story_run import run_story
from hw_sim.runner.layout import prepare
from hw_sim.scenario import ScenarioError
from recorder.evidence.verify.command import verify

NAMES = sorted(path.stem for path in STORIES.glob("*.toml"))


def shipped(name: str) -> Story:
    path = story_file(name)
    assert path is not None
    return load_story(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_story_meets_its_expectations_and_can_be_verified_again(name: str, tmp_path: Path) -> None:
    layout = prepare(tmp_path / "out")
    told: list[str] = []
    result = run_story(shipped(name), layout, told.append)
    assert result["passed"], [item for item in result["expectations"] if not item["met"]]
    assert result["internal_errors"] == [] and result["refused"] == []
    assert json.loads(layout.result.read_text(encoding="utf-8")) == result
    assert len(told) == len(shipped(name).action)
    again = verify(layout.unit, layout.trust, None)
    assert again.summary() == result["verify"]
    assert "经过" in layout.report.read_text(encoding="utf-8")


def test_a_story_that_is_wrong_is_named_with_its_key(tmp_path: Path) -> None:
    file = tmp_path / "stories" / "bad.toml"
    file.parent.mkdir()
    file.write_text(
        'name = "bad"\ntitle_zh = "x"\ntitle_en = "x"\nseed = 1\nhours = "long"\naction = []\nexpect = []\n'
    )
    with pytest.raises(ScenarioError, match=r"bad\.toml.*\n.*hours"):
        load_story(file)


def test_a_story_without_expectations_proves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "stories" / "empty.toml"
    file.parent.mkdir()
    file.write_text('name = "e"\ntitle_zh = "x"\ntitle_en = "x"\nseed = 1\nhours = 1\naction = []\nexpect = []\n')
    with pytest.raises(ScenarioError, match="proves nothing"):
        load_story(file)


def test_a_name_that_is_no_story_is_left_to_the_scenarios() -> None:
    assert story_file("first_shift") is None
    assert story_file("hw_sim/scenarios/first_shift.toml") is None
