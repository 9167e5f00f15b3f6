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
from hw_sim.agency.store.register import Register, Skipped
from hw_sim.agency.store.tls import AgencyTrust
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


def live(ingest: Ingest) -> None:
    ingest.live(FolderStore(ingest.root), lambda _: None)


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
