"""Art. 24 afterwards: late is provably late, early provably early, and no basis changes what has happened already."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from recorder.evidence import records as r
from recorder.evidence.verify.report import StorageReport, VaultReport
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import check, codes, notes
from tests.evidence.verify.vault_builder import VaultBuilder

AGENCY = TestAgency()
HOUR = 3600.0

Reason = Literal["连续执法", "异地执法", "边远地区执法", "水上执法", "交通不便地区执法", "returned"]


def recorded(*, anchored: bool = True) -> VaultBuilder:
    """A finished session; the store has seen the journal before and after it (``anchored``), but none of its segments."""
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    if anchored:
        b.receipt(segments=False, embed=True)
    b.session(2)
    b.standby(3)
    if anchored:
        b.receipt(segments=False, embed=True)
    return b


def on_for(b: VaultBuilder, hours: float) -> None:
    """The unit is on and in standby for so long."""
    b.wait(hours * HOUR)
    b.standby_to_now()


def declare(b: VaultBuilder, basis: Reason, *sessions: str) -> None:
    b.append(r.DeadlineBasis(basis=basis, declared_by=None, sessions=sessions))


def session_of(b: VaultBuilder) -> str:
    return next(iter(b.segments.values())).session_id


def verdict(vault: VaultReport) -> StorageReport:
    (report,) = vault.storage
    return report


def finished(b: VaultBuilder, tmp_path: Path, *, stored: bool = True) -> VaultReport:
    b.standby(3)
    b.shift_end()
    b.receipt(segments=stored)
    return check(b, tmp_path)


def test_stored_in_time_and_proven(tmp_path: Path) -> None:
    b = recorded()
    on_for(b, 20)
    vault = finished(b, tmp_path)
    report = verdict(vault)
    assert (report.state, report.proven, report.stored, report.segments) == ("in-time", True, 2, 2)
    assert report.due == pytest.approx(report.completed + 24 * HOUR)
    assert codes(vault) == set()


def test_stored_late_is_proven_by_the_receipts_and_no_finding(tmp_path: Path) -> None:
    b = recorded()
    on_for(b, 25)
    vault = finished(b, tmp_path)
    assert (verdict(vault).state, verdict(vault).proven) == ("late", True)
    assert "stored-late" in notes(vault) and codes(vault) == set()


def test_without_receipts_in_between_lateness_is_only_claimed(tmp_path: Path) -> None:
    b = recorded(anchored=False)
    on_for(b, 25)
    report = verdict(finished(b, tmp_path))
    assert (report.state, report.proven) == ("late", False)


def test_a_wall_clock_that_lies_does_not_make_it_early(tmp_path: Path) -> None:
    """The unit's clock runs 12 hours ahead, so by its claim the session was complete half a day later than it was: 18 hours
    before it was stored, and not 30. The store's own receipts know better."""
    b = recorded(anchored=False)
    ahead = 12 * HOUR
    for hours in (0.0, 30.0):
        on_for(b, hours)
        stored = hours > 0
        b.wall_offset -= ahead  # the store writes with its own clock
        b.receipt(segments=stored)
        b.wall_offset += ahead
    b.shift_end()
    report = verdict(check(b, tmp_path))
    assert report.stored_at is not None and report.stored_at - report.completed < 24 * HOUR
    assert (report.state, report.proven) == ("late", True)


def test_not_stored_is_owed_and_then_overdue(tmp_path: Path) -> None:
    owed = recorded()
    on_for(owed, 20)
    assert verdict(finished(owed, tmp_path / "a", stored=False)).state == "owed"
    overdue = recorded()
    on_for(overdue, 25)
    vault = finished(overdue, tmp_path / "b", stored=False)
    assert verdict(vault).state == "overdue"
    assert "store-overdue" in notes(vault)


def test_overdue_is_proven_only_by_the_stores_clock(tmp_path: Path) -> None:
    """The same two days; by the unit's word alone, and with receipts over the journal at their beginning and end."""
    for anchored in (False, True):
        b = recorded(anchored=anchored)
        on_for(b, 48)
        b.shift_end()
        if anchored:
            b.receipt(segments=False)
        report = verdict(check(b, tmp_path / str(anchored)))
        assert (report.state, report.proven) == ("overdue", anchored)


def test_owed_is_the_units_word(tmp_path: Path) -> None:
    b = recorded()
    on_for(b, 20)
    report = verdict(finished(b, tmp_path, stored=False))
    assert (report.state, report.proven) == ("owed", False)


