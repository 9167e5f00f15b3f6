"""Contradictory bytes are evidence and are kept; whoever makes them without end does not fill the disk with them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hw_sim.agency.store.apart import ALARMS_A_MINUTE, FRESH_S, MOST_ITEMS
from hw_sim.agency.store.problem import Problem
from hw_sim.agency.store.quota import UnitLimits
from hw_sim.agency.store.register import Named
from hw_sim.agency.store.usage import UsageBook
from recorder.evidence.encoding import sha256_b64u
from tests.hw_sim.agency.test_segments import JOURNAL, SESSION, UNIT, Desks, claim, push

SIZE = 1000


def segment_id(number: int) -> str:
    return f"{number:08d}-0000-4000-8000-000000000000"


def alarms(desks: Desks) -> list[dict[str, Any]]:
    path = desks.root / "alarms.log"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def contradict(desks: Desks, number: int, unit_id: str = UNIT) -> bytes:
    """Upload what the journal names another digest for; 409 is the answer."""
    data = number.to_bytes(4, "big") + os.urandom(SIZE - 4)
    named = Named(unit_id, JOURNAL, segment_id(number), SESSION, sha256_b64u(b"another"), SIZE, ".mp4.age", number)
    desks.register.name(named)
    upload_id = desks.segments.create(unit_id, replace(claim(data), segment_id=segment_id(number)), None).upload_id
    with pytest.raises(Problem) as refused:
        push(desks, upload_id, 0, data, unit_id)
    assert refused.value.kind.type == "urn:zfy:digest-conflict"
    assert not desks.staging.whole(upload_id).exists()
    return data


def conflicts(desks: Desks, unit_id: str = UNIT) -> dict[str, bytes]:
    folder = desks.root / unit_id / JOURNAL / "conflicts"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def test_contradictions_are_kept_whole_up_to_the_limit_and_then_their_digests_are_said(tmp_path: Path) -> None:
    desks = Desks(tmp_path, unit_limits=UnitLimits(apart_bytes=3 * SIZE))
    made = [contradict(desks, number) for number in range(5)]
    kept = {f"{segment_id(number)}.{sha256_b64u(data)}": data for number, data in enumerate(made[:3])}
    assert conflicts(desks) == kept
    said = alarms(desks)
    assert [(entry["alarm"], entry["segment_id"]) for entry in said] == [
        ("digest-conflict", segment_id(number)) for number in range(5)
    ]
    assert [entry["uploaded"] for entry in said] == [sha256_b64u(data) for data in made]
    assert [entry["bytes_kept"] for entry in said] == [True] * 3 + [False] * 2
    contradict(desks, 7, "zfy-2")  # a unit has room of its own
    assert len(conflicts(desks, "zfy-2")) == 1
    desks.restart()  # the counts are in the register
    contradict(desks, 8)
    assert conflicts(desks) == kept
    desks.register.close()


def test_rejected_attempts_count_as_what_lies_there_and_beyond_the_limit_are_dropped(tmp_path: Path) -> None:
    desks = Desks(tmp_path, unit_limits=UnitLimits(apart_bytes=4 * SIZE))
    rejected = tmp_path / "staging" / "rejected"
    for number in range(3):
        right = bytes([number]) * SIZE
        made = replace(claim(right), segment_id=segment_id(number))
        upload_id = desks.segments.create(UNIT, made, None).upload_id
        for _ in range(5):
            with pytest.raises(Problem) as refused:
                push(desks, upload_id, 0, os.urandom(SIZE))
            assert refused.value.kind.type == "urn:zfy:digest-mismatch"
            lying = sum(path.stat().st_size for path in rejected.iterdir())
            assert lying <= 4 * SIZE
            assert UsageBook(desks.register).apart(UNIT)[1] == lying
        assert push(desks, upload_id, 0, right) == SIZE  # the right bytes are always taken
    assert len(alarms(desks)) == 15
    assert all(len(entry["found"]) == 43 for entry in alarms(desks))
    assert [entry["bytes_kept"] for entry in alarms(desks)].count(False) == 9
    desks.register.close()


def test_what_is_kept_apart_counts_in_the_units_quota(tmp_path: Path) -> None:
    desks = Desks(tmp_path, unit_limits=UnitLimits(stored_bytes=2 * SIZE + 1))
    contradict(desks, 1)
    contradict(desks, 2)
    with pytest.raises(Problem) as refused:
        desks.segments.create(UNIT, claim(b"xx"), None)
    assert (refused.value.kind.status, refused.value.members["scope"]) == (507, "unit")
    desks.segments.create(UNIT, claim(b"x"), None)
    desks.register.close()


def test_items_without_end_are_bounded_however_small_and_so_are_their_alarms(tmp_path: Path) -> None:
    desks = Desks(tmp_path)
    for number in range(MOST_ITEMS):
        assert desks.apart.admit(UNIT, f"{UNIT}/{number}", 1).new
    full = desks.apart.admit(UNIT, f"{UNIT}/one-more", 1)
    assert (full.kept, full.new) == (False, False)
    assert desks.apart.admit(UNIT, f"{UNIT}/one-more", 1, always=True).kept
    for number in range(ALARMS_A_MINUTE + 40):
        desks.apart.say(full, UNIT, "digest-mismatch", "甲", "a", number=number)
    assert len(alarms(desks)) == ALARMS_A_MINUTE
    desks.apart.say(full, "zfy-2", "digest-mismatch", "甲", "a")
    desks.clock.wall += 1.0
    desks.apart.say(full, UNIT, "digest-mismatch", "甲", "a")
    assert [entry.get("unsaid") for entry in alarms(desks)[-2:]] == [None, 40]
    desks.register.close()


def test_a_recount_finds_what_an_older_store_kept_and_forgets_what_somebody_took_away(tmp_path: Path) -> None:
    desks = Desks(tmp_path)
    contradict(desks, 1)
    upload_id = desks.segments.create(UNIT, claim(b"right"), None).upload_id
    for wrong in (b"wrong", b"worse"):
        with pytest.raises(Problem):
            push(desks, upload_id, 0, wrong)
    book = UsageBook(desks.register)
    assert book.apart(UNIT) == (2, SIZE + 10)
    for name, _ in book.apart_names():
        book.forget_apart(name)
    desks.apart.recount()
    assert book.apart(UNIT) == book.apart(None) == (2, SIZE + 10)
    for path in (tmp_path / UNIT / JOURNAL / "conflicts").iterdir():
        path.unlink()
    desks.apart.recount()
    assert book.apart(UNIT)[0] == 2  # somebody may be about to put it there
    desks.clock.wall += FRESH_S + 1
    desks.apart.recount()
    assert book.apart(UNIT) == (1, 10)
    desks.register.close()
