"""A gap a store names is looked for in the journal's files: found exactly where a reading of everything finds it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence import held_lines as module
from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.held_lines import held_lines
from recorder.evidence.journal_loader import Keyring
from recorder.evidence.journal_reader import parse
from tests.evidence.kit import other_signer, signer
from tests.evidence.simulated_disk import SimulatedDisk

FOLDER = Path("/j")
JOURNAL = "00000000-0000-4000-8000-000000000001"
LINES = 40
FORMER = other_signer()


@cache
def line(seq: int, journal_id: str = JOURNAL) -> bytes:
    """Of very different lengths, so that halving by bytes is not halving by lines."""
    payload = {"journal_id": journal_id, "seq": seq, "prev": None, "pad": "x" * (seq * 37 % 400)}
    return jws.sign("event", payload, signer()).encode() + b"\n"


def altered(raw: bytes) -> bytes:
    """Still the form of a line, and its number still readable."""
    return raw[:-8] + (b"A" if raw[-8:-7] != b"A" else b"B") + raw[-7:]


@cache
def resigned(raw: bytes) -> bytes:
    """As a key signed it that has been replaced since."""
    return jws.sign("event", parse(raw[:-1]).payload, FORMER).encode() + b"\n"


def disk_of(files: dict[int, list[bytes]]) -> SimulatedDisk:
    disk = SimulatedDisk()
    for first, lines in files.items():
        disk.put(FOLDER / f"{first:012d}.jws", b"".join(lines))
    return disk


def look(disk: SimulatedDisk, first: int, last: int) -> tuple[int, int] | None:
    return held_lines(disk, FOLDER, JOURNAL, Keyring([signer().public_key()]), first, last)


HARMS: dict[str, Callable[[bytes], bytes]] = {
    "whole": lambda raw: raw,
    "gone": lambda _raw: b"",
    "altered": altered,
    "former": lambda raw: resigned(raw),
    "garbage": lambda raw: b"\x00" * (len(raw) - 1) + b"\n",
    "joined": lambda raw: b"\xff" * len(raw),
}


@settings(max_examples=150)
@given(
    harms=st.lists(st.sampled_from(sorted(HARMS)), min_size=LINES, max_size=LINES),
    cuts=st.sets(st.integers(1, LINES - 1), max_size=3),
    gap=st.tuples(st.integers(0, LINES + 5), st.integers(0, LINES + 5)).map(sorted),
    near=st.sampled_from([1, 700, 1 << 16]),
)
def test_it_finds_what_reading_everything_finds(harms: list[str], cuts: set[int], gap: list[int], near: int) -> None:
    """The first line of the gap that is whole and its neighbours, whatever lies around it."""
    first, last = gap
    begins = [0, *sorted(cuts)]
    files: dict[int, list[bytes]] = {begin: [] for begin in begins}
    whole: list[int] = []
    glued = False
    for seq, harm in enumerate(harms):
        begin = max(b for b in begins if b <= seq)
        if seq == begin:
            glued = False  # a file ends what came before
        files[begin].append(HARMS[harm](line(seq)))
        if harm in ("whole", "former") and not glued:
            whole.append(seq)
        if harm != "gone":
            glued = harm == "joined"  # without its line end it spoils the next one, too
    inside = [seq for seq in whole if first <= seq <= last]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NEAR", near)
        found = look(disk_of(files), first, last)
    if not inside:
        assert found is None
        return
    assert found is not None
    assert found[0] == inside[0]
    assert set(range(found[0], found[1] + 1)) <= set(inside)


def test_another_journals_line_is_not_ours() -> None:
    other = "00000000-0000-4000-8000-000000000002"
    disk = disk_of({0: [line(0), line(1, other), altered(line(2)), line(3)]})
    assert look(disk, 1, 2) is None
    assert look(disk, 0, 3) == (0, 0)
    assert look(disk, 2, 9) == (3, 3)


def chained(count: int, gone: range) -> list[bytes]:
    """Lines of a key that is not at hand any more, without those of the numbers ``gone``."""
    made, prev = [], None
    for seq in range(count):
        payload = {"journal_id": JOURNAL, "seq": seq, "prev": prev, "pad": "x" * (seq * 37 % 400)}
        text = jws.sign("event", payload, FORMER)
        prev = sha256_b64u(text.encode())
        made.append(text.encode() + b"\n")
    return [raw for seq, raw in enumerate(made) if seq not in gone]


def test_lines_of_a_replaced_key_are_held_and_found_by_halving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may confirm them as lost because the key they are signed with is not at hand."""
    monkeypatch.setattr(module, "NEAR", 1)
    disk = disk_of({0: chained(60, range(40, 45)), 60: [line(60), line(61)]})
    assert look(disk, 3, 5) == (3, 5)
    assert look(disk, 58, 61) == (58, 59)
    assert look(disk, 40, 44) is None
    assert look(disk, 38, 44) == (38, 39)


def test_damage_that_reads_as_a_replaced_keys_line_does_not_mislead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEAR", 1)
    stray = resigned(line(35))
    lines = [line(seq) for seq in range(LINES)]
    for at in range(1, LINES, 2):
        disk = disk_of({0: [*lines[:at], stray, *lines[at + 1 :]]})
        for seq in range(0, LINES, 2):
            assert look(disk, seq, seq) == (seq, seq), f"one at {at}"


def test_lines_a_later_file_repeats_are_looked_for_there() -> None:
    """After a storage error the given-up file's tail is superseded, whatever it holds."""
    disk = disk_of({0: [line(0), line(1), altered(line(2))], 2: [line(2), line(3)]})
    assert look(disk, 2, 2) == (2, 2)
    assert look(disk, 1, 1) == (1, 1)


def test_a_long_run_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    disk = disk_of({0: [line(seq) for seq in range(10)]})
    assert look(disk, 2, 9) == (2, 4)
