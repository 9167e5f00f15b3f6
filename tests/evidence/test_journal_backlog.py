from __future__ import annotations

from pathlib import Path

import pytest

from recorder.evidence.journal_backlog import STEP_RECORDS, JournalDamage, verify_backlog
from recorder.evidence.journal_reader import journal_files
from recorder.evidence.records import Event
from recorder.evidence.recovery import recover
from tests.evidence.kit import BOOT, ToldClock, signer
from tests.evidence.simulated_disk import SimulatedDisk

DATA = Path("/data")
JOURNAL = DATA / "journal"
KEYS = [signer().public_key()]


def journal(records: int) -> tuple[SimulatedDisk, int]:
    disk = SimulatedDisk()
    disk.dirs.add(DATA)
    made = recover(DATA, signer(), ToldClock(), disk, BOOT, checkpoint_records=50).journal
    for number in range(records):
        made.append(Event(event="night-on", at_us=number, detail={}), sync=False)
        if number % 70 == 69:
            made.rotate()
    made.close()
    return disk, made.state.next_seq


def test_a_sound_journal_is_verified_in_steps() -> None:
    disk, length = journal(2 * STEP_RECORDS)
    seen: list[str] = []
    steps = list(verify_backlog(disk, JOURNAL, KEYS, length, lambda typ, payload: seen.append(typ)))
    assert len(steps) == length // STEP_RECORDS + 1
    assert steps[-1].records == length == len(seen)
    assert steps[-1].bytes_read == steps[-1].bytes_total
    assert [step.bytes_read for step in steps] == sorted(step.bytes_read for step in steps)


def test_it_stops_where_it_was_told_and_looks_no_further() -> None:
    disk, length = journal(200)
    files = journal_files(disk, JOURNAL)
    disk.nodes[files[-1].path].content[:] = b"not yet whole"
    until = files[-1].first_seq
    assert list(verify_backlog(disk, JOURNAL, KEYS, until))[-1].records == until
    assert until < length


def test_an_empty_backlog() -> None:
    assert [step.records for step in verify_backlog(SimulatedDisk(), JOURNAL, KEYS, 0)] == [0]


@pytest.mark.parametrize(
    ("place", "code"),
    [("flip", "journal-damaged"), ("drop-line", "journal-chain-broken"), ("drop-file", "journal-lines-missing")],
)
def test_damage_is_named_with_file_and_place(place: str, code: str) -> None:
    disk, length = journal(300)
    files = journal_files(disk, JOURNAL)
    victim = disk.nodes[files[2].path]
    lines = bytes(victim.content).splitlines(keepends=True)
    if place == "flip":
        victim.content[len(lines[0]) + 30] ^= 1
    elif place == "drop-line":
        victim.content[:] = b"".join([lines[0], *lines[2:]])
    else:
        del disk.nodes[files[2].path]
    with pytest.raises(JournalDamage) as caught:
        list(verify_backlog(disk, JOURNAL, KEYS, length))
    finding = caught.value.finding
    assert finding.code == code
    assert files[1 if place == "drop-file" else 2].path.name in finding.zh
    assert finding.en


def test_a_cut_end_is_missing_lines() -> None:
    disk, length = journal(100)
    last = journal_files(disk, JOURNAL)[-1].path
    lines = bytes(disk.nodes[last].content).splitlines(keepends=True)
    disk.nodes[last].content[:] = b"".join(lines[:-1])
    with pytest.raises(JournalDamage, match=f"止于 {length - 1}"):
        list(verify_backlog(disk, JOURNAL, KEYS, length))
