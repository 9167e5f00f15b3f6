"""What the start did not verify is verified in the background, and damage there becomes a signed fact."""

from __future__ import annotations

import queue
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from recorder.evidence.files import OsFiles
from recorder.evidence.journal_loader import Finding
from recorder.evidence.journal_reader import journal_files
from recorder.evidence.records import Event
from recorder.evidence.recovery import recover
from recorder.unit.events import JournalAltered, UnitEvent
from recorder.unit.journal_check import JournalCheck, backlog_end
from tests.evidence.kit import BOOT, ToldClock, signer
from tests.unit.unit_kit import UnitKit


def journal(data_dir: Path, records: int, every: int = 20) -> None:
    made = recover(data_dir, signer(), ToldClock(), OsFiles(), BOOT, checkpoint_records=every).journal
    for number in range(records):
        made.append(Event(event="night-on", at_us=number, detail={}), sync=False)
    made.close()


def check(data_dir: Path) -> tuple[int, UnitEvent | None]:
    """Start as a unit does; (how far back is verified in the background, what it reported)."""
    files = OsFiles()
    recovered = recover(data_dir, signer(), ToldClock(), files, BOOT, checkpoint_records=20)
    recovered.journal.close()
    assert recovered.findings == ()
    until = backlog_end(recovered.before)
    events: queue.Queue[UnitEvent] = queue.Queue()
    made = JournalCheck(files, data_dir / "journal", [signer().public_key()], until, events, SystemClock(), 0.0)
    made.start()
    if until:
        made._thread.join(30)
        assert not made._thread.is_alive()
    made.close()
    return until, None if events.empty() else events.get_nowait()


def test_a_sound_journal_is_no_news(tmp_path: Path) -> None:
    journal(tmp_path, 100)
    until, event = check(tmp_path)
    assert until > 80
    assert event is None


def test_without_a_checkpoint_the_start_verified_everything(tmp_path: Path) -> None:
    journal(tmp_path, 5)
    assert check(tmp_path) == (0, None)


def test_a_bit_flipped_long_ago_is_reported(tmp_path: Path) -> None:
    journal(tmp_path, 100)
    path = journal_files(OsFiles(), tmp_path / "journal")[0].path
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)
    until, event = check(tmp_path)
    assert until > 80
    assert isinstance(event, JournalAltered)
    assert event.finding.code == "journal-damaged" and path.name in event.finding.zh


def test_the_line_before_the_checkpoint_cannot_be_exchanged(tmp_path: Path) -> None:
    """The checkpoint's own ``prev`` is looked at too: else its predecessor could be left out."""
    journal(tmp_path, 100)
    path = journal_files(OsFiles(), tmp_path / "journal")[0].path
    lines = path.read_bytes().splitlines(keepends=True)
    until = backlog_end(recover(tmp_path, signer(), ToldClock(), OsFiles(), BOOT, checkpoint_records=20).before)
    path.write_bytes(b"".join([*lines[: until - 2], *lines[until - 1 :]]))
    _, event = check(tmp_path)
    assert isinstance(event, JournalAltered)


def test_a_unit_that_ends_does_not_wait_for_it(tmp_path: Path) -> None:
    events: queue.Queue[UnitEvent] = queue.Queue()
    made = JournalCheck(OsFiles(), tmp_path, [signer().public_key()], 10**6, events, SystemClock(), 3600.0)
    made.start()
    made.close()
    assert not made._thread.is_alive() and events.empty()


def test_a_journal_that_cannot_be_read_is_reported_too(tmp_path: Path) -> None:
    journal(tmp_path, 100)

    class Refusing(OsFiles):
        def read_at(self, path: Path, offset: int, size: int) -> bytes:
            raise OSError(5, "Input/output error")

    events: queue.Queue[UnitEvent] = queue.Queue()
    made = JournalCheck(Refusing(), tmp_path / "journal", [signer().public_key()], 80, events, SystemClock(), 0.0)
    made.start()
    event = events.get(timeout=20)
    made.close()
    assert isinstance(event, JournalAltered) and event.finding.code == "journal-unreadable"


@pytest.mark.parametrize(
    ("finding", "code"), [("journal-chain-broken", "journal-altered"), ("signed-bytes-lost", "signed-bytes-lost")]
)
def test_what_was_found_is_a_signed_fault_with_its_evidence(tmp_path: Path, finding: str, code: str) -> None:
    kit = UnitKit(tmp_path / "unit")
    kit.events.put(JournalAltered(Finding(finding, "日志", "the journal", "000000000000.jws:12")))
    kit.turn()
    kit.turn()
    (fault,) = [p for typ, p in kit.records() if typ == "fault" and p["code"] == code]
    assert fault["phase"] == "onset" and fault["component"] == "000000000000.jws:12"
    assert fault["evidence"] == {"finding": finding, "zh": "日志", "en": "the journal"}
