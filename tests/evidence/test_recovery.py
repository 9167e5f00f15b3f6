"""The single entry point of a start, on the real disk and in the cases the random power cuts seldom reach."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recorder.evidence.files import OsFiles
from recorder.evidence.journal_reader import iterate
from recorder.evidence.records import (
    Encryption,
    Event,
    Interruption,
    Record,
    SegmentOpen,
    SessionStart,
    ShiftEnd,
    ShiftStart,
)
from recorder.evidence.recovery import Recovered, recover
from recorder.evidence.segment_recovery import segment_path
from recorder.evidence.state import CLEAN_END_EVENT
from tests.evidence.kit import BOOT, BOOT_A, BOOT_B, ToldClock, counting_ids, signer
from tests.evidence.simulated_disk import PowerCut, SimulatedDisk
from tests.evidence.unit_model import DATA, IDENTITY, MEDIA, MiniUnit
from tests.support import require_program

IDS = counting_ids(11)
SHIFT, SESSION = IDS(), IDS()


def start(data: Path, clock: ToldClock, files: OsFiles | SimulatedDisk | None = None) -> Recovered:
    return recover(data, signer(), clock, files or OsFiles(), BOOT, checkpoint_records=100)


def session_start() -> SessionStart:
    return SessionStart(
        session_id=SESSION,
        shift_id=SHIFT,
        trigger="button",
        resumes=None,
        at_us=5,
        cameras=("cam0", "cam1"),
        officers=2,
        matter=None,
        last_receipt=None,
    )


def segment_open(segment_id: str, index: int = 0, camera_id: str = "cam0") -> SegmentOpen:
    return SegmentOpen(
        session_id=SESSION,
        segment_id=segment_id,
        segment_index=index,
        camera_id=camera_id,
        role="live",
        media_start_us=6,
        media=MEDIA,
        encryption=Encryption(format="age-v1", recipients=()),
        overlay=None,
    )


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (ShiftEnd(shift_id=SHIFT, trigger="power-off"), "clean"),
        (Event(event=CLEAN_END_EVENT, at_us=1, detail={}), "clean"),
        (Event(event="night-on", at_us=1, detail={}), "unclean"),
        (ShiftStart(shift_id=SHIFT, trigger="auto"), "unclean"),
    ],
)
def test_boot_says_how_the_last_run_ended(last: Record, expected: str, tmp_path: Path) -> None:
    clock = ToldClock()
    first = start(tmp_path, clock)
    assert first.previous_end == "first"
    assert first.before.last is None
    first.journal.append(last)
    second = start(tmp_path, clock)
    assert second.previous_end == expected
    assert second.same_boot
    clock.boot = BOOT_B
    third = start(tmp_path, clock)
    assert not third.same_boot
    boots = [line.parts.payload for line in iterate(OsFiles(), tmp_path / "journal", types=("boot",))]
    assert [boot["previous_end"] for boot in boots] == ["first", expected, "unclean"]
    assert [boot["same_boot"] for boot in boots] == [False, True, False]


def test_what_was_open_is_handed_to_the_session_machine(tmp_path: Path) -> None:
    clock = ToldClock()
    journal = start(tmp_path, clock).journal
    segment, gap = IDS(), IDS()
    journal.append(ShiftStart(shift_id=SHIFT, trigger="officer"))
    journal.append(session_start())
    journal.append(segment_open(segment, 3))
    journal.append(
        Interruption(
            gap_id=gap,
            session_id=SESSION,
            camera_id="cam1",
            cause="camera-stall",
            detail="",
            from_us=clock.now_us - 500,
            from_bootseed=BOOT_A,
            last_segment_id=None,
        )
    )
    clock.boot = BOOT_B
    found = start(tmp_path, clock)
    before = found.before
    assert before.shift is not None
    assert (before.shift.shift_id, before.shift.trigger) == (SHIFT, "officer")
    assert before.session is not None
    assert (before.session.trigger, before.session.cameras, before.session.officers) == ("button", ("cam0", "cam1"), 2)
    assert before.session.next_index == {"cam0": 4}
    assert before.session.last_segment == {}, "a file without media is none to begin a gap behind"
    assert list(before.open_segments) == [segment]
    assert before.open_gaps[gap].from_wall == pytest.approx((clock.offset_us + clock.now_us) / 1e6, abs=0.1)
    assert [record.outcome for record in found.recoveries] == ["missing"]
    assert found.journal.state.open_segments == {}
    assert found.journal.state.session is not None
    assert list(found.journal.state.open_gaps) == [gap]


def test_a_file_the_worker_made_and_never_reported_is_recorded(tmp_path: Path) -> None:
    clock, files = ToldClock(), OsFiles()
    journal = start(tmp_path, clock).journal
    journal.append(session_start())
    orphan = IDS()
    path = segment_path(tmp_path, SESSION, orphan, sealed=True)
    files.make_dir(path.parent)
    path.write_bytes(b"a header begun")
    found = start(tmp_path, clock)
    assert [(record.segment_id, record.outcome, record.camera_id) for record in found.recoveries] == [
        (orphan, "empty", None)
    ]
    assert start(tmp_path, clock).recoveries == ()


def test_a_long_session_is_known_without_listing_it_in_every_checkpoint() -> None:
    """More segments than a checkpoint lists: files the state does not know are looked up in the journal, not orphaned."""
    disk = SimulatedDisk()
    disk.dirs.add(DATA)
    clock = ToldClock()
    journal = recover(DATA, signer(), clock, disk, BOOT, checkpoint_records=1000).journal
    journal.append(session_start(), sync=False)
    for index in range(1100):
        segment_id = IDS()
        journal.append(segment_open(segment_id, index), sync=False)
        disk.put(segment_path(DATA, SESSION, segment_id, sealed=True), b"")
    journal.sync()
    assert journal.state.session is not None
    assert len(journal.state.session.segments) == 1024
    orphan = IDS()
    disk.put(segment_path(DATA, SESSION, orphan, sealed=True), b"x")
    recoveries = recover(DATA, signer(), clock, disk, BOOT, checkpoint_records=1000).recoveries
    assert len(recoveries) == 1101
    assert recoveries[-1].segment_id == orphan


def test_a_segment_that_cannot_be_recovered_stops_nothing_and_is_tried_again() -> None:
    disk = SimulatedDisk()
    disk.dirs.add(DATA)
    clock = ToldClock()
    journal = start(DATA, clock, disk).journal
    journal.append(session_start())
    one, two = IDS(), IDS()
    for index, segment_id in enumerate((one, two)):
        journal.append(segment_open(segment_id, index))
        disk.put(segment_path(DATA, SESSION, segment_id, sealed=True), b"torn")

    class BadSector(SimulatedDisk):
        def read_at(self, path: Path, offset: int, size: int) -> bytes:
            if path.name.startswith(one):
                raise OSError(5, "Input/output error", str(path))
            return super().read_at(path, offset, size)

    bad = BadSector()
    bad.nodes, bad.dirs = disk.nodes, disk.dirs
    found = start(DATA, clock, bad)
    assert [finding.code for finding in found.findings] == ["segment-not-recovered"]
    assert one in found.findings[0].zh
    assert [record.segment_id for record in found.recoveries] == [two]
    assert list(found.journal.state.open_segments) == [one]
    assert [record.segment_id for record in start(DATA, clock, disk).recoveries] == [one]


def test_signed_bytes_that_are_gone_are_a_finding() -> None:
    disk = SimulatedDisk()
    disk.dirs.add(DATA)
    unit = MiniUnit(disk, ToldClock(), sealed=False, seed=3)
    unit.start()
    disk.arm(cut_at=40)
    with pytest.raises(PowerCut):
        unit.session(segments=9, entries=3, heads_each=1)
    disk.power_off()
    (segment,) = unit.journal.state.open_segments.values()
    assert segment.signed_end > 100
    path = segment_path(DATA, segment.session_id, segment.segment_id, sealed=False)
    disk.put(path, disk.read(path)[:100])
    found = unit.start()
    assert [finding.code for finding in found.findings] == ["signed-bytes-lost"]


def test_the_recovered_file_opens_with_the_age_program(tmp_path: Path) -> None:
    """On the real disk: two whole chunks and a torn one; ``age`` gives the two and says the file is cut short."""
    from recorder.evidence.age import CHUNK, AgeEncryptor

    age = require_program("age")
    clock, files = ToldClock(), OsFiles()
    journal = start(tmp_path, clock).journal
    journal.append(session_start())
    segment_id = IDS()
    journal.append(segment_open(segment_id))
    path = segment_path(tmp_path, SESSION, segment_id, sealed=True)
    files.make_dir(path.parent)
    encryptor = AgeEncryptor([IDENTITY.recipient])
    path.write_bytes(encryptor.header + encryptor.seal(bytes(3 * CHUNK))[:-5])
    (record,) = start(tmp_path, clock).recoveries
    assert record.kept_bytes == path.stat().st_size
    identity = tmp_path / "identity.txt"
    identity.write_text(IDENTITY.text + "\n", encoding="ascii")
    result = subprocess.run([age, "-d", "-i", str(identity), str(path)], capture_output=True, check=False)
    assert result.returncode == 1
    assert result.stdout == bytes(2 * CHUNK)