def test_field_mode_and_return(tmp_path: Path) -> None:
    b = recorded()
    on_for(b, 2)
    declare(b, "边远地区执法", session_of(b))
    on_for(b, 70)
    declare(b, "returned", session_of(b))
    b.standby(3)
    b.receipt(segments=False, embed=True)
    on_for(b, 20)
    vault = finished(b, tmp_path)
    report = verdict(vault)
    # Nothing but the unit's word says that it did not come back earlier: no receipt reached it on the way.
    assert (report.state, report.proven, report.basis) == ("in-time", False, "边远地区执法")
    assert report.due == pytest.approx(report.counted_from + 24 * HOUR)
    assert not codes(vault) & {"basis-after-deadline", "basis-repeated"}


def test_late_after_the_return_is_late(tmp_path: Path) -> None:
    b = recorded()
    declare(b, "水上执法", session_of(b))
    on_for(b, 30)
    declare(b, "returned", session_of(b))
    b.standby(3)
    b.receipt(segments=False, embed=True)
    on_for(b, 25)
    report = verdict(finished(b, tmp_path))
    assert (report.state, report.proven) == ("late", True)


def test_while_not_returned_nothing_is_overdue(tmp_path: Path) -> None:
    b = recorded()
    declare(b, "异地执法", session_of(b))
    on_for(b, 60)
    report = verdict(finished(b, tmp_path, stored=False))
    assert (report.state, report.due) == ("suspended", None)


def test_a_session_begun_under_a_declaration_is_covered_without_being_named(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    declare(b, "连续执法")
    b.session(1)
    on_for(b, 40)
    declare(b, "returned", session_of(b))
    report = verdict(finished(b, tmp_path))
    assert (report.state, report.basis) == ("in-time", "连续执法")


def test_what_was_stored_from_the_field_is_in_time_though_the_return_does_not_name_it(tmp_path: Path) -> None:
    """A village with a network after all: stored on the third day, still in field mode; the return has nothing to restart.
    Told by the story of the remote village."""
    b = recorded()
    declare(b, "边远地区执法", session_of(b))
    on_for(b, 60)
    b.receipt(embed=True)
    declare(b, "returned")
    report = verdict(finished(b, tmp_path))
    assert (report.state, report.proven, report.basis) == ("in-time", True, "边远地区执法")


def test_what_the_return_does_not_name_and_nobody_stored_before_it_is_late(tmp_path: Path) -> None:
    b = recorded()
    declare(b, "边远地区执法", session_of(b))
    on_for(b, 60)
    declare(b, "returned")
    assert verdict(finished(b, tmp_path)).state == "late"


def test_a_basis_declared_after_the_deadline_shows(tmp_path: Path) -> None:
    b = recorded()
    on_for(b, 25)
    declare(b, "边远地区执法", session_of(b))
    on_for(b, 1)
    vault = finished(b, tmp_path)
    assert codes(vault) == {"basis-after-deadline"}
    assert not vault.valid


def test_a_recording_that_goes_on_into_the_next_boot_was_not_declared_late(tmp_path: Path) -> None:
    """Declared while it was recorded, by a unit that had been on for more than a day."""
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    on_for(b, 25)
    session_id = b.session_start()
    before = b.segment(2)
    declare(b, "连续执法", session_id)
    seed = b.bootseed
    b.boot(off_s=2)
    b.unit_down(before.end_us, seed)
    gap = b.interruption(before, "power-loss", before.end_us, seed)
    after = b.segment(2)
    b.resumption(gap, after, 2_000_000, "wall")
    b.session_stop(after.end_us)
    assert "basis-after-deadline" not in codes(finished(b, tmp_path))


def continuous(hours: float) -> VaultBuilder:
    """A recording that goes on: a segment at its beginning and one so many hours later."""
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.receipt(segments=False, embed=True)
    b.session_start()
    b.segment(2)
    b.wait(hours * HOUR)
    b.segment(2)
    b.receipt(segments=False, embed=True)
    return b


def test_a_recording_without_an_end_is_counted_by_segment(tmp_path: Path) -> None:
    vault = check(continuous(25), tmp_path)
    report = verdict(vault)
    assert (report.state, report.stored, report.segments) == ("overdue", 0, 2)
    assert "store-overdue" in notes(vault)


def test_a_short_recording_that_goes_on_owes_nothing_yet(tmp_path: Path) -> None:
    assert check(continuous(11), tmp_path).storage == ()


def test_of_a_continuous_recording_the_worst_segment_counts(tmp_path: Path) -> None:
    """Ended and stored 20 hours after its end: but its first segment had been waiting for 33."""
    b = continuous(13)
    b.session_stop()
    on_for(b, 20)
    report = verdict(finished(b, tmp_path))
    assert (report.state, report.stored, report.segments) == ("late", 2, 2)
    assert report.counted_from < report.completed - 12 * HOUR


def test_a_second_return_shows(tmp_path: Path) -> None:
    b = recorded()
    for _ in range(2):
        declare(b, "边远地区执法", session_of(b))
        on_for(b, 10)
        declare(b, "returned", session_of(b))
    vault = finished(b, tmp_path)
    assert codes(vault) == {"basis-repeated"}
