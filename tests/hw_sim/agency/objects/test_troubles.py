"""Troubles with the object store: said once each, and a store that is away is left alone for a while."""

from __future__ import annotations

import json
from pathlib import Path

from hw_sim.agency.objects.ports import LockMissing, ObjectDamaged, ObjectStoreError
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.register import Named
from hw_sim.agency.store.troubles import PAUSE_S, Troubles
from tests.hw_sim.agency.test_segments import HandClock


def named(segment_id: str) -> Named:
    return Named("zfy-1", "journal", segment_id, "session", "A" * 43, 1, ".mp4.age", 0)


def raised(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "alarms.log").read_text(encoding="utf-8").splitlines()
    return [(entry["alarm"], entry["segment_id"]) for entry in map(json.loads, lines)]


def test_a_store_that_is_away_is_said_once_left_alone_and_said_to_be_back(tmp_path: Path) -> None:
    clock = HandClock()
    troubles = Troubles(Alarms(tmp_path / "alarms.log", clock), clock)
    assert troubles.may_try()
    for segment in ("a", "b", "c"):
        troubles.met(named(segment), ObjectStoreError("connection refused"))
    assert raised(tmp_path) == [("object-store", "a")]
    assert not troubles.may_try()
    clock.wall += PAUSE_S
    assert troubles.may_try()
    troubles.over(named("b"))
    troubles.over(named("c"))
    assert raised(tmp_path) == [("object-store", "a"), ("object-store-over", "b")]
    troubles.met(named("d"), ObjectStoreError("again"))
    assert raised(tmp_path)[2:] == [("object-store", "d")]


def test_a_segment_s_own_trouble_holds_up_no_other_segment(tmp_path: Path) -> None:
    clock = HandClock()
    troubles = Troubles(Alarms(tmp_path / "alarms.log", clock), clock)
    for _ in range(2):
        troubles.met(named("a"), ObjectDamaged("other bytes"))
        troubles.met(named("b"), LockMissing("no lock"))
    assert raised(tmp_path) == [("object-damaged", "a"), ("lock-missing", "b")]
    assert troubles.may_try()
    troubles.over(named("c"))
    assert len(raised(tmp_path)) == 2
    troubles.over(named("a"))
    assert raised(tmp_path)[2:] == [("object-damaged-over", "a")]
