"""Matter, stage and mode before, at and during a session; typed marks and the checklist; all of it over a restart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.desk_kit import DeskKit


@pytest.fixture
def kit(tmp_path: Path) -> DeskKit:
    made = DeskKit(tmp_path / "unit")
    made.worker_up()
    return made


def test_what_was_said_before_what_is_said_at_the_start_and_what_changes(kit: DeskKit) -> None:
    kit.ask("context", kind="行政检查", stage="启动", item="食品经营检查", entrusting_agency="某某局")
    kit.start(mode="whole", stage="调查取证")
    (start,) = kit.of("session-start")
    assert (start["mode"], start["matter"]["kind"], start["matter"]["stage"]) == ("全程", "行政检查", "调查取证")
    assert json.loads(start["matter"]["item"]["plain"])["value"] == "食品经营检查"
    answer = kit.ask("context", stage="送达执行", documents=["笔录〔2026〕1号"])
    assert answer["context"] == {
        "kind": "行政检查",
        "stage": "送达执行",
        "item": True,
        "entrusting_agency": True,
        "documents": True,
    }
    changes = [event["detail"] for event in kit.of("event") if event["event"] == "session-context"]
    assert [change["session_id"] for change in changes] == [None, start["session_id"]]
    assert changes[-1]["matter"]["item"] == start["matter"]["item"], "what is sealed stays as it was sealed"


def test_what_was_said_beforehand_is_for_one_session(kit: DeskKit) -> None:
    kit.ask("context", mode="全程", kind="行政处罚")
    session_id = kit.start()
    kit.ask("stop", reason="执法结束")
    kit.closed(session_id)
    assert (kit.unit.p.machine.mode, kit.unit.p.machine.matter) == ("一般", None)


def test_the_mode_is_not_lowered_while_it_runs(kit: DeskKit) -> None:
    kit.start()
    assert kit.ask("context", mode="全程")["ok"]
    assert kit.ask("context", mode="一般")["error"]["code"] == "mode-lowered"
    assert kit.unit.p.machine.mode == "全程"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"stage": "执行"}, "送达执行"),
        ({"kind": "检查"}, "行政征收征用"),
        ({"mode": "全部"}, "全程"),
        ({"item": ""}, "item"),
        ({"item": "x" * 201}, "item"),
        ({"documents": "one"}, "documents"),
        ({"documents": ["x"] * 17}, "documents"),
        ({}, "stage"),
    ],
)
def test_what_is_not_allowed_is_refused_naming_what_is(kit: DeskKit, given: dict[str, object], named: str) -> None:
    answer = kit.ask("context", **given)
    assert not answer["ok"] and named in answer["error"]["zh"] and named in answer["error"]["en"]
    assert kit.of("event") == [] or all(event["event"] != "session-context" for event in kit.of("event"))


def test_a_wrong_word_at_the_start_is_refused_before_anything_begins(kit: DeskKit) -> None:
    assert kit.ask("start", stage="?")["error"]["code"] == "bad-context"
    assert kit.of("session-start") == []


def test_everything_is_there_again_after_a_crash(tmp_path: Path) -> None:
    kit = DeskKit(tmp_path / "unit")
    session_id = kit.start(mode="全程", kind="行政强制")
    kit.ask("mark", kind="cert-shown")
    kit.ask("mark", kind="art22-4")
    kit.ask("context", stage="审查决定")
    kit.journal.close()
    again = DeskKit(tmp_path / "unit")
    state = again.journal.state.session
    assert state is not None and state.session_id == session_id
    assert (state.mode, state.marked) == ("全程", ("cert-shown", "art22-4"))
    assert state.matter is not None and (state.matter.kind, state.matter.stage) == ("行政强制", "审查决定")
    covered = [point["kind"] for point in again.ask("checklist")["points"] if point["covered"]]
    assert covered == ["cert-shown", "art22-4"]


def test_what_was_said_of_the_next_session_survives_a_restart(tmp_path: Path) -> None:
    kit = DeskKit(tmp_path / "unit")
    kit.ask("context", mode="全程", kind="行政许可")
    kit.journal.close()
    again = DeskKit(tmp_path / "unit")
    said = again.journal.state.next_session
    assert said is not None and said.matter is not None and (said.mode, said.matter.kind) == ("全程", "行政许可")


def test_an_unknown_mark_is_refused_naming_the_known_ones(kit: DeskKit) -> None:
    kit.start()
    answer = kit.ask("mark", kind="art22-7")
    assert answer["error"]["code"] == "bad-kind" and "art22-6" in answer["error"]["en"]


def test_a_missing_point_warns_after_the_stop_and_blocks_nothing(kit: DeskKit) -> None:
    session_id = kit.start()
    for kind in ("art22-1", "art22-2", "art22-6"):
        assert kit.ask("mark", kind=kind)["ok"]
    assert kit.ask("stop")["ok"]
    kit.closed(session_id)
    (event,) = [event for event in kit.of("event") if event["event"] == "checklist-missing"]
    assert event["detail"] == {
        "session_id": session_id,
        "missing": ["cert-shown", "art22-3", "art22-4", "art22-5"],
    }
    assert ("checklist-missing", {"point": "objects"}) in kit.said and "show-certificate" in kit.prompts()


def test_an_agency_asks_for_the_points_it_wants(tmp_path: Path) -> None:
    kit = DeskKit(tmp_path / "unit", matter={"checklist": ("art22-1",)})
    session_id = kit.start()
    kit.ask("mark", kind="art22-1")
    kit.ask("stop")
    kit.closed(session_id)
    assert all(event["event"] != "checklist-missing" for event in kit.of("event"))
