from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder.uplink.faults import UplinkFault
from recorder.uplink.journal_lines import JournalLines
from tests.uplink.unit_files import UnitFiles


@pytest.fixture
def filled(unit: UnitFiles) -> UnitFiles:
    for index in range(40):
        if index in (10, 25):
            unit.rotate()
        unit.record("event", event="x" * (index * 37 % 400))
    return unit


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_range_comes_out_as_it_was_written(filled: UnitFiles, data: st.DataObject) -> None:
    lines = JournalLines(filled.journal_dir)
    for _ in range(3):
        start = data.draw(st.integers(0, filled.seq - 1))
        limit = data.draw(st.integers(1, 20_000))
        batch = lines.batch(start, filled.seq - 1, limit)
        expected = filled.lines[start : batch.last_seq + 1]
        assert batch.body == b"".join(expected)
        assert batch.last_seq >= start
        assert len(batch.body) <= limit or len(expected) == 1


def test_batches_cover_everything_once(filled: UnitFiles) -> None:
    lines = JournalLines(filled.journal_dir)
    seq, whole = 0, b""
    while seq < filled.seq:
        batch = lines.batch(seq, filled.seq - 1, 3000)
        whole += batch.body
        seq = batch.last_seq + 1
    assert whole == b"".join(filled.lines)


def test_nothing_beyond_the_durable_head_is_read(filled: UnitFiles) -> None:
    assert JournalLines(filled.journal_dir).batch(3, 5).last_seq == 5


def test_a_line_that_is_not_there_is_named(filled: UnitFiles) -> None:
    with pytest.raises(UplinkFault, match="journal-hole"):
        JournalLines(filled.journal_dir).batch(999, 1000)


def test_a_wrong_line_at_the_place_is_named_and_found_again_later(filled: UnitFiles) -> None:
    lines = JournalLines(filled.journal_dir)
    lines.batch(0, 5)
    first = filled.journal_dir / f"{0:012d}.jws"
    data = first.read_bytes()
    first.write_bytes(data.replace(filled.lines[6], b""))
    with pytest.raises(UplinkFault, match="journal-hole"):
        lines.batch(6, 8)
    first.write_bytes(data)
    assert lines.batch(6, 8).body == b"".join(filled.lines[6:9])
