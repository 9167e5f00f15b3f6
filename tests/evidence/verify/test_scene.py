"""What a verifier tells of the scene: officers, matter, mode, marks, and a recording that was ended without a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recorder.evidence import records as r
from recorder.evidence.age import Identity
from recorder.evidence.personal import seal_field
from recorder.evidence.verify.report import SceneReport, VaultReport
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import check, codes, notes
from tests.evidence.verify.vault_builder import BuiltSegment, VaultBuilder

CHOICE = r.StopReason(by="choice", choice="执法结束")


def begun(agency: TestAgency, recipients: tuple[str, ...] = ()) -> VaultBuilder:
    b = VaultBuilder(agency, recipients=recipients)
    b.boot()
    b.shift_start()
    b.standby(3)
    return b


def recorded(b: VaultBuilder, stated: r.StopReason | None = None, reason: Any = "button", **start: Any) -> str:
    """One session with a segment in it."""
    session_id = b.session_start(**start)
    segment = b.open_segment()
    b.fill(segment, 3)
    b.close_segment(segment)
    stop(b, segment, reason=reason, stated=stated)
    return session_id


def stop(b: VaultBuilder, segment: BuiltSegment, **changes: Any) -> None:
    b.us = max(b.us, segment.end_us)
    b.session_stop(segment.end_us, **changes)


def verified(b: VaultBuilder, tmp_path: Path, identity: Identity | None = None) -> VaultReport:
    b.standby(2)
    b.shift_end()
    b.receipt()
    return check(b, tmp_path, [] if identity is None else [identity])


def scene(vault: VaultReport) -> SceneReport:
    (session,) = vault.sessions
    return session.scene


def context(b: VaultBuilder, session_id: str | None, mode: str, matter: r.Matter | None) -> None:
    detail = {"session_id": session_id, "mode": mode, "matter": None if matter is None else matter.model_dump()}
    b.append(r.Event(event="session-context", at_us=b.us, detail=detail))


def test_what_was_said_at_the_start_and_later_is_told(agency: TestAgency, identity: Identity, tmp_path: Path) -> None:
    b = begun(agency, (identity.recipient,))
    item = seal_field("食品经营检查", b.recipients)
    session_id = b.session_start(mode="全程", matter=r.Matter(kind="行政检查", stage="启动", item=item))
    segment = b.open_segment()
    b.fill(segment, 3)
    context(b, session_id, "全程", r.Matter(kind="行政检查", stage="送达执行", item=item))
    for kind in ("cert-shown", "art22-3", "key", "art22-3"):
        b.append(r.Mark(mark_id=b.new_id(), session_id=session_id, kind=kind, at_us=b.us, segment_ids=()))
    b.close_segment(segment)
    text = seal_field("当事人已离开", b.recipients)
    b.session_stop(stated=r.StopReason(by="text", text=text))
    told = scene(verified(b, tmp_path, identity))
    assert (told.mode, told.kind, told.stages) == ("全程", "行政检查", ("启动", "送达执行"))
    assert (told.sealed, told.matter) == (("item",), {"item": "食品经营检查"})
    assert told.covered == ("cert-shown", "art22-3")
    assert (told.stated_by, told.stated) == ("text", "当事人已离开")


def test_without_an_identity_the_case_stays_closed(agency: TestAgency, identity: Identity, tmp_path: Path) -> None:
    b = begun(agency, (identity.recipient,))
    recorded(b, mode="一般", matter=r.Matter(kind="行政处罚", item=seal_field("某案", b.recipients)))
    told = scene(verified(b, tmp_path))
    assert (told.kind, told.sealed, told.matter) == ("行政处罚", ("item",), {})


@pytest.mark.parametrize(
    ("mode", "reason", "stated", "found"),
    [
        ("全程", "button", None, {"stop-without-reason"}),
        ("全程", "command", None, {"stop-without-reason"}),
        ("全程", "button", CHOICE, set()),
        ("全程", "shutdown", None, set()),
        ("一般", "button", None, set()),
        (None, "button", None, set()),
    ],
)
def test_a_whole_recording_ended_without_a_reason_is_found(
    agency: TestAgency, tmp_path: Path, mode: str | None, reason: str, stated: r.StopReason | None, found: set[str]
) -> None:
    b = begun(agency)
    recorded(b, stated, reason, mode=mode)
    assert codes(verified(b, tmp_path)) == found


def test_a_mode_lowered_on_the_way_is_found_and_one_raised_is_not(agency: TestAgency, tmp_path: Path) -> None:
    b = begun(agency)
    session_id = b.session_start(mode="一般")
    segment = b.open_segment()
    b.fill(segment, 2)
    context(b, session_id, "全程", None)
    context(b, session_id, "一般", None)
    b.close_segment(segment)
    stop(b, segment)
    assert codes(verified(b, tmp_path)) == {"mode-lowered"}


@pytest.mark.parametrize(("at_start", "later", "expected"), [(0, 0, "no-officer"), (0, 1, "one-officer"), (1, 2, "")])
def test_too_few_officers_are_a_note(
    agency: TestAgency, tmp_path: Path, at_start: int, later: int, expected: str
) -> None:
    b = begun(agency)
    b.session_start(officers=at_start)
    segment = b.open_segment()
    b.fill(segment, 2)
    if later != at_start:
        b.sign_in(count=later)
    b.close_segment(segment)
    stop(b, segment)
    vault = verified(b, tmp_path)
    assert vault.valid and notes(vault) & {"no-officer", "one-officer"} == ({expected} if expected else set())
    assert (scene(vault).officers_least, scene(vault).officers_most) == (at_start, later)


def test_a_malformed_context_is_found_and_changes_nothing(agency: TestAgency, tmp_path: Path) -> None:
    b = begun(agency)
    session_id = b.session_start(mode="一般")
    segment = b.open_segment()
    b.fill(segment, 2)
    b.append(r.Event(event="session-context", at_us=b.us, detail={"session_id": session_id, "mode": "half"}))
    b.close_segment(segment)
    stop(b, segment)
    vault = verified(b, tmp_path)
    assert codes(vault) == {"journal-record-invalid"} and scene(vault).mode == "一般"
