from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder.uplink.facts import JournalGrew, JournalReset, Segment, SessionStopped
from recorder.uplink.faults import UplinkFault
from recorder.uplink.journal_tail import JournalTail, TailEvent
from tests.uplink.unit_files import UnitFiles


def poll(tail: JournalTail) -> list[TailEvent]:
    events: list[TailEvent] = []
    while True:
        more, caught_up = tail.poll()
        events += more
        if caught_up:
            return events


def codes(events: list[TailEvent]) -> list[str]:
    return [event.kind.code for event in events if isinstance(event, UplinkFault)]


def test_no_journal_is_nothing_new(tmp_path: Path) -> None:
    assert poll(JournalTail(tmp_path / "journal")) == []


def test_segments_and_growth_come_once(unit: UnitFiles) -> None:
    first = unit.segment(100)
    recovered = unit.segment(200, close="recovery")
    tail = JournalTail(unit.journal_dir)
    assert poll(tail) == [first, recovered, JournalGrew(unit.journal_id, unit.seq - 1)]
    assert poll(tail) == []
    seq = unit.record("session-stop", session_id="a")
    assert poll(tail) == [SessionStopped("a", unit.wall - 1), JournalGrew(unit.journal_id, seq)]


def test_growth_says_whether_there_was_anything_but_standby(unit: UnitFiles) -> None:
    tail = JournalTail(unit.journal_dir)
    unit.record("standby")
    assert poll(tail) == [JournalGrew(unit.journal_id, unit.seq - 1)], "a first look is never idle"
    for types, idle in ((("standby", "checkpoint"), True), (("standby", "fault"), False), (("standby",), True)):
        for typ in types:
            unit.record(typ)
        assert poll(tail) == [JournalGrew(unit.journal_id, unit.seq - 1, idle)]


def test_rotation_is_followed(unit: UnitFiles) -> None:
    tail = JournalTail(unit.journal_dir)
    poll(tail)
    first = unit.segment(10)
    unit.rotate()
    second = unit.segment(10)
    unit.rotate()
    assert poll(tail) == [first, second, JournalGrew(unit.journal_id, unit.seq - 1)]


def test_a_torn_line_waits_until_it_is_whole(unit: UnitFiles) -> None:
    tail = JournalTail(unit.journal_dir)
    poll(tail)
    line = unit.line("session-stop", session_id="a")
    for cut in (1, 40, len(line) - 1):
        with unit.file.open("ab") as file:
            file.write(line[:cut])
        assert poll(tail) == []
        os.truncate(unit.file, unit.file.stat().st_size - cut)
    unit.record("session-stop", session_id="b")
    events = poll(tail)
    assert [type(event) for event in events] == [SessionStopped, JournalGrew]


def test_a_garbage_last_line_waits_for_recovery(unit: UnitFiles) -> None:
    """What a power cut may leave: a whole line of rubbish. The unit cuts it and writes on in its place."""
    tail = JournalTail(unit.journal_dir)
    poll(tail)
    size = unit.file.stat().st_size
    with unit.file.open("ab") as file:
        file.write(b"\x00" * 300 + b"\n")
    assert codes(poll(tail)) == ["journal-unreadable"]
    assert poll(tail) == [], "reported once, not each second"
    os.truncate(unit.file, size)
    segment = unit.segment(10)
    assert poll(tail) == [segment, JournalGrew(unit.journal_id, unit.seq - 1)]


def test_a_garbage_line_in_the_middle_loses_only_itself(unit: UnitFiles) -> None:
    with unit.file.open("ab") as file:
        file.write(b"rubbish\n")
    unit.seq += 1
    segment = unit.segment(10)
    events = poll(JournalTail(unit.journal_dir))
    assert codes(events) == ["journal-unreadable"]
    assert segment in events


def test_a_journal_cut_behind_us_starts_over(unit: UnitFiles) -> None:
    size = unit.file.stat().st_size
    kept, gone = unit.seq, unit.segment(10)
    tail = JournalTail(unit.journal_dir)
    assert gone in poll(tail)
    os.truncate(unit.file, size)
    unit.seq = kept
    segment = unit.segment(20)
    events = poll(tail)
    assert isinstance(events[0], JournalReset)
    assert events[1:] == [segment, JournalGrew(unit.journal_id, unit.seq - 1)]


