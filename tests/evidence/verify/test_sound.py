"""No false alarm: whatever a sound unit goes through, the verifier finds nothing but what really happened to it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence.age import Identity
from recorder.evidence.verify import load_trust, verify_vaults
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import check, codes, notes, verify_folder
from tests.evidence.verify.vault_builder import FRAGMENT_US, VaultBuilder, sound_vault

Step = Literal[
    "standby", "session", "preroll", "receipt", "heads", "rotate", "restart", "power-loss", "stall", "crash", "repeat"
]
STEPS: tuple[Step, ...] = (
    "standby", "session", "preroll", "receipt", "heads", "rotate", "restart", "power-loss", "stall", "crash", "repeat",
)  # fmt: skip
GAPS = ("stall", "crash")
AGENCY = TestAgency()


def down(b: VaultBuilder, *, same_boot: bool) -> None:
    """The unit process dies in standby and comes back."""
    covered, seed = b.covered_us, b.bootseed
    b.wait(3)
    b.boot(same_boot=same_boot, off_s=40)
    b.unit_down(covered, seed)


def stall(b: VaultBuilder) -> None:
    """A camera stalls; its worker is killed, its segment recovered, the session resumes in the same boot."""
    b.session_start()
    torn = b.open_segment()
    b.fill(torn, 4, close=False, signed=4)
    end = torn.end_us
    b.wait(2.0)
    b.recover(torn, signed=4, unsigned=1)
    gap = b.interruption(torn, "camera-stall", end, b.bootseed)
    b.wait(0.7)
    after = b.open_segment()
    b.resumption(gap, after, after.start_us - end, "boottime")
    b.fill(after, 3)
    b.close_segment(after)
    b.session_stop(after.end_us)


def crash(b: VaultBuilder) -> None:
    """Power goes in the middle of a recording; the next boot recovers the segment and records on."""
    b.session_start()
    whole = b.segment(3)
    torn = b.open_segment(start_us=whole.end_us)
    b.fill(torn, 5, close=False)
    end, seed = torn.end_us, b.bootseed
    b.boot(off_s=25)
    b.recover(torn, signed=6)
    gap = b.interruption(torn, "power-loss", end, seed)
    b.wait(0.5)
    after = b.open_segment()
    b.resumption(gap, after, 30_000_000, "wall")
    b.fill(after, 2)
    b.close_segment(after)
    b.session_stop(after.end_us)


def take(b: VaultBuilder, step: Step) -> None:
    match step:
        case "standby":
            b.standby(12)
        case "session":
            b.session(2, 3)
        case "preroll":
            b.standby(5)
            b.session(1, 4, preroll=True)
        case "receipt":
            b.receipt(embed=True)
        case "heads":
            b.receipt(segments=False)
        case "rotate":
            b.rotate()
        case "restart":
            down(b, same_boot=True)
        case "power-loss":
            down(b, same_boot=False)
        case "stall":
            stall(b)
        case "crash":
            crash(b)
        case "repeat":
            # After a storage error the new file repeats the lines whose durability is unknown.
            repeated = b.files[-1][-min(3, len(b.files[-1])) :]
            first = b.seq - len(repeated)
            if first > b.first_seqs[-1]:
                b.rotate()
                b.files[-1] = [*repeated, *b.files[-1]]
                b.first_seqs[-1] = first


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=12), sealed=st.booleans())
def test_no_shape_of_a_sound_shift_raises_a_false_alarm(steps: list[Step], sealed: bool) -> None:
    recipient = ("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",)
    b = VaultBuilder(AGENCY, recipients=recipient if sealed and len(steps) < 5 else ())
    b.boot()
    b.shift_start()
    for step in steps:
        take(b, step)
    b.standby(4)
    b.shift_end()
    b.receipt()
    with tempfile.TemporaryDirectory() as name:
        vault = check(b, Path(name))
    gaps = sum(step in GAPS for step in steps)
    assert codes(vault) == ({"gap-unexplained", "segment-recovered"} if gaps else set())
    assert len(vault.gaps) == gaps
    assert vault.totals_us.get("unaccounted", 0) == 0
    assert vault.valid == (gaps == 0)
    for shift in vault.shifts:
        for line in shift.lines:
            assert sum(s.end_us - s.start_us for s in line.stretches) == shift.length_us


def test_an_ordinary_uploaded_shift_is_valid(tmp_path: Path) -> None:
    vault = check(sound_vault(AGENCY), tmp_path)
    assert vault.valid
    assert vault.sentence("zh").startswith("有效：")
    assert vault.sentence("en").startswith("Valid: ")
    assert notes(vault) == set()


def test_with_an_identity_everything_inside_is_checked_too(tmp_path: Path, identity: Identity) -> None:
    vault = check(sound_vault(AGENCY, (identity.recipient,)), tmp_path, [identity])
    assert vault.valid
    assert all(segment.opened for segment in vault.segments)
    assert [(officer.name, officer.cert_no) for officer in vault.officers] == [("张三", "130100001")]


def test_first_recording_before_any_receipt_is_bounded_by_the_certificate(tmp_path: Path) -> None:
    """A new unit's first shift, recorded offline and uploaded afterwards, can be valid."""
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.session(1)
    b.shift_end()
    b.receipt()
    vault = check(b, tmp_path)
    assert vault.valid
    assert vault.sessions[0].time.lower == pytest.approx(AGENCY_CERTIFICATE_BEGINS)


