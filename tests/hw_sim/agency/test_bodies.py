"""What bodies of requests cost the store in memory: what has come, within limits, whatever was declared."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from hw_sim.agency.store.bodies import UNIT_BODIES, Bodies
from hw_sim.agency.store.problem import Problem
from tests.hw_sim.agency.unit_double import UnitDouble

MOST = 4 << 20


def test_all_bodies_together_are_bounded_and_what_is_given_back_can_be_taken() -> None:
    bodies = Bodies(total_bytes=100)
    bodies.take(60)
    with pytest.raises(Problem) as caught:
        bodies.take(41)
    assert (caught.value.kind.status, caught.value.headers["Retry-After"]) == (503, "2")
    bodies.take(40)
    bodies.give_back(60)
    bodies.take(60)
    assert bodies.held == 100


def begin_post(unit: UnitDouble, declared: int, sent: bytes = b"") -> http.client.HTTPSConnection:
    link = unit.connect()
    link.putrequest("POST", f"/journals/{unit.journal_id}?from=0")
    link.putheader("Content-Type", "application/jose")
    link.putheader("Content-Length", str(declared))
    link.endheaders()
    link.send(sent)
    return link


def answered(unit: UnitDouble, status: int) -> bool:
    """Whether the unit's journal is answered so before long: the store hears of ended connections a moment later."""
    deadline = SystemClock().boottime_us() + 10_000_000
    while unit.post(0).status != status:
        if SystemClock().boottime_us() > deadline:
            return False
    return True


def resident(process: StoreProcess) -> int:
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS"))


def test_a_declared_length_takes_no_memory_and_one_unit_has_few_bodies_under_way(
    authority: Authority, store: StoreProcess, tmp_path: Path
) -> None:
    units = [UnitDouble.enrolled(authority, f"zfy-body-{n}", tmp_path / str(n), store.port) for n in range(12)]
    before = resident(store)
    links = [begin_post(unit, MOST) for unit in units for _ in range(UNIT_BODIES)]
    try:
        assert [unit for unit in units if not _refused(unit)] == []
        assert resident(store) - before < 48 << 20, f"{len(links)} × {MOST} declared, nothing sent"
        units[0].write_boot()
        assert units[0].post(0).status == 200, "a small post is never kept out"
    finally:
        for link in links:
            link.close()
    units[1].write_boot()
    units[1].write_events(400)
    assert len(units[1].body(0)) > 64 * 1024
    assert answered(units[1], 200)


def _refused(unit: UnitDouble) -> bool:
    """One more is, once those of before have come in."""
    deadline = SystemClock().boottime_us() + 4_000_000
    while SystemClock().boottime_us() < deadline:
        link = begin_post(unit, MOST)
        link.sock.settimeout(0.2)
        try:
            answer = link.getresponse()
            return (answer.status, answer.headers["Retry-After"]) == (429, "1")
        except TimeoutError:
            continue  # it came in before one of the others
        finally:
            link.close()
    return False
