"""``recorder fleet capacity``: the verdict, what it names, and that it never guesses from what is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from recorder.cli import main
from recorder.fleet.capacity import CapacityInputError, UnitBacklog, capacity, read_units
from recorder.loading import system_clock


def unit(unit_id: str, size: int, deadline: float | None, **more: Any) -> dict[str, Any]:
    return {"unit_id": unit_id, "backlog": {"segments": 1, "bytes": size, "earliest_deadline": deadline}, **more}


def run(units: object, *arguments: str, text: str | None = None) -> Result:
    body = text if text is not None else json.dumps(units)
    return CliRunner().invoke(
        main, ["fleet", "capacity", "--units", "-", "--rate", "1", *arguments], input=body, env={"LANG": "en_US.UTF-8"}
    )


def test_the_units_that_fail_are_named_with_their_cause() -> None:
    told = capacity(
        [
            UnitBacklog("a", 1, 100, 10.0),
            UnitBacklog("b", 1, 100, 15.0),
            UnitBacklog("c", 1, 10, 1000.0, rate=0.001),
            UnitBacklog("d", 1, 10, None),
            UnitBacklog("e", 0, 0, 1.0),
        ],
        0.0,
        10.0,
    )
    assert told.answer == "will-not"
    assert [(late.unit_id, late.cause, late.done_at) for late in told.late] == [
        ("b", "store", 20.0),
        ("c", "unit", 10_000.0),
    ]
    assert (told.units, told.bytes, told.slack_s) == (4, 220, -5.0)
    assert told.needed_rate == pytest.approx(200 / 15)


def test_exit_codes_and_json() -> None:
    soon = system_clock().wall_us() / 1e6 + 100
    makes = run({"units": [unit("a", 50_000_000, soon), unit("b", 1_000_000, None)]}, "--json")
    assert makes.exit_code == 0, makes.output
    told = json.loads(makes.stdout)
    assert told["answer"] == "makes-it"
    assert 40 < told["slack_s"] < 51
    wont = run([unit("a", 150_000_000, soon)], "--json")
    assert wont.exit_code == 1
    assert [late["unit_id"] for late in json.loads(wont.stdout)["late"]] == ["a"]
    assert json.loads(wont.stdout)["needed_rate"] > 1e6


def test_the_text_says_it_in_both_languages() -> None:
    soon = system_clock().wall_us() / 1e6 + 100
    english = run([unit("zfy-1", 150_000_000, soon)])
    assert "It will not: 1 units" in english.output and "zfy-1" in english.output
    chinese = CliRunner().invoke(
        main,
        ["fleet", "capacity", "--units", "-", "--rate", "1"],
        input=json.dumps([unit("zfy-1", 1, soon)]),
        env={"LANG": "zh_CN.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""},
    )
    assert "赶得上" in chinese.output


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ({"units": 5}, "units"),
        ([5], "units[0]"),
        ([{"unit_id": "", "backlog": {}}], "units[0].unit_id"),
        ([{"unit_id": "a"}], "units[0].backlog"),
        ([{"unit_id": "a", "backlog": {"segments": 1, "bytes": "5"}}], "units[0].backlog.bytes"),
        ([{"unit_id": "a", "backlog": {"segments": 1, "bytes": 5}}], "units[0].backlog.earliest_deadline"),
        ([unit("a", -1, None)], "units[0].backlog.bytes"),
        ([unit("a", 1, float("nan"))], "units[0].backlog.earliest_deadline"),
        ([unit("a", 1, 1.0, rate=0)], "units[0].rate"),
        ([unit("a", 1, 1.0), unit("a", 1, 1.0)], "units[1].unit_id"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_not_guessed(value: object, key: str) -> None:
    with pytest.raises(CapacityInputError) as caught:
        read_units(value)
    assert caught.value.key == key
    told = run(value)
    assert told.exit_code == 2
    assert key in told.stderr


def test_cannot_tell_without_json_or_a_rate() -> None:
    assert run(None, text="{").exit_code == 2
    assert run(None, text="[" * 100_000).exit_code == 2
    assert run([], "--rate", "0").exit_code == 2


def test_nothing_to_send_is_in_time() -> None:
    assert run([]).exit_code == 0