AGENCY_CERTIFICATE_BEGINS = 1_795_000_000.0 - 86_400.0


def test_certificate_from_long_ago_bounds_too_loosely(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY, signer=AGENCY.issue("zfy-000001", not_before=AGENCY_CERTIFICATE_BEGINS - 30 * 86_400))
    b.boot()
    b.shift_start()
    b.session(1)
    b.shift_end()
    b.receipt()
    vault = check(b, tmp_path)
    assert codes(vault) == {"time-claimed"}
    assert vault.axes["time"] == "claimed"


def test_unit_that_started_before_it_was_enrolled(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY)
    b.boot(x5c=())
    b.wait(5)
    b.boot(same_boot=True)
    b.shift_start()
    b.session(1)
    b.shift_end()
    b.receipt()
    assert check(b, tmp_path).valid


def test_released_segments_are_held_by_the_store(tmp_path: Path) -> None:
    b = sound_vault(AGENCY)
    segment = next(iter(b.segments.values()))
    b.release(segment)
    b.receipt(segments=False)
    folder = b.write(tmp_path / "unit")
    (folder / segment.name).unlink()
    vault = verify_folder(AGENCY, folder).vaults[0]
    assert vault.valid
    assert {s.segment_id: s.file for s in vault.segments}[segment.segment_id] == "released"


def test_in_the_store_a_released_segment_has_to_be_there(tmp_path: Path) -> None:
    b = sound_vault(AGENCY)
    segment = next(iter(b.segments.values()))
    b.release(segment)
    b.receipt(segments=False)
    store = tmp_path / "store"
    folder = b.write(store / b.unit_id / b.journal_id)
    report = verify_folder(AGENCY, store)
    assert report.valid
    assert (report.vaults[0].kind, report.vaults[0].folder) == ("store", f"{b.unit_id}/{b.journal_id}")
    (folder / segment.name).unlink()
    assert codes(verify_folder(AGENCY, store).vaults[0]) == {"segment-missing"}


def test_released_without_a_receipt_is_missing(tmp_path: Path) -> None:
    b = sound_vault(AGENCY)
    segment = next(iter(b.segments.values()))
    b.release(segment)
    folder = b.write(tmp_path / "unit")
    (folder / segment.name).unlink()
    vault = verify_folder(AGENCY, folder, store=False).vaults[0]
    assert "segment-missing" in codes(vault)


def test_two_cameras_have_a_line_each(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.standby(3)
    b.session_start(("cam0", "cam1"))
    begin = b.us
    front = b.segment(4, "cam0", start_us=begin)
    b.segment(4, "cam1", start_us=begin)
    b.session_stop(front.end_us)
    b.standby(2)
    b.session_start(("cam0",))
    last = b.segment(2, "cam0")
    b.session_stop(last.end_us)
    b.shift_end()
    b.receipt()
    vault = check(b, tmp_path)
    assert vault.valid
    lines = {line.camera_id: line.totals_us for line in vault.shifts[0].lines}
    assert lines["cam0"]["recorded"] == 6 * FRAGMENT_US
    assert lines["cam1"]["recorded"] == 4 * FRAGMENT_US
    assert lines["cam1"]["idle"] > 0, "the second session does not list it"


def test_missing_trust_makes_verdicts_poorer_and_never_crashes(tmp_path: Path) -> None:
    folder = sound_vault(AGENCY).write(tmp_path / "unit")
    vault = verify_vaults(folder, load_trust(AGENCY.trust(tmp_path / "none", ca=False, store=False))).vaults[0]
    assert vault.axes == {
        "integrity": "intact",
        "completeness": "complete",
        "anchor": "unanchored",
        "key": "untrusted",
        "time": "claimed",
    }
    assert "agency-ca.pem" in " ".join(finding.en for finding in vault.findings)
    assert "store-key.pem" in " ".join(finding.en for finding in vault.findings)
