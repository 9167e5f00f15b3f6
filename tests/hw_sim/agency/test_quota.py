"""What one unit may ask for: the token bucket, the counts of the register, the gate."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_sim.agency.store.bucket import Bucket, draw
from hw_sim.agency.store.problem import Problem
from hw_sim.agency.store.quota import Gate, UnitLimits
from hw_sim.agency.store.register import Register
from hw_sim.agency.store.segments import Claim, Limits
from hw_sim.agency.store.usage import UsageBook
from recorder.evidence.encoding import sha256_b64u
from tests.hw_sim.agency.test_segments import JOURNAL, SESSION, UNIT, Desks, push


def claim_of(number: int, data: bytes) -> Claim:
    return Claim(JOURNAL, SESSION, f"{number:08d}-0000-4000-8000-000000000000", sha256_b64u(data), len(data))


def refused(desks: Desks, unit_id: str, claim: Claim) -> Problem:
    with pytest.raises(Problem) as caught:
        desks.segments.create(unit_id, claim, None)
    return caught.value


@given(per_minute=st.integers(1, 1000), steps=st.lists(st.floats(-5, 100), max_size=60))
def test_no_minute_has_more_than_its_tokens_twice(per_minute: int, steps: list[float]) -> None:
    """A full bucket plus what flows in: at most twice the rate in any minute, whatever the clock does."""
    now, bucket, taken = 0.0, None, []
    for step in steps:
        now += step
        bucket, wait = draw(bucket, now, per_minute)
        assert wait >= 0.0
        if not wait:
            taken.append(now)
        assert 0.0 <= bucket.tokens <= per_minute
    rises = sum(max(0.0, step) for step in steps)
    assert len(taken) <= per_minute + rises * per_minute / 60.0 + 1e-6


def test_the_wait_is_until_the_next_token() -> None:
    bucket, wait = draw(Bucket(0.25, 100.0), 100.0, 60)
    assert wait == pytest.approx(0.75)
    assert draw(bucket, 100.0 + wait, 60)[1] == 0.0


def test_creations_beyond_the_rate_are_429_until_there_is_a_token(tmp_path: Path) -> None:
    desks = Desks(tmp_path, unit_limits=UnitLimits(creates_per_minute=2))
    for number in range(2):
        desks.segments.create(UNIT, claim_of(number, b"x"), None)
    problem = refused(desks, UNIT, claim_of(2, b"x"))
    assert (problem.kind.status, problem.headers["Retry-After"]) == (429, "30")
    # The same upload again is no new one, another unit has a rate of its own, and a restart forgets nothing.
    assert desks.segments.create(UNIT, claim_of(1, b"x"), None).offset == 0
    desks.segments.create("zfy-2", claim_of(2, b"x"), None)
    desks.restart()
    assert refused(desks, UNIT, claim_of(2, b"x")).kind.status == 429
    desks.clock.wall += 30.0
    desks.segments.create(UNIT, claim_of(2, b"x"), None)
    desks.register.close()


def test_unfinished_uploads_are_bounded_and_one_is_always_taken(tmp_path: Path) -> None:
    desks = Desks(tmp_path, unit_limits=UnitLimits(unfinished_bytes=1000))
    large = os.urandom(5000)
    first = desks.segments.create(UNIT, claim_of(1, large), None)
    problem = refused(desks, UNIT, claim_of(2, b"x"))
    assert (problem.kind.type, problem.kind.status) == ("urn:zfy:too-much-unfinished", 429)
    assert int(problem.headers["Retry-After"]) > 0
    desks.segments.create("zfy-2", claim_of(2, b"x"), None)
    assert push(desks, first.upload_id, 0, large) == len(large)
    desks.segments.create(UNIT, claim_of(2, b"x"), None)
    desks.register.close()


def test_whole_uploads_no_journal_names_are_bounded_until_it_does(tmp_path: Path) -> None:
    desks = Desks(tmp_path, unit_limits=UnitLimits(unnamed_bytes=100))
    assert UnitLimits().unnamed_bytes > 0, "bounded by default"
    first = claim_of(1, bytes(60))
    assert push(desks, desks.segments.create(UNIT, first, None).upload_id, 0, bytes(60)) == 60
    for _ in range(3):
        problem = refused(desks, UNIT, claim_of(2, bytes(41)))
        assert (problem.kind.type, problem.kind.status) == ("urn:zfy:too-much-unfinished", 429)
        assert int(problem.headers["Retry-After"]) > 0
    alarms = [json.loads(line) for line in (tmp_path / "alarms.log").read_text().splitlines()]
    assert [(alarm["alarm"], alarm["unit_id"]) for alarm in alarms] == [("too-much-unnamed", UNIT)]
    desks.segments.create("zfy-2", claim_of(2, bytes(41)), None)
    desks.register.execute("INSERT INTO named (unit_id, segment_id) VALUES (?, ?)", UNIT, first.segment_id)
    desks.segments.create(UNIT, claim_of(2, bytes(41)), None)
    desks.register.close()


@pytest.mark.parametrize("scope", ["unit", "store"])
def test_a_used_up_quota_is_507_and_said_once(tmp_path: Path, scope: str) -> None:
    limits = UnitLimits(stored_bytes=100) if scope == "unit" else UnitLimits(total_bytes=100)
    desks = Desks(tmp_path, unit_limits=limits)
    upload = desks.segments.create(UNIT, claim_of(1, bytes(60)), None)
    assert push(desks, upload.upload_id, 0, bytes(60)) == 60
    for _ in range(3):
        problem = refused(desks, UNIT, claim_of(2, bytes(41)))
        assert (problem.kind.status, problem.members["scope"]) == (507, scope)
    alarms = [json.loads(line) for line in (tmp_path / "alarms.log").read_text().splitlines()]
    assert [(alarm["alarm"], alarm["scope"]) for alarm in alarms] == [("quota-exceeded", scope)]
    desks.segments.create(UNIT, claim_of(2, bytes(40)), None)
    if scope == "unit":
        desks.segments.create("zfy-2", claim_of(3, bytes(41)), None)
    else:
        assert refused(desks, "zfy-2", claim_of(3, bytes(41))).kind.status == 507
    desks.register.close()


def test_objects_registered_before_there_were_counts_are_counted(tmp_path: Path) -> None:
    Register(tmp_path / "store.db").close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        row = "INSERT INTO object (unit_id, segment_id, size) VALUES (?, ?, ?)"
        db.executemany(row, [("zfy-1", "a", 10), ("zfy-1", "b", 20), ("zfy-2", "a", 5)])
    db.close()
    for _ in range(2):  # opening it again counts nothing twice
        register = Register(tmp_path / "store.db")
        usage = UsageBook(register)
        assert (usage.stored("zfy-1"), usage.stored("zfy-2"), usage.stored("zfy-3"), usage.stored(None)) == (
            30,
            5,
            0,
            35,
        )
        register.close()
    register = Register(tmp_path / "store.db")
    register.execute("INSERT INTO object (unit_id, segment_id, size) VALUES ('zfy-3', 'a', 7)")
    assert UsageBook(register).stored("zfy-3") == 7
    register.close()


def test_the_gate_counts_each_unit_and_lets_in_again() -> None:
    gate = Gate(2)
    with gate.enter("a"), gate.enter("a"), gate.enter("b"):
        with pytest.raises(Problem) as caught, gate.enter("a"):
            pass
        assert (caught.value.kind.status, caught.value.headers["Retry-After"]) == (429, "1")
    with gate.enter("a"), gate.enter("a"):
        pass
    with Gate(0).enter("a"):
        pass


def test_limits_of_the_store_itself_come_first(tmp_path: Path) -> None:
    desks = Desks(tmp_path, limits=Limits(max_size=10, reserve=0), unit_limits=UnitLimits(stored_bytes=1))
    assert refused(desks, UNIT, claim_of(1, bytes(11))).kind.status == 413
    desks.register.close()
