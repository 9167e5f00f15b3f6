from __future__ import annotations

from typing import Any

import pytest

from recorder.uplink.facts import (
    READ_TYPES,
    DeadlineMoved,
    Granted,
    Marked,
    ReceiptRecorded,
    ReceiptWanted,
    Released,
    Segment,
    SessionStopped,
    fact_of,
)

BASE: dict[str, Any] = {"journal_id": "j", "seq": 7, "iat": 5.0}
CLOSE = {**BASE, "session_id": "a-1", "segment_id": "b-2", "sha256": "d", "size": 9}
RECOVERY = {
    **BASE,
    "subject": "segment",
    "outcome": "kept",
    "session_id": "a-1",
    "segment_id": "b-2",
    "sha256": "d",
    "kept_bytes": 9,
}
ORDER = {"sessions": ["a-1"], "segments": ["b-2"], "until": 8, "metered": True}
COMMAND = {**BASE, "command_id": "c", "result": "accepted", "name": "grant", "order": ORDER}
SEGMENT = Segment("j", 7, "a-1", "b-2", "d", 9, 5.0)


@pytest.mark.parametrize(
    ("typ", "record", "fact"),
    [
        ("segment-close", CLOSE, SEGMENT),
        ("recovery", RECOVERY, SEGMENT),
        ("recovery", {**RECOVERY, "outcome": "empty"}, None),
        ("recovery", {**RECOVERY, "outcome": "missing"}, None),
        ("recovery", {**RECOVERY, "subject": "journal"}, None),
        ("command", COMMAND, Granted("c", ("a-1",), ("b-2",), 8.0, True)),
        ("command", {**COMMAND, "name": "refetch-receipt"}, ReceiptWanted(("a-1",), ("b-2",))),
        ("command", {**COMMAND, "result": "done", "order": None}, None),
        ("command", {**COMMAND, "result": "refused"}, None),
        ("command", {**COMMAND, "name": "mark"}, None),
        ("command", {**BASE, "command_id": "c", "result": "accepted", "name": "assign"}, None),
        ("session-stop", {**BASE, "session_id": "a"}, SessionStopped("a", 5.0)),
        ("mark", {**BASE, "session_id": "a", "segment_ids": ["x"]}, Marked("a", ("x",))),
        ("deadline-basis", {**BASE, "basis": "异地执法", "sessions": ["a"]}, DeadlineMoved(("a",), None)),
        ("deadline-basis", {**BASE, "basis": "returned", "sessions": []}, DeadlineMoved((), 5.0)),
        ("release", {**BASE, "segment_id": "x"}, Released("x")),
        ("receipt", {**BASE, "receipt_id": "r", "jws": "a.b.c"}, ReceiptRecorded("r", "a.b.c")),
        ("head", {**BASE}, None),
    ],
)
def test_facts(typ: str, record: dict[str, Any], fact: object) -> None:
    assert fact_of(typ, record) == fact


@pytest.mark.parametrize("member", ["segment_id", "session_id", "sha256", "size", "iat", "seq", "journal_id"])
@pytest.mark.parametrize("value", [None, [], {}, True])
def test_a_wrong_member_is_named(member: str, value: object) -> None:
    with pytest.raises(ValueError, match=member):
        fact_of("segment-close", {**CLOSE, member: value})


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "", "a/b", "..", "A"])
def test_an_id_that_could_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="segment_id"):
        fact_of("segment-close", {**CLOSE, "segment_id": name})


def test_types_read_are_types_of_the_journal() -> None:
    from recorder.evidence.records import RECORD_TYPES

    assert set(RECORD_TYPES) >= READ_TYPES
