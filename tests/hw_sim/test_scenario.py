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
