"""The index follows the journal in slices; in the end it is the same as if it had been there all the time."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from recorder.unit.catch_up import BATCH, CatchUp
from recorder.unit.index import Index
from tests.unit.test_index import dump
from tests.unit.unit_kit import SEGMENT, UnitKit


def recorded(data_dir: Path, segments: int) -> tuple[UnitKit, str]:
    """A unit that recorded so many segments and closed none."""
    kit = UnitKit(data_dir)
    kit.worker_up()
    session_id = SEGMENT.format(9)
    for number in range(segments):
        more(kit, session_id, number)
    return kit, session_id


def more(kit: UnitKit, session_id: str, number: int) -> None:
    kit.say(replace(kit.opened(1, session_id), segment_id=f"00000000-0000-4000-8000-{number:012x}"))
    kit.turn()


def follower(kit: UnitKit, name: str = "again.db") -> tuple[Index, CatchUp]:
    index = Index(kit.data_dir / name)
    index.behind = True
    return index, CatchUp(index, kit.files, kit.journal, kit.clock)


def test_an_index_that_is_not_behind_costs_nothing(tmp_path: Path) -> None:
    kit, _ = recorded(tmp_path / "unit", 1)
    index, catch_up = follower(kit)
    index.behind = False
    assert catch_up.step(0)
    assert index.last_seq(kit.journal.journal_id) == -1


def test_work_is_cut_into_slices_and_what_is_written_meanwhile_is_not_missed(tmp_path: Path) -> None:
    kit, session_id = recorded(tmp_path / "unit", 2 * BATCH + 5)
    index, catch_up = follower(kit)
    kit.unit.p.ledger._index = index
    slices = 0
    while not catch_up.step(-1):
        slices += 1
        more(kit, session_id, 1000 + slices) if slices < 5 else None
        assert slices < 20
    assert slices >= 2
    more(kit, session_id, 2000)
    assert len(index.segments_of(session_id)) == 2 * BATCH + 5 + min(slices, 4) + 1
    index.close()


def test_an_index_lost_in_the_middle_begins_again(tmp_path: Path) -> None:
    kit, session_id = recorded(tmp_path / "unit", 2 * BATCH)
    index, catch_up = follower(kit)
    assert not catch_up.step(-1)
    index._db.execute("DROP TABLE segments")
    assert index.pending() == (0, 0) and index.losses == 1
    while not catch_up.step(-1):
        assert index.losses == 1
    assert len(index.segments_of(session_id)) == 2 * BATCH
    index.close()


def test_an_index_of_another_state_of_the_disk_is_made_anew(tmp_path: Path) -> None:
    kit, session_id = recorded(tmp_path / "unit", 3)
    index, catch_up = follower(kit)
    index.reached(kit.journal.journal_id, 10**6)
    assert catch_up.step(1_000_000)
    assert len(index.segments_of(session_id)) == 3
    assert index.last_seq(kit.journal.journal_id) == kit.journal.state.next_seq - 1
    index.close()


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(0, 40))
def test_however_much_it_missed_it_ends_the_same(cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kit, session_id = recorded(Path(folder) / "unit", cut // 2)
        index, catch_up = follower(kit)
        assert catch_up.step(1_000_000)
        index.behind = True
        for number in range(cut // 2, 20):
            more(kit, session_id, number)
        assert catch_up.step(1_000_000)
        assert dump(index) == dump(kit.index)
        assert index.segments_of(session_id) == kit.index.segments_of(session_id)
        index.close()
