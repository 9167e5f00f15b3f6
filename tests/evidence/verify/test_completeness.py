"""Gaps, explanations and open ends: what the completeness axis says, and when the anchor axis speaks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.evidence import records as r
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import check, codes, notes, subjects
from tests.evidence.verify.vault_builder import BuiltSegment, VaultBuilder

AGENCY = TestAgency()


def recording() -> VaultBuilder:
    """Switched on, the shift begun, the record button pressed."""
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.session_start()
    return b


def interrupted(*, resume: bool) -> tuple[VaultBuilder, str, BuiltSegment]:
    """A recording with one gap, resumed or not; the session is over, the shift not yet."""
    b = recording()
    before = b.segment(5)
    gap = b.interruption(before, "camera-unplugged", before.end_us, b.bootseed)
    b.wait(4)
    if resume:
        after = b.open_segment()
        b.resumption(gap, after, after.start_us - before.end_us, "boottime")
        b.fill(after, 3)
        b.close_segment(after)
        b.session_stop(after.end_us)
    else:
        b.session_stop()
    return b, gap, before


def finish(b: VaultBuilder) -> VaultBuilder:
    b.standby(3)
    b.shift_end()
    b.receipt()
    return b


def test_a_resumed_gap_without_explanation_stays_unexplained(tmp_path: Path) -> None:
    b, gap, _ = interrupted(resume=True)
    vault = check(finish(b), tmp_path)
    assert codes(vault) == {"gap-unexplained"}
    assert vault.findings[0].subject == f"gap {gap}"
    assert vault.axes["completeness"] == "unexplained"
    assert vault.totals_us["gap"] == vault.gaps[0].length_us
    assert vault.totals_us.get("unaccounted", 0) == 0


def test_a_gap_that_never_resumed_owes_a_statement_by_two_different_officers(tmp_path: Path) -> None:
    officers = [AGENCY.person("张三", "130100001"), AGENCY.person("李四", "130100002")]
    for number, value in enumerate(["statement-owed", "statement-owed", "gap"]):
        b, gap, _ = interrupted(resume=False)
        if number:
            b.statement(gap, officers[:number])
        vault = check(finish(b), tmp_path / str(number))
        assert vault.axes["completeness"] == value


def test_a_statement_settles_a_gap_that_resumed_without_a_word(tmp_path: Path) -> None:
    b, gap, _ = interrupted(resume=True)
    b.statement(gap, [AGENCY.person("张三", "130100001"), AGENCY.person("李四", "130100002")])
    vault = check(finish(b), tmp_path)
    assert codes(vault) == {"gap-explained"} and "in writing" in vault.findings[0].en


def open_gap(*, declared: bool) -> VaultBuilder:
    """A recording that is in a gap when the copy is made."""
    b = recording()
    before = b.segment(5)
    gap = b.interruption(before, "camera-unplugged", before.end_us, b.bootseed)
    if declared:
        b.append(r.Event(event="cannot-resume", at_us=b.us, detail={"gap_id": gap, "reason": "declared"}))
    b.wait(4)
    b.receipt()
    return b


def test_a_gap_that_goes_on_is_unexplained_until_it_is_declared_that_recording_cannot_go_on(tmp_path: Path) -> None:
    assert "gap-unexplained" in codes(check(open_gap(declared=False), tmp_path / "a"))
    assert "statement-owed" in codes(check(open_gap(declared=True), tmp_path / "b"))


def test_media_lacking_between_segments_without_a_record(tmp_path: Path) -> None:
    b = recording()
    first = b.segment(5)
    second = b.segment(5, start_us=first.end_us + 60_000)
    b.session_stop(second.end_us)
    vault = check(finish(b), tmp_path)
    assert codes(vault) == {"gap-unrecorded"}
    assert first.segment_id in vault.findings[0].en
    assert vault.axes["completeness"] == "unexplained"


def header_only(b: VaultBuilder, start_us: int) -> BuiltSegment:
    """What a disk leaves that takes a file's header and refuses its media."""
    segment = b.open_segment(start_us=start_us)
    b.fill(segment, 0, close=False)
    b.recover(segment, signed=1)
    return segment


def test_a_header_behind_the_stop_makes_no_hole_of_the_standby(tmp_path: Path) -> None:
    """The disk refuses, the officer stops within the gap, and the next worker opens one more file before it is told."""
    b = recording()
    before = b.segment(5)
    gap = b.interruption(before, "storage-fault", before.end_us, b.bootseed)
    b.wait(4)
    stopped_us = b.us
    b.wait(2)
    header_only(b, b.us)
    b.session_stop(stopped_us)
    vault = check(finish(b), tmp_path)
    assert codes(vault) == {"statement-owed", "segment-recovered"}
    assert subjects(vault, "statement-owed") == [f"gap {gap}"]


def test_a_header_before_the_first_media_makes_no_hole_of_the_standby(tmp_path: Path) -> None:
    """Until the first media come a recording is signed as standby, and that may reach behind the first file's start."""
    b = recording()
    start_us = b.us
    b.standby(0.6)
    header_only(b, start_us)
    gap = b.interruption(None, "storage-fault", b.covered_us, b.bootseed)
    begin_us = b.covered_us
    b.wait(4)
    after = b.open_segment()
    b.resumption(gap, after, after.start_us - begin_us, "boottime")
    b.fill(after, 3)
    b.close_segment(after)
    b.session_stop(after.end_us)
    vault = check(finish(b), tmp_path)
    assert codes(vault) == {"gap-unexplained", "segment-recovered"}


