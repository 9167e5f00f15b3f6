"""What becomes of an update is in the journal before the installer goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recorder.unit.control import ControlCommands
from recorder.unit.duties.update_desk import UpdateDesk
from tests.unit.desk_kit import DeskKit

NOTE = {
    "event": "update-started",
    "version_from": "0.1.0",
    "version_to": "0.2.0~rc1+deb13",
    "sha256": "0" * 64,
    "code": "",
    "reason": "",
}


@pytest.fixture
def kit(tmp_path: Path) -> DeskKit:
    return DeskKit(tmp_path / "unit")


def test_it_is_journalled(kit: DeskKit) -> None:
    assert kit.ask("update-note", **NOTE) == {"ok": True}
    (event,) = [e for e in kit.of("event") if e["event"] == "update-started"]
    assert event["detail"] == {name: value for name, value in NOTE.items() if name != "event"}


@pytest.mark.parametrize(
    "change",
    [{"event": "unit-stop"}, {"event": None}, {"sha256": "0"}, {"version_to": "a b"}, {"code": 1}, {"reason": "\n"}],
)
def test_nothing_else_is(kit: DeskKit, change: dict[str, Any]) -> None:
    assert kit.ask("update-note", **NOTE | change)["error"]["code"] == "bad-update-note"
    assert not [e for e in kit.of("event") if e["event"].startswith("update-")]


def test_the_process_that_faces_the_network_may_not_say_it(kit: DeskKit) -> None:
    answers: list[dict[str, Any]] = []
    commands = ControlCommands(kit.unit, [UpdateDesk(kit.unit)], own_uid=1)
    commands.request({"cmd": "update-note", **NOTE}, answers.append, peer_uid=643)
    kit.turn()
    assert answers[0]["error"]["code"] == "not-permitted"
