"""The register follows the journal's lines: whatever keeps it from reading some, it reads them before any behind them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.certificates import file_signer
from hw_sim.agency.objects.folder import FolderStore
from hw_sim.agency.store.problem import Problem
from hw_sim.agency.store.register import BUSY_MS, Register, Skipped
from hw_sim.agency.store.register_problem import register_problems
from hw_sim.agency.store.tls import AgencyTrust
from hw_sim.agency.store.vault import MOST_FORKS
from recorder.evidence import jws
from recorder.evidence.records import Event, SegmentClose
from tests.hw_sim.agency.objects.ingest import Ingest
from tests.hw_sim.agency.unit_double import DoubleSegment, UnitDouble, new_key


@pytest.fixture
def ingest(tmp_path: Path, authority: Authority) -> Iterator[Ingest]:
    trust = AgencyTrust(authority.ca_file, authority.crl_file)
    (tmp_path / "root").mkdir()
    made = Ingest(tmp_path / "root", SystemClock(), file_signer(new_key()), trust.current)
    live(made)
    yield made
    made.die()


@pytest.fixture
def unit(authority: Authority, tmp_path: Path) -> UnitDouble:
    made = UnitDouble.enrolled(authority, "zfy-index", tmp_path / "unit")
    made.write_boot()
    return made


@pytest.fixture
def other(authority: Authority, tmp_path: Path) -> UnitDouble:
    made = UnitDouble.enrolled(authority, "zfy-other", tmp_path / "other")
    made.write_boot()
    return made


def live(ingest: Ingest, busy_ms: int = BUSY_MS) -> None:
    ingest.live(FolderStore(ingest.root), lambda _: None, busy_ms)


@contextmanager
def refusing(ingest: Ingest, what: str) -> Iterator[None]:
    """The database fails at each ``what`` (``INSERT ON named``)."""
    with closing(sqlite3.connect(ingest.root / "store.db")) as db:
        db.execute(f"CREATE TRIGGER refuse BEFORE {what} BEGIN SELECT RAISE(ABORT, 'database trouble'); END")
        db.commit()
        yield
        db.execute("DROP TRIGGER refuse")
        db.commit()


def stored(ingest: Ingest, unit: UnitDouble, segment: DoubleSegment) -> bool:
    return ingest.register.object(unit.unit_id, segment.segment_id) is not None


def alarms(ingest: Ingest) -> list[str]:
    path = ingest.root / "alarms.log"
    return [json.loads(line)["alarm"] for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def test_lines_the_register_could_not_read_are_read_before_those_behind_them(ingest: Ingest, unit: UnitDouble) -> None:
    segment = unit.segment(1000)
    ingest.post(unit)
    ingest.upload(unit, segment)
    unit.close(segment)
    with refusing(ingest, "INSERT ON named"), pytest.raises(sqlite3.Error, match="database trouble"):
        ingest.post(unit)
    unit.write_events(1)
    ingest.post(unit)  # the unit posts again, and its next line with it
    ingest.segments.settle_all()
    assert stored(ingest, unit, segment)
    assert ingest.register.indexed(unit.journal_id) == unit.next_seq
    assert ingest.journals.position(unit.unit_id, unit.journal_id)["next_seq"] == unit.next_seq


def test_the_register_does_not_move_past_lines_it_has_not_read(tmp_path: Path) -> None:
    register = Register(tmp_path / "store.db")
    register.journal_at("zfy-1", "j", 0, 5, "", "")
    with pytest.raises(Skipped):
        register.journal_at("zfy-1", "j", 6, 7, "", "")
    assert register.indexed("j") == 5
    register.close()


def test_a_store_that_had_moved_past_lines_reads_them_at_its_next_start(ingest: Ingest, unit: UnitDouble) -> None:
    """As an older store left it: the lines count as read, and what they name is not there."""
    segment = unit.segment(1000, sealed=False)
    unit.close(segment)
    ingest.post(unit)
    ingest.upload(unit, segment)
    waiting = unit.segment(2000, sealed=False)
    unit.close(waiting)
    unit.write_events(1)
    ingest.post(unit)
    with closing(sqlite3.connect(ingest.root / "store.db")) as db:
        db.execute("DELETE FROM named WHERE segment_id = ?", [waiting.segment_id])
        db.execute("UPDATE named SET suffix = '.mp4.age'")
        db.execute("PRAGMA user_version = 0")
        db.commit()
    ingest.upload(unit, waiting)
    assert not stored(ingest, unit, waiting)
    ingest.die()
    live(ingest)
    assert stored(ingest, unit, segment)
    assert stored(ingest, unit, waiting)
    assert alarms(ingest) == []


def test_a_busy_register_is_503_and_the_lines_are_read_afterwards(ingest: Ingest, unit: UnitDouble) -> None:
    ingest.post(unit)
    ingest.die()
    live(ingest, busy_ms=1)
    segment = unit.segment(1000)
    unit.close(segment)
    with closing(sqlite3.connect(ingest.root / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Problem) as refused:
            ingest.post(unit)
        assert (refused.value.kind.status, refused.value.headers) == (503, {"Retry-After": "2"})
        with pytest.raises(Problem) as refused:
            ingest.upload(unit, segment)
        assert refused.value.kind.status == 503
    ingest.post(unit)
    ingest.upload(unit, segment)
    assert stored(ingest, unit, segment)


def test_a_full_register_is_507_and_anything_else_stays_an_error() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("CREATE TABLE t (x)")
        db.execute("PRAGMA max_page_count = 2")
        with pytest.raises(Problem) as refused, register_problems():
            db.execute("INSERT INTO t VALUES (zeroblob(1000000))")
        assert (refused.value.kind.status, refused.value.headers) == (507, {"Retry-After": "60"})
        with pytest.raises(sqlite3.OperationalError), register_problems():
            db.execute("SELECT * FROM nothing")


def post_after_gap(ingest: Ingest, unit: UnitDouble, lost: int) -> None:
    have = unit.next_seq - lost - 1
    ingest.journals.post(unit.unit_id, unit.journal_id, have + lost, unit.lines[-1] + b"\n", have)


def test_a_gap_is_said_once_when_the_lines_behind_it_are_stored_and_not_before(
    ingest: Ingest, unit: UnitDouble
) -> None:
    ingest.post(unit)
    unit.write_events(4)
    folder = ingest.root / unit.unit_id / unit.journal_id / "journal"
    taken = folder / f"{unit.next_seq - 1:012d}.jws"
    taken.mkdir()  # the log cannot be written
    with pytest.raises(OSError, match="directory"):
        post_after_gap(ingest, unit, 3)
    assert ingest.register.gaps(unit.journal_id) == []
    assert alarms(ingest) == []
    taken.rmdir()
    with refusing(ingest, "UPDATE ON journal"), pytest.raises(sqlite3.Error, match="database trouble"):
        post_after_gap(ingest, unit, 3)  # stored, and then not read
    assert ingest.register.gaps(unit.journal_id) == []
    post_after_gap(ingest, unit, 3)
    assert ingest.register.gaps(unit.journal_id) == [(1, 3)]
    said = alarms(ingest)
    assert set(said) == {"journal-gap"}
    with closing(sqlite3.connect(ingest.root / "store.db")) as db:
        db.execute("DELETE FROM gap")
        db.execute("UPDATE journal SET next_seq = 0")
        db.commit()
    ingest.die()
    live(ingest)
    assert ingest.register.gaps(unit.journal_id) == [(1, 3)], "the files' names tell it"


def test_a_signed_number_no_database_holds_is_refused(ingest: Ingest, unit: UnitDouble) -> None:
    segment = unit.segment(1000)
    unit.close(segment, size=2**63 - 1)
    close = jws.split(unit.lines.pop().decode()).payload
    record = SegmentClose(**{name: close[name] for name in SegmentClose.model_fields})
    for size in (2**63, 2**70):
        unit.write(record, size=size)
        with pytest.raises(Problem) as refused:
            ingest.post(unit)
        assert (refused.value.kind.status, refused.value.members["seq"]) == (422, 2)
        unit.lines.pop()
    unit.write(record)
    ingest.post(unit)


def test_one_journal_that_fails_in_an_unforeseen_way_holds_up_no_other(
    ingest: Ingest, unit: UnitDouble, other: UnitDouble
) -> None:
    ingest.post(unit)
    ingest.post(other)
    with closing(sqlite3.connect(ingest.root / "store.db")) as db:
        db.execute("UPDATE journal SET next_seq = 'nonsense' WHERE journal_id = ?", [unit.journal_id])
        db.commit()
    ingest.die()
    live(ingest)
    assert alarms(ingest) == ["journal-unopened"]
    other.write_events(1)
    ingest.post(other)


def test_one_segment_that_fails_in_an_unforeseen_way_holds_up_no_other(
    ingest: Ingest, unit: UnitDouble, other: UnitDouble
) -> None:
    failures = 3

    def step(name: str) -> None:
        nonlocal failures
        if name == "before put" and failures:
            failures -= 1
            raise RuntimeError("nobody thought of this")

    ingest.die()
    ingest.live(FolderStore(ingest.root), step)
    segments = []
    for each in (unit, other):
        segments.append(each.segment(1000))
        each.close(segments[-1])
        ingest.upload(each, segments[-1])
        with pytest.raises(RuntimeError, match="nobody"):
            ingest.post(each)
    ingest.segments.settle_all()
    assert [stored(ingest, unit, segments[0]), stored(ingest, other, segments[1])].count(True) == 1
    assert alarms(ingest) == ["segment-unsettled"]
    ingest.segments.settle_all()
    assert stored(ingest, unit, segments[0])
    assert stored(ingest, other, segments[1])


@pytest.mark.parametrize("seq", [10**12, 10**13, 10**11])
def test_a_number_no_journal_reaches_and_a_gap_no_unit_has_are_refused(
    ingest: Ingest, unit: UnitDouble, seq: int
) -> None:
    ingest.post(unit)
    line = unit.line(Event(event="far", at_us=1, detail={}), seq=seq)
    with pytest.raises(Problem) as refused:
        ingest.journals.post(unit.unit_id, unit.journal_id, seq, line + b"\n", 1)
    assert refused.value.kind.status == 400
    ingest.die()
    live(ingest)
    unit.write_events(1)
    ingest.post(unit)
    assert alarms(ingest) == []


def test_late_lines_behind_a_declared_gap_are_no_second_history(ingest: Ingest, unit: UnitDouble) -> None:
    ingest.post(unit)
    unit.write_events(4)
    post_after_gap(ingest, unit, 3)
    with pytest.raises(Problem) as refused:
        ingest.post(unit)
    assert refused.value.kind.type == "urn:zfy:journal-late"
    assert refused.value.members == {"seq": 1, "next_seq": 5}
    assert alarms(ingest) == ["journal-gap", "journal-late"]
    (kept,) = (ingest.root / unit.unit_id / unit.journal_id / "forks").iterdir()
    assert kept.read_bytes() == unit.body(0)
    forged = unit.lines[2][:-8] + b"AAAAAAAA"
    with pytest.raises(Problem) as refused:
        ingest.journals.post(unit.unit_id, unit.journal_id, 2, forged + b"\n")
    assert refused.value.kind.status == 422


def test_contradictions_are_kept_up_to_a_number_and_that_is_said_once(ingest: Ingest, unit: UnitDouble) -> None:
    ingest.post(unit)
    for number in range(MOST_FORKS + 3):
        line = unit.line(Event(event="other", at_us=number, detail={}), seq=0, prev=None)
        for _ in range(2):
            with pytest.raises(Problem) as refused:
                ingest.journals.post(unit.unit_id, unit.journal_id, 0, line + b"\n")
            assert refused.value.kind.type == "urn:zfy:journal-fork"
    assert len(list((ingest.root / unit.unit_id / unit.journal_id / "forks").iterdir())) == MOST_FORKS
    assert alarms(ingest) == ["journal-fork"] * MOST_FORKS + ["journal-forks-full"]
