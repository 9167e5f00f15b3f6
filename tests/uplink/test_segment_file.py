from __future__ import annotations

import pytest

from recorder.uplink.faults import UplinkFault
from recorder.uplink.segment_file import check_digest, segment_file
from tests.uplink.unit_files import UnitFiles

SIZE = 100_000


def test_a_segment_is_found_sealed_or_not(unit: UnitFiles) -> None:
    sealed, plain = unit.segment(SIZE), unit.segment(SIZE)
    bare = unit.path(plain).with_suffix("")
    unit.path(plain).rename(bare)
    folder = unit.data_dir / "segments"
    assert segment_file(folder, sealed) == unit.path(sealed)
    assert segment_file(folder, plain) == bare


def test_what_is_not_as_the_journal_says_is_named(unit: UnitFiles) -> None:
    gone, short = unit.segment(SIZE), unit.segment(SIZE)
    unit.path(gone).unlink()
    unit.path(short).write_bytes(b"short")
    found = []
    for segment in (gone, short):
        with pytest.raises(UplinkFault) as told:
            segment_file(unit.data_dir / "segments", segment)
        found.append(told.value.kind.code)
    assert found == ["segment-missing", "segment-size"]


def test_a_byte_the_card_changed_is_told_from_a_byte_lost_on_the_way(unit: UnitFiles) -> None:
    segment = unit.segment(SIZE)
    check_digest(segment, unit.path(segment))
    data = bytearray(unit.path(segment).read_bytes())
    data[SIZE // 2] ^= 1
    unit.path(segment).write_bytes(data)
    with pytest.raises(UplinkFault) as told:
        check_digest(segment, unit.path(segment))
    assert told.value.kind.code == "segment-altered"
