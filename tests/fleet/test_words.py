"""Roll-outs and units as an admin reads them: in the language of the terminal, states named in it too."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from recorder.cli import language
from recorder.faults.catalogue import CATALOGUE
from recorder.fleet import rollout as ro
from recorder.fleet.config_show import print_all, print_members, print_rollout
from recorder.fleet.units_commands import print_unit, unit_row
from recorder.fleet.words import PHASES, STATES
from tests.fleet.test_rollout import begun, plan

LANGUAGES = {"zh": "zh_CN.UTF-8", "en": "en_US.UTF-8"}


@pytest.fixture(params=["zh", "en"])
def spoken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", LANGUAGES[request.param])
    assert language() == request.param
    return str(request.param)


def test_every_state_and_phase_has_a_word_in_both_languages() -> None:
    assert set(get_args(ro.MemberState)) | {"faulty", "overdue", "none"} == set(STATES)
    assert set(get_args(ro.Phase)) == set(PHASES)
    for zh, en in (*STATES.values(), *PHASES.values()):
        assert zh and en.isascii() and not any(character.isascii() and character.isalpha() for character in zh)


def mixed() -> ro.Rollout:
    """One unit in every state, in the roll-out's order of states."""
    states = get_args(ro.MemberState)
    rollout = begun(plan(len(states), 100))
    members = tuple(
        member.model_copy(update={"state": state, "sent_at": 1.0, "overdue": state == "pending"})
        for member, state in zip(rollout.members, states, strict=True)
    )
    return rollout.model_copy(update={"members": members, "phase": "aborting"})


def test_a_roll_out_is_told_in_the_language_of_the_terminal(spoken: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_rollout(mixed())
    print_members(mixed())
    out = capsys.readouterr().out
    words = [pair[("zh", "en").index(spoken)] for pair in STATES.values() if pair != STATES["none"]]
    assert [word for word in words if word not in out and word != STATES["faulty"][spoken == "en"]] == []
    superseded = mixed().members[get_args(ro.MemberState).index("superseded")].unit_id
    if spoken == "zh":
        assert (
            "正在撤回" in out and "已下发 1，" in out and f"已有更新的下发，本任务不再下发：1 台：{superseded}" in out
        )
        letters = out.replace("r1", "").replace("zfy", "")
        assert not any(character.isascii() and character.isalpha() for character in letters), "no English word"
    else:
        assert out.isascii() or set(out) - set(map(chr, range(128))) == {"–"}
        assert "aborting" in out and "sent 1, " in out
        assert f"a newer order is out, this one is not sent any more: 1: {superseded}" in out


def test_without_a_roll_out_that_is_said(spoken: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_all([], as_json=False)
    assert capsys.readouterr().out == {"zh": "还没有下发任务\n", "en": "there is no roll-out yet\n"}[spoken]
    print_all([], as_json=True)
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize("state", ["pending", "rolled-back", "of-a-later-version"])
def test_a_unit_is_told_in_the_language_of_the_terminal(
    spoken: str, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reported: dict[str, Any] = {"version": 3, "state": state, "probation": True}
    unit: dict[str, Any] = {"unit_id": "zfy-1", "online": True, "reported": reported}
    zh, en = STATES.get(state, (state, state))
    told = {"zh": f"3 {zh}（考察期）", "en": f"3 {en} (probation)"}[spoken]
    assert told in unit_row(unit)
    print_unit("zfy-1", unit, reported, None)
    out = capsys.readouterr().out
    assert {"zh": f"配置版本: 3  {zh}", "en": f"version: 3  {en}"}[spoken] in out


def test_faults_are_told_as_the_unit_itself_calls_them_with_their_codes(
    spoken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stall, clock = CATALOGUE["camera-stall"], CATALOGUE["clock-not-set"]
    told = {
        "zh": f"{stall.zh}（camera-stall）；{clock.zh}（clock-not-set）；of-a-later-version",
        "en": f"{stall.en} (camera-stall); {clock.en} (clock-not-set); of-a-later-version",
    }[spoken]
    faults = ("camera-stall", "clock-not-set", "of-a-later-version")
    unit: dict[str, Any] = {"unit_id": "zfy-1", "faults": list(faults)}
    assert told in unit_row(unit)
    print_unit("zfy-1", unit, {}, None)
    assert f": {told}\n" in capsys.readouterr().out
    rollout = mixed()
    faulty = rollout.members[0].model_copy(update={"new_faults": faults})
    print_members(rollout.model_copy(update={"members": (faulty,)}))
    assert told in capsys.readouterr().out
