"""Scenario files: the shipped ones load, bad ones are refused by name, expectations compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.scenario import SCENARIOS, Expectation, ScenarioError, evaluate, load_scenario

RESULT = {"segments": 5, "gaps": [{"cause": "power-loss"}], "verify": {"unit": {"exit_code": 0}}, "passed": True}


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_scenario_loads_and_expects_something(path: Path) -> None:
    scenario = load_scenario(path.stem)
    assert scenario.name == path.stem
    assert scenario.expect
    assert all(action.at_s <= scenario.duration_s for action in scenario.action)


def test_what_the_issue_of_art_23_has_to_show_is_shipped() -> None:
    shipped = {path.stem for path in SCENARIOS.glob("*.toml")}
    assert {
        "lens_covered",
        "battery_dies_and_returns",
        "card_full",
        "camera_unplugged",
        "cannot_resume_two_officers_sign",
        "no_answer_to_prompt",
        "clock_not_set",
        "officer_deletes_a_file",
    } <= shipped


@pytest.mark.parametrize(
    ("action", "named"),
    [
        ('do = "wait"\nuntil = "prompt no-such"', "no-such"),
        ('do = "delete-file"\npattern = "../trust/*"', "below the unit's data folder"),
        ('do = "delete-file"\npattern = "/etc/*"', "below the unit's data folder"),
        ('do = "explain"\npresses = 5', "less than or equal to 4"),
        ('do = "ctl"\narguments = []', "at least 1 item"),
        ('do = "sign-statement"\nlegal_cause = "不想录"\nofficers = [{ name = "张三", cert_no = "1" }]', "设备故障"),
        ('do = "explain"\nclip = "nobody.wav"', "nobody.wav"),
    ],
)
def test_an_action_that_cannot_be_is_refused_before_anything_starts(action: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    text = (SCENARIOS / "first_shift.toml").read_text(encoding="utf-8")
    path.write_text(f"{text}\n[[action]]\nat_s = 1\n{action}\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=named):
        load_scenario(str(path))


def test_an_unknown_scenario_is_refused_with_the_known_names() -> None:
    with pytest.raises(ScenarioError, match="first_shift"):
        load_scenario("no_such_shift")


def test_a_wrong_key_is_named_with_its_place(tmp_path: Path) -> None:
    text = (SCENARIOS / "first_shift.toml").read_text(encoding="utf-8").replace('button = "mark"', 'buton = "mark"')
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"action\.\d+\.press\.but"):
        load_scenario(str(path))


def test_a_toml_error_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("name = 'x'\nduration_s = = 3\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="line 2"):
        load_scenario(str(path))


@pytest.mark.parametrize(
    ("field", "op", "value", "met"),
    [
        ("segments", "==", 5, True),
        ("segments", "!=", 5, False),
        ("segments", ">=", 6, False),
        ("segments", "<=", 5, True),
        ("segments", "<", 5, False),
        ("segments", ">", 4, True),
        ("len:gaps", "==", 1, True),
        ("verify.unit.exit_code", "==", 0, True),
        ("verify.unit.nothing", "==", 0, False),
        ("segments", "<", "text", False),
    ],
)
def test_expectations_compare_fields_of_the_result(field: str, op: str, value: object, met: bool) -> None:
    expectation = Expectation.model_validate({"field": field, "op": op, "value": value})
    assert evaluate(expectation, RESULT)[0] is met


@pytest.mark.parametrize("field", ["len:segments", "len:passed", "len:verify.nothing", "segments.deeper"])
def test_a_field_that_has_no_length_is_unmet_and_hides_no_other(field: str) -> None:
    expectation = Expectation.model_validate({"field": field, "op": "==", "value": 5})
    assert not evaluate(expectation, RESULT)[0]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('key = "lux"', 'key = "luks"', "luks"),
        ("lux = 220.0", "lux = -1", "lux"),
        ('camera = "clip.mp4"', 'camera = "no.mp4"', "no.mp4"),
    ],
    ids=["key", "value", "media"],
)
def test_what_the_world_does_not_have_is_refused_before_anything_starts(
    old: str, new: str, named: str, tmp_path: Path
) -> None:
    text = (SCENARIOS / "first_shift.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "bad.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ScenarioError, match=named):
        load_scenario(str(path))


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match=r"bad\.toml: 无法读取 cannot be read"):
        load_scenario(str(path))


def test_a_clip_nobody_can_play_is_refused_before_anything_starts(tmp_path: Path) -> None:
    text = (SCENARIOS / "first_shift.toml").read_text(encoding="utf-8")
    text += '\n[[action]]\nat_s = 1\ndo = "say"\nwho = "officer"\nclip = "nobody.wav"\n'
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"nobody\.wav"):
        load_scenario(str(path))
