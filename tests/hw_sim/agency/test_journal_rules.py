"""The pure rules of journal ingest, by property: whatever is posted, the store holds one honest prefix."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_sim.agency.certificates import as_cryptography, file_signer
from hw_sim.agency.store.journal_log import JournalLog
from hw_sim.agency.store.journal_rules import DeviceKey, Head, Judgement, KeyRefused, Keys, judge, split_body
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.es256 import Es256Key
from recorder.evidence.jws import Parts
from recorder.evidence.records import Event
from tests.hw_sim.agency.unit_double import UnitDouble, new_key


@cache
def journal() -> UnitDouble:
    """40 lines by one key; nothing of TLS is used."""
    signer = file_signer(new_key())
    unit = UnitDouble("zfy-9", signer, None, Path(), "1" * 8 + "-0000-4000-8000-" + "1" * 12, random.Random(1))
    unit.write_boot()
    unit.write_events(39)
    return unit


def keys() -> Keys:
    signer = journal().signer
    device = DeviceKey(signer.kid, Es256Key(as_cryptography(signer.public_key())))

    def introduce(parts: Parts) -> DeviceKey:
        if parts.kid != device.kid:
            raise KeyRefused("unknown")
        return device

    def known(kid: str) -> DeviceKey | None:
        return device if kid == device.kid else None

    return Keys(known, known, introduce)


def post(stored: list[bytes], from_seq: int, lines: list[bytes]) -> Judgement:
    unit = journal()
    head = Head(len(stored), sha256_b64u(stored[-1]) if stored else None, unit.signer.kid if stored else None)
    result = judge(unit.unit_id, unit.journal_id, head, from_seq, lines, iter(stored[from_seq:]), keys())
    stored.extend(item.line for item in result.accepted)
    return result


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_order_of_honest_posts_builds_the_journal(posts: list[tuple[int, int]]) -> None:
    lines, stored = journal().lines, list[bytes]()
    for start, end in [*posts, (0, len(lines))]:
        if start > len(stored):
            continue  # a gap: answered before any line is looked at
        have = len(stored)
        assert post(stored, start, lines[start:end]).refusal is None
        assert stored == lines[: max(have, end if end > start else 0)]
    assert stored == lines


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_changed_line_is_never_stored_and_its_predecessors_are(data: st.DataObject) -> None:
    lines = list(journal().lines)
    at = data.draw(st.integers(0, len(lines) - 1))
    position = data.draw(st.integers(0, len(lines[at]) - 1))
    changed = bytearray(lines[at])
    changed[position] ^= 1 << data.draw(st.integers(0, 7))
    lines[at] = bytes(changed)
    stored: list[bytes] = []
    result = post(stored, 0, split_body(b"".join(line + b"\n" for line in lines)))
    assert result.refusal is not None
    assert result.refusal.kind == "invalid"
    assert result.refusal.seq == at
    assert stored == journal().lines[:at]


@given(st.integers(0, 39), st.integers(0, 39), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_lines_out_of_place_are_refused(first: int, second: int, count: int) -> None:
    lines = journal().lines
    if first == second:
        return
    stored = list(lines[:first])
    result = post(stored, first, lines[second : second + count])
    assert result.refusal is not None
    assert stored == lines[:first]


def test_a_second_signed_history_is_a_fork_and_an_unsigned_one_is_not() -> None:
    unit = journal()
    stored = list(unit.lines)
    other = UnitDouble(unit.unit_id, unit.signer, unit.tls, Path(), unit.journal_id, random.Random(2))
    other.lines = unit.lines[:10]
    other.write(Event(event="other", at_us=1, detail={}))
    result = post(stored, 8, other.lines[8:])
    assert result.refusal is not None
    assert (result.refusal.kind, result.refusal.seq) == ("fork", 10)
    other.signer = file_signer(new_key())
    other.lines.pop()
    other.write(Event(event="other", at_us=1, detail={}))
    result = post(stored, 8, other.lines[8:])
    assert result.refusal is not None
    assert (result.refusal.kind, result.refusal.seq) == ("invalid", 10)
    assert stored == unit.lines


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("lost", [True, False])
def test_a_line_below_the_head_whose_key_is_unknown_names_the_key(lost: bool, known: bool) -> None:
    """With that the unit brings the key; without it, lines found again could never be judged. A ``boot`` line brings it
    itself."""
    unit, there = journal(), keys()
    keyring = there if known else Keys(lambda _: None, lambda _: None, there.introduce)
    head = Head(9, "of another line", "another")
    stored = None if lost else b"another line"

    def refused(seq: int) -> tuple[str, str | None]:
        result = judge(unit.unit_id, unit.journal_id, head, seq, unit.lines[seq : seq + 1], iter([stored]), keyring)
        assert result.refusal is not None and result.refusal.seq == seq
        return result.refusal.kind, result.refusal.unknown_kid

    judged = "late" if lost else "fork", None
    assert refused(3) == (judged if known else ("invalid", unit.signer.kid))
    assert refused(0) == judged


@pytest.mark.parametrize("torn", [b"", b"x", b"eyJhbGciOiJFUzI1NiIsImtpZ"])
def test_the_log_is_cut_behind_its_last_whole_line_and_goes_on(tmp_path: Path, torn: bytes) -> None:
    lines = journal().lines
    log = JournalLog(tmp_path / "journal")
    assert log.open().next_seq == 0
    log.append(Head(3, sha256_b64u(lines[2]), journal().signer.kid), lines[:3])
    file = tmp_path / "journal" / "000000000000.jws"
    with file.open("ab") as handle:
        handle.write(torn)
    again = JournalLog(tmp_path / "journal")
    assert again.open() == Head(3, sha256_b64u(lines[2]), journal().signer.kid)
    again.append(Head(5, sha256_b64u(lines[4]), journal().signer.kid), lines[3:5])
    assert list(again.aligned(1)) == lines[1:5]
    assert file.read_bytes() == b"".join(line + b"\n" for line in lines[:5])


def test_the_log_begins_new_files_and_survives_a_crash_between_two(tmp_path: Path) -> None:
    lines = journal().lines
    log = JournalLog(tmp_path / "journal", file_bytes=2000)
    for seq, line in enumerate(lines):
        log.append(Head(seq + 1, sha256_b64u(line), journal().signer.kid), [line])
    names = sorted(path.name for path in (tmp_path / "journal").iterdir())
    assert len(names) > 3
    first = (tmp_path / "journal" / names[2]).read_bytes().split(b"\n")[0]
    assert lines[int(names[2][:12])] == first
    (tmp_path / "journal" / "000000000040.jws").write_bytes(lines[0][:50])
    again = JournalLog(tmp_path / "journal")
    assert again.open().next_seq == 40
    assert list(again.aligned(0)) == lines
    assert list(again.aligned(17)) == lines[17:]
    assert sorted(path.name for path in (tmp_path / "journal").iterdir()) == names


@pytest.mark.parametrize("signed_the_head", [True, False])
def test_behind_lost_lines_the_key_of_the_head_goes_on_though_it_is_not_good_today(signed_the_head: bool) -> None:
    """As without a gap: what it signed before its certificate was revoked may come in later, and ``recorder verify`` judges
    by the time. Any other key of the journal has to be good."""
    unit, former = journal(), keys()
    head = Head(3, sha256_b64u(unit.lines[2]), unit.signer.kid if signed_the_head else "another")
    revoked = Keys(former.known, lambda _: None, former.introduce)
    result = judge(unit.unit_id, unit.journal_id, head, 6, unit.lines[6:8], iter(()), revoked, after_gap=True)
    assert len(result.accepted) == (2 if signed_the_head else 0)
    assert (result.refusal is None) == signed_the_head
