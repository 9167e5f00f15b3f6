"""What is said without anybody deciding it: recording began and ended, a mark, the night."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from recorder.evidence.records import Event, Mark, Record, SessionStart, SessionStop, ShiftEnd, Statement
from recorder.unit.duties.announcements import Announcements
from recorder.unit.duty import UnitServices
from tests.unit.test_process import ask, record
from tests.unit.unit_kit import WITHOUT_WATCH, UnitKit

ID = "00000000-0000-4000-8000-000000000001"


class Heard:
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, prompt_id: str, **values: object) -> None:
        assert not values
        self.said.append(prompt_id)


def said_of(*records: Record) -> list[str]:
    heard = Heard()
    duty = Announcements(cast(UnitServices, heard))
    for each in records:
        duty.observe(each)
    return heard.said


def start(trigger: Any) -> SessionStart:
    return SessionStart(
        session_id=ID,
        shift_id=None,
        trigger=trigger,
        resumes=None,
        at_us=1,
        cameras=("cam0",),
        officers=0,
        matter=None,
        last_receipt=None,
    )


def stop(reason: Any) -> SessionStop:
    return SessionStop(session_id=ID, reason=reason, at_us=1, segment_count=1)


SIGNED = Statement(
    statement_id=ID,
    gap_id=ID,
    legal_cause="设备故障",
    document_sha256="A" * 43,
    document_size=1,
    document_type="application/pdf",
    stored_sha256="A" * 43,
    stored_size=1,
    sealed=False,
    signers=(),
    bound_by=None,
)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (start("button"), ["started"]),
        (start("resume"), []),
        (stop("command"), ["stopped"]),
        (stop("abandoned"), []),
        (Mark(mark_id=ID, session_id=ID, kind="key", at_us=1, segment_ids=()), ["marked"]),
        (Mark(mark_id=ID, session_id=ID, kind="explanation", at_us=1, segment_ids=()), []),
        (ShiftEnd(shift_id=ID, trigger="officer"), ["shift-ended"]),
        (SIGNED, ["statement-signed"]),
        (Event(event="night-on", at_us=1, detail={}), ["night-on"]),
        (Event(event="night-off", at_us=1, detail={}), ["night-off"]),
        (Event(event="prompt", at_us=1, detail={}), []),
    ],
)
def test_what_is_said_of_a_record(record: Record, said: list[str]) -> None:
    assert said_of(record) == said


def test_a_unit_without_loudspeaker_records_what_it_would_have_said(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path / "unit", duties=(WITHOUT_WATCH[0], Announcements, *WITHOUT_WATCH[1:]))
    record(kit)
    ask(kit, cmd="mark")
    for _ in range(3):
        kit.turn(100_000)
    prompts = [payload["detail"] for typ, payload in kit.records() if typ == "event" and payload["event"] == "prompt"]
    assert [(detail["id"], detail["outcome"]) for detail in prompts] == [
        ("shift-started", "silenced"),
        ("sign-in", "silenced"),
        ("started", "silenced"),
        ("no-officer", "silenced"),
        ("marked", "silenced"),
    ]
