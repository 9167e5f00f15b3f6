"""The index: derived, disposable, never in the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence.encoding import b64u, compact_json
from recorder.unit.index import Index

JOURNAL = "00000000-0000-4000-8000-0000000000aa"
DIGEST = "A" * 43

Line = tuple[str, dict[str, Any]]
_COMMON = {"bootseed": "00000000-0000-4000-8000-0000000000bb", "uptime_us": 5}


def uid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def opened(number: int, session: int = 1) -> Line:
    return "segment-open", {
        "segment_id": uid(number),
        "session_id": uid(session),
        "camera_id": "cam0",
        "role": "live",
        "encryption": {"format": "age-v1"},
        "media_start_us": number,
    }


def closed(number: int, session: int = 1, size: int = 100) -> Line:
    return "segment-close", {
        "segment_id": uid(number),
        "session_id": uid(session),
        "camera_id": "cam0",
        "size": size,
        "sha256": DIGEST,
        "media_end_us": number + 1,
        "frames": 1800,
        "dropped_frames": 1,
    }


def recovered(number: int, outcome: str = "kept", session: int = 1) -> Line:
    return "recovery", {
        "segment_id": uid(number),
        "session_id": uid(session),
        "outcome": outcome,
        "kept_bytes": 50,
        "sha256": DIGEST,
    }


def receipted(receipt: int, number: int, size: int = 100, sha256: str = DIGEST) -> Line:
    payload = {"segments": [{"segment_id": uid(number), "sha256": sha256, "size": size}]}
    line = ".".join(
        [
            b64u(compact_json({"alg": "ES256", "kid": "k", "typ": "receipt"})),
            b64u(compact_json(payload)),
            b64u(bytes(64)),
        ]
    )
    return "receipt", {"receipt_id": uid(receipt), "receipt_digest": "R" * 43, "jws": line}


def numbered(lines: list[Line], first: int = 0) -> list[Line]:
    return [
        (typ, {**_COMMON, **payload, "seq": first + i, "journal_id": JOURNAL, "iat": 1000.0 + first + i})
        for i, (typ, payload) in enumerate(lines)
    ]


def dump(index: Index) -> Any:
    return sorted(map(repr, index.held())), index.pending(), index.unexplained_gaps(), index.released()


@pytest.fixture
def index(tmp_path: Path) -> Any:
    made = Index(tmp_path / "index.db")
    yield made
    made.close()


def test_sums_count_each_record_once_and_outlive_the_process(tmp_path: Path) -> None:
    lines = numbered(
        [
            closed(1),
            closed(2),
            ("fault", {"code": "camera-stall", "phase": "onset"}),
            ("fault", {"code": "camera-stall", "phase": "end"}),
            ("fault", {"code": "storage-full", "phase": "onset"}),
            ("interruption", {"gap_id": uid(5), "session_id": uid(1), "cause": "camera-stall"}),
            ("resumption", {"gap_id": uid(5), "duration_us": 1_250_000}),
        ]
    )
    wanted = {
        "segments": {"cam0": 2},
        "frames": {"cam0": 3600},
        "dropped-frames": {"cam0": 2},
        "faults": {"camera-stall": 1, "storage-full": 1},
        "gaps": {"camera-stall": 1},
        "gap-us": {"": 1_250_000},
    }
    first = Index(tmp_path / "index.db")
    first.apply(lines)
    assert first.totals() == wanted
    first.close()
    again = Index(tmp_path / "index.db")
    again.apply(lines)
    assert again.totals() == wanted, "the same lines read again count for nothing"
    again.behind = True
    assert again.totals() is None, "half a sum would look like one that began anew"
    again.clear()
    again.behind = False
    assert again.totals() == {}
    again.close()


def test_a_segment_from_open_to_release(index: Index) -> None:
    index.apply(numbered([opened(1)]))
    assert index.held() == [] and index.segments_of(uid(1)) == {uid(1)}
    index.apply(numbered([closed(1)], 1))
    (held,) = index.held()
    assert (held.segment_id, held.size, held.sha256, held.receipt_digest) == (uid(1), 100, DIGEST, None)
    assert held.closed_wall_us == 1_001_000_000
    assert index.pending() == (1, 100)
    index.apply(numbered([receipted(9, 1)], 2))
    assert index.held()[0].receipt_digest == "R" * 43
    assert index.pending() == (0, 0) and index.has_receipt(uid(9))
    index.apply(numbered([("release", {"segment_id": uid(1)})], 3))
    assert index.held() == [] and index.released() == [(1, uid(1), uid(1))]
    index.removed(uid(1))
    assert index.released() == []
    assert index.last_seq(JOURNAL) == 3


@pytest.mark.parametrize(("size", "sha256"), [(99, DIGEST), (100, "B" * 43)])
def test_a_receipt_for_other_bytes_covers_nothing(index: Index, size: int, sha256: str) -> None:
    index.apply(numbered([opened(1), closed(1), receipted(9, 1, size, sha256)]))
    assert index.held()[0].receipt_digest is None


def test_recovered_segments_are_held_and_empty_ones_are_not(index: Index) -> None:
    index.apply(numbered([opened(1), recovered(1), opened(2), recovered(2, "empty"), recovered(3)]))
    assert {held.segment_id for held in index.held()} == {uid(1), uid(3)}
    assert index.segments_of(uid(1)) == {uid(1), uid(2), uid(3)}


def interruption(number: int) -> Line:
    return "interruption", {"gap_id": uid(number), "session_id": uid(1), "cause": "camera-stall"}


def test_gaps_until_they_are_explained(index: Index) -> None:
    index.apply(numbered([interruption(5)]))
    assert index.unexplained_gaps() == 1, "it goes on"
    index.apply(numbered([("resumption", {"gap_id": uid(5), "duration_us": 7})], 1))
    index.apply(numbered([("explanation", {"gap_id": uid(5), "counts": False})], 2))
    assert index.unexplained_gaps() == 1, "detected only, or no more than a class"
    index.apply(numbered([("explanation", {"gap_id": uid(5), "counts": True})], 3))
    assert (index.unexplained_gaps(), index.statements_owed()) == (0, 0)


def test_a_gap_in_which_a_recording_ended_owes_a_statement_until_it_is_signed(index: Index) -> None:
    stop = ("session-stop", {"session_id": uid(1), "reason": "button", "at_us": 1, "uptime_us": 1, "bootseed": uid(9)})
    index.apply(numbered([interruption(5), stop]))
    assert (index.unexplained_gaps(), index.statements_owed()) == (0, 1)
    index.apply(numbered([("statement", {"gap_id": uid(5)})], 2))
    assert (index.unexplained_gaps(), index.statements_owed()) == (0, 0)


def test_a_declared_gap_owes_a_statement_at_once_unless_it_resumes_after_all(index: Index) -> None:
    declared = ("event", {"event": "cannot-resume", "at_us": 1, "detail": {"gap_id": uid(5), "reason": "declared"}})
    index.apply(numbered([interruption(5), declared]))
    assert (index.unexplained_gaps(), index.statements_owed()) == (0, 1)
    index.apply(numbered([("resumption", {"gap_id": uid(5), "duration_us": 7})], 2))
    assert (index.unexplained_gaps(), index.statements_owed()) == (1, 0)


def test_a_statement_settles_a_gap_that_resumed_too(index: Index) -> None:
    index.apply(numbered([interruption(5), ("resumption", {"gap_id": uid(5), "duration_us": 7})]))
    index.apply(numbered([("statement", {"gap_id": uid(5)})], 2))
    assert index.unexplained_gaps() == 0


def test_a_session_of_which_only_the_seconds_before_the_press_are_left_owes_them(index: Index) -> None:
    """The live segment was empty or never came; what was kept of the pre-roll has to be stored all the same."""
    began = ("session-start", {"session_id": uid(1), "at_us": 3})
    typ, early = opened(1)
    stopped = ("session-stop", {"session_id": uid(1)})
    index.apply(
        numbered([began, (typ, early | {"role": "preroll"}), closed(1), opened(2), recovered(2, "empty"), stopped])
    )
    (owed,) = index.owed()
    assert (owed.segments, owed.oldest_media.at_us) == (1, 2)
    assert owed.completed_media is not None and owed.completed_media.at_us == 2


def test_another_journal_is_not_caught_up_with(index: Index) -> None:
    index.apply(numbered([opened(1)]))
    assert index.last_seq(uid(77)) == -1
    index.clear()
    assert index.last_seq(JOURNAL) == -1 and index.segments_of(uid(1)) == set()


LINES = st.lists(
    st.one_of(
        st.integers(1, 5).map(opened),
        st.integers(1, 5).map(closed),
        st.integers(1, 5).map(recovered),
        st.integers(1, 5).map(lambda n: receipted(n, n)),
        st.integers(1, 5).map(lambda n: ("release", {"segment_id": uid(n), "session_id": uid(1)})),
        st.integers(1, 5).map(lambda n: ("interruption", {"gap_id": uid(n), "session_id": uid(1), "cause": "unknown"})),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(lines=LINES, cut=st.integers(0, 25), again=st.integers(0, 5))
def test_catching_up_gives_what_reading_everything_gives(lines: list[Line], cut: int, again: int) -> None:
    """Cut anywhere, with some records applied a second time: as after a crash between journal and index."""
    whole, parts = Index(Path(":memory:")), Index(Path(":memory:"))
    try:
        done = numbered(lines)
        whole.apply(done)
        parts.apply(done[:cut])
        parts.apply(done[max(0, cut - again) : cut])
        parts.apply(done[cut:])
        assert dump(parts) == dump(whole)
        assert parts.last_seq(JOURNAL) == whole.last_seq(JOURNAL) == len(lines) - 1
    finally:
        whole.close()
        parts.close()


def test_a_damaged_file_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(b"this is no database" * 1000)
    index = Index(path)
    assert not index.in_memory and index.last_seq(JOURNAL) == -1
    index.apply(numbered([opened(1)]))
    index.close()


def test_a_file_damaged_in_its_middle_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    index = Index(path)
    index.apply(numbered([line for n in range(300) for line in (opened(n), closed(n))]))
    index.close()
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    path.write_bytes(data)
    again = Index(path)
    assert again.last_seq(JOURNAL) == -1 and not again.in_memory
    again.close()


def test_where_no_file_can_be_it_works_in_memory(tmp_path: Path) -> None:
    index = Index(tmp_path / "missing" / "index.db")
    assert index.in_memory
    index.apply(numbered([opened(1), closed(1)]))
    assert len(index.held()) == 1
    index.close()


def test_a_disk_that_fills_up_moves_it_into_memory_and_the_file_catches_up_later(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    index = Index(path)
    index.apply(numbered([opened(1), closed(1)]))
    index._db.execute("PRAGMA max_page_count = 1")
    many = [line for n in range(2, 400) for line in (opened(n), closed(n))]
    index.apply(numbered(many, 2))
    assert index.in_memory
    assert len(index.held()) == 399 and index.last_seq(JOURNAL) == len(many) + 1
    index.removed(uid(1))
    index.close()
    later = Index(path)
    assert later.last_seq(JOURNAL) == 1 and len(later.held()) == 1
    later.apply(numbered(many, 2))
    assert len(later.held()) == 399
    later.close()


def test_an_error_in_memory_is_not_hidden(tmp_path: Path) -> None:
    index = Index(tmp_path / "missing" / "index.db")
    index.apply(numbered([opened(1), closed(1)]))
    index._db.close()
    index.removed(uid(1))
    assert index.behind and index.losses == 1, "it says that it lacks records instead of answering from an empty table"
    assert index.last_seq(JOURNAL) == -1
    index.close()


def test_retention_is_offered_the_oldest_receipted_segments_only(index: Index) -> None:
    lines = [line for n in range(1, 9) for line in (opened(n), closed(n))]
    index.apply(numbered([*lines, *(receipted(20 + n, n) for n in range(2, 9))]))
    assert [held.segment_id for held in index.receipted(3)] == [uid(2), uid(3), uid(4)]