def test_a_replaced_journal_starts_over(unit: UnitFiles, tmp_path: Path) -> None:
    unit.segment(10)
    tail = JournalTail(unit.journal_dir)
    poll(tail)
    other = UnitFiles(tmp_path / "other", seed=2)
    other.record("boot")
    other.segment(10)
    other.segment(10)
    other.segment(10)
    other.file.replace(unit.file)
    events = poll(tail)
    assert isinstance(events[0], JournalReset)
    assert events[-1] == JournalGrew(other.journal_id, other.seq - 1)


def test_a_file_given_up_after_a_write_error_is_left_where_the_next_begins(unit: UnitFiles) -> None:
    """The unit could not sync a line, gave the file up and wrote the same seq again in a new file: that one counts."""
    doubtful = unit.segment(10)
    unit.seq = doubtful.seq
    unit.rotate()
    segment = unit.segment(20)
    events = poll(JournalTail(unit.journal_dir))
    assert events == [segment, JournalGrew(unit.journal_id, unit.seq - 1)]


def test_missing_numbers_are_reported_and_uploads_go_on(unit: UnitFiles) -> None:
    unit.seq += 5
    unit.rotate()
    segment = unit.segment(10)
    events = poll(JournalTail(unit.journal_dir))
    assert codes(events) == ["journal-hole"]
    assert segment in events


@given(cuts=st.lists(st.integers(1, 3000), max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_the_bytes_arrive_the_facts_are_the_same(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    unit = UnitFiles(tmp_path_factory.mktemp("tail") / "data")
    unit.record("boot")
    expected = [unit.segment(10) for _ in range(4)]
    whole = b"".join(unit.lines)
    unit.file.write_bytes(b"")
    tail = JournalTail(unit.journal_dir)
    found: list[Segment] = []
    position = 0
    for cut in [*cuts, len(whole)]:
        with unit.file.open("ab") as file:
            file.write(whole[position : position + cut])
        position += cut
        events = poll(tail)
        assert codes(events) == []
        found += [event for event in events if isinstance(event, Segment)]
    assert found == expected


def test_memory_stays_flat_over_a_long_journal(unit: UnitFiles) -> None:
    line = unit.line("head", segment_id="a", first=0, entries=[[0, 0, "x" * 43, "y" * 43, 0]] * 20)
    with unit.file.open("ab") as file:
        for _ in range(10_000):
            file.write(line)
    tail = JournalTail(unit.journal_dir)
    tracemalloc.start()
    poll(tail)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert unit.file.stat().st_size > 20_000_000
    assert peak < 2_000_000, f"{peak} bytes"


def test_steps_are_bounded(unit: UnitFiles) -> None:
    for _ in range(2000):
        unit.file.open("ab").close()
    line = unit.line("head", segment_id="a", first=0, entries=[])
    with unit.file.open("ab") as file:
        file.write(line * 5000)
    events, caught_up = JournalTail(unit.journal_dir).poll(max_bytes=100_000)
    assert not caught_up
    assert not any(isinstance(event, JournalGrew) for event in events), "half a journal must not look like all of it"


def test_nothing_is_read_beyond_what_the_unit_knows_to_be_durable(unit: UnitFiles) -> None:
    """Seed 969 of the deterministic shifts: lines whose sync had failed were posted, a kill had them written differently,
    and the store saw a fork for ever."""
    marks = [unit.seq - 1]
    tail = JournalTail(unit.journal_dir, lambda: marks[0])
    poll(tail)
    first = unit.segment(10)
    between = unit.seq - 1
    second = unit.segment(20)
    assert poll(tail) == []
    marks[0] = between
    assert poll(tail) == [first, JournalGrew(unit.journal_id, between)]
    assert poll(tail) == [], "held again at the same line, reported nowhere"
    marks[0] = unit.seq - 1
    assert poll(tail) == [second, JournalGrew(unit.journal_id, unit.seq - 1)]


def test_a_held_line_is_not_passed_over_for_the_next_file(unit: UnitFiles) -> None:
    marks = [unit.seq - 1]
    tail = JournalTail(unit.journal_dir, lambda: marks[0])
    poll(tail)
    first = unit.segment(10)
    unit.rotate()
    second = unit.segment(20)
    assert poll(tail) == []
    marks[0] = unit.seq - 1
    assert poll(tail) == [first, second, JournalGrew(unit.journal_id, unit.seq - 1)]