def test_media_that_came_when_its_session_was_over_makes_no_hole_of_the_standby(tmp_path: Path) -> None:
    """A worker that does not hear the stop: what it records is kept, and the gap before the stop stands."""
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    session_id = b.session_start()
    before = b.segment(5)
    gap = b.interruption(before, "camera-stall", before.end_us, b.bootseed)
    b.wait(4)
    b.session_stop()
    b.standby(2)
    b.session_id = session_id
    for _ in range(2):
        b.segment(5)
        b.wait(1)
    b.session_id = None
    vault = check(finish(b), tmp_path)
    assert codes(vault) == {"statement-owed"}
    assert subjects(vault, "statement-owed") == [f"gap {gap}"]


@pytest.mark.parametrize("late_us", [0, 100_000])
def test_first_media_that_end_within_the_standby_before_them(tmp_path: Path, late_us: int) -> None:
    """The unit signs standby until it hears of the first media; a worker that dies at once ends before that, and the gap
    begins where standby ends, not later."""
    b = recording()
    start_us = b.us
    b.standby(0.6)
    first = b.open_segment(start_us=start_us)
    b.fill(first, 1, close=False)
    b.recover(first, signed=2)
    begin_us = b.covered_us + 1_000 + late_us
    gap = b.interruption(first, "storage-fault", begin_us, b.bootseed)
    b.wait(4)
    after = b.open_segment()
    b.resumption(gap, after, after.start_us - begin_us, "boottime")
    b.fill(after, 3)
    b.close_segment(after)
    b.session_stop(after.end_us)
    vault = check(finish(b), tmp_path)
    assert subjects(vault, "gap-unrecorded") == ([f"segment {after.segment_id}"] if late_us else [])
    assert subjects(vault, "gap-unexplained") == [f"gap {gap}"]


def test_a_header_between_media_hides_no_hole(tmp_path: Path) -> None:
    """As a piece of its own it would lie within a frame of either side."""
    b = recording()
    first = b.segment(5)
    header_only(b, first.end_us + 30_000)
    second = b.segment(5, start_us=first.end_us + 60_000)
    b.session_stop(second.end_us)
    vault = check(finish(b), tmp_path)
    assert codes(vault) == {"gap-unrecorded", "segment-recovered"}
    assert subjects(vault, "gap-unrecorded") == [f"segment {second.segment_id}"]


def test_time_nobody_signed_for_is_named(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.standby(10)
    b.wait(5)
    b.covered_us = b.us
    b.standby(10)
    vault = check(finish(b), tmp_path)
    assert codes(vault) == {"time-unaccounted"}
    assert "5.00 s" in vault.findings[0].en
    assert vault.totals_us["unaccounted"] >= 5_000_000


def test_a_reboot_without_unit_down_is_unaccounted(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.standby(10)
    b.boot(off_s=90)
    b.covered_us = b.us
    b.standby(10)
    vault = check(finish(b), tmp_path)
    assert "time-unaccounted" in codes(vault)
    assert 89 < vault.totals_us["unaccounted"] / 1e6 < 92


def test_unit_down_accounts_for_it_as_off(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.standby(10)
    covered, seed = b.covered_us, b.bootseed
    b.boot(off_s=90)
    b.unit_down(covered, seed)
    b.standby(10)
    vault = check(finish(b), tmp_path)
    assert vault.valid
    assert notes(vault) == {"unit-down"}
    assert 89 < vault.totals_us["off"] / 1e6 < 92


def test_an_open_shift_is_not_valid_because_its_end_may_have_been_cut(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.session(2)
    b.standby(5)
    b.wait(3)
    b.receipt()
    vault = check(b, tmp_path)
    assert codes(vault) == {"shift-open"}
    assert vault.axes["anchor"] == "unanchored"
    assert all(segment.axes["anchor"] == "anchored" for segment in vault.segments)
    assert vault.totals_us.get("unaccounted", 0) == 0


def test_a_live_copy_in_the_middle_of_a_segment(tmp_path: Path) -> None:
    b = recording()
    whole = b.segment(4)
    running = b.open_segment(start_us=whole.end_us)
    b.fill(running, 4, close=False, signed=4)
    b.receipt()
    vault = check(b, tmp_path)
    assert codes(vault) == {"segment-open", "shift-open"}
    assert {s.segment_id: s.axes["integrity"] for s in vault.segments} == {
        whole.segment_id: "intact",
        running.segment_id: "incomplete",
    }
    (finding,) = [f for f in vault.findings if f.code == "segment-open"]
    assert f"{len(running.stored[4])} unsigned bytes follow" in finding.en


def test_recording_behind_the_last_receipt_is_unanchored(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.session(1)
    b.receipt()
    b.session(1)
    b.standby(2)
    b.shift_end()
    vault = check(b, tmp_path)
    assert codes(vault) == {"anchor-behind", "time-claimed"}
    assert [segment.axes["anchor"] for segment in vault.segments] == ["anchored", "unanchored"]


def test_bookkeeping_behind_the_last_receipt_is_a_note(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.session(1)
    b.receipt(embed=True)
    b.standby(5)
    b.shift_end()
    vault = check(b, tmp_path)
    assert vault.valid
    assert notes(vault) == {"tail-bookkeeping"}


def test_a_receipt_only_in_the_journal_anchors_too(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.session(1)
    b.standby(5)
    b.shift_end()
    b.receipt(keep=False, embed=True)
    vault = check(b, tmp_path)
    assert vault.valid
    assert len(vault.receipts) == 1
