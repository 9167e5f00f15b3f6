"""The torn tail: the journal cut at every byte of its last lines, and altered at every byte of the last one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from recorder.evidence import jws
from recorder.evidence.journal_loader import load
from recorder.evidence.records import Mark
from recorder.evidence.recovery import recover
from tests.evidence.journal_audit import audit
from tests.evidence.kit import BOOT, ToldClock, counting_ids, other_signer, signer
from tests.evidence.simulated_disk import SimulatedDisk
from tests.support import tier

DATA = Path("/data")
JOURNAL = DATA / "journal"
FILE = JOURNAL / "000000000000.jws"
KEYS = [signer().public_key()]
STRIDE = 5 if tier() == "quick" else 1
"""On a desk every fifth byte, elsewhere every one."""


@cache
def journal_of(records: int, every: int = 100) -> bytes:
    disk = SimulatedDisk()
    disk.dirs.add(DATA)
    ids = counting_ids(2)
    journal = recover(DATA, signer(), ToldClock(), disk, BOOT, checkpoint_records=every, new_id=ids).journal
    for number in range(records):
        journal.append(Mark(mark_id=ids(), session_id=ids(), kind=f"m{number}", at_us=number, segment_ids=()))
    return disk.read(FILE)


def disk_with(data: bytes) -> SimulatedDisk:
    disk = SimulatedDisk()
    disk.dirs.add(DATA)
    disk.put(FILE, data)
    return disk


def restart(disk: SimulatedDisk) -> tuple[list[str], bytes]:
    """Record types after a start, and everything in journal/torn."""
    recovered = recover(DATA, signer(), ToldClock(), disk, BOOT, checkpoint_records=100)
    assert recovered.findings == ()
    types = [typ for typ, _ in audit(disk, JOURNAL, signer().public_key())]
    torn = b"".join(disk.read(JOURNAL / "torn" / name) for name in disk.names(JOURNAL / "torn"))
    return types, torn


@pytest.mark.parametrize("every", [100, 2], ids=["from line 0", "from a checkpoint"])
def test_cut_at_every_byte_of_the_last_two_lines(every: int) -> None:
    data = journal_of(4, every)
    lines = data.splitlines(keepends=True)
    begin = len(data) - len(lines[-1]) - len(lines[-2])
    for size in range(begin, len(data) + 1, STRIDE):
        whole = data[: data.rfind(b"\n", 0, size) + 1]
        disk = disk_with(data[:size])
        types, torn = restart(disk)
        assert torn == data[len(whole) : size]
        left = whole.count(b"\n")
        assert types[left:] == (["boot", "recovery"] if torn else ["boot"]), size
        assert disk.read(FILE).startswith(whole)


def test_altered_at_every_byte_of_the_last_line() -> None:
    data = journal_of(2)
    begin = data.rfind(b"\n", 0, -1) + 1
    for place in range(begin, len(data), STRIDE):
        changed = bytearray(data)
        changed[place] ^= 0x01
        types, torn = restart(disk_with(bytes(changed)))
        assert torn == bytes(changed[begin:]), place
        assert types == ["boot", "mark", "boot", "recovery"]


def test_the_only_line_altered_at_every_byte() -> None:
    """Then there never was a journal: it begins anew, and the bytes are kept."""
    data = journal_of(0)
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 0x01
        disk = disk_with(bytes(changed))
        types, torn = restart(disk)
        assert torn == bytes(changed)
        assert types == ["boot", "recovery"]


@pytest.mark.parametrize(
    "tail",
    [b"\0" * 5000, b"\n" * 10, b"garbage\nmore\n", b"\xff" * 70, b"\n"],
    ids=["zeros", "line ends", "lines", "ones", "line end"],
)
def test_zeros_and_garbage_behind_the_last_line(tail: bytes) -> None:
    types, torn = restart(disk_with(journal_of(2) + tail))
    assert torn == tail
    assert types == ["boot", "mark", "mark", "boot", "recovery"]


@pytest.mark.parametrize("torn", [b"", b"eyJh"], ids=["whole lines", "and a torn one"])
def test_a_newest_file_that_only_repeats_is_set_aside_and_the_old_one_goes_on(torn: bytes) -> None:
    """The power went while lines of doubtful durability were written again, and the old file, which could not be cut,
    kept more of them: to go on behind the new one's would be a second record 4."""
    data = journal_of(4)
    lines = data.splitlines(keepends=True)
    disk = disk_with(data)
    disk.put(JOURNAL / "000000000002.jws", lines[2] + lines[3] + torn)
    types, aside = restart(disk)
    assert types == ["boot", "mark", "mark", "mark", "mark", "boot", "recovery"]
    assert disk.read(FILE).startswith(data), "nothing of the old file is gone"
    assert aside == lines[2] + lines[3] + torn
    assert [name for name in disk.names(JOURNAL) if name.endswith(".jws")] == [FILE.name]


def test_a_newest_file_with_a_new_line_behind_repeated_ones_goes_on() -> None:
    lines = journal_of(4).splitlines(keepends=True)
    disk = disk_with(b"".join(lines[:4]))
    disk.put(JOURNAL / "000000000002.jws", b"".join(lines[2:]))
    types, aside = restart(disk)
    assert types == ["boot", "mark", "mark", "mark", "mark", "boot"]
    assert aside == b""


def test_damage_with_good_lines_behind_it_is_no_torn_tail() -> None:
    data = bytearray(journal_of(4))
    lines = bytes(data).splitlines(keepends=True)
    data[len(lines[0]) + len(lines[1]) + 40] ^= 1  # in line 2
    disk = disk_with(bytes(data))
    loaded = load(disk, JOURNAL, KEYS)
    assert loaded.torn == ()
    assert [finding.code for finding in loaded.findings] == ["journal-damaged", "journal-chain-broken"]
    assert f":{len(lines[0]) + len(lines[1])}" in loaded.findings[0].zh
    assert loaded.state.next_seq == 5
    recovered = recover(DATA, signer(), ToldClock(), disk, BOOT, checkpoint_records=100)
    assert {finding.code for finding in recovered.findings} == {"journal-damaged", "journal-chain-broken"}
    assert disk.read(FILE).startswith(bytes(data)), "nothing is hidden: the damaged line stays"
    again = recover(DATA, signer(), ToldClock(), disk, BOOT, checkpoint_records=100)
    assert again.findings == (), "the next start begins behind the damage"


def test_a_removed_line_is_a_broken_chain() -> None:
    lines = journal_of(4).splitlines(keepends=True)
    loaded = load(disk_with(b"".join([*lines[:2], *lines[3:]])), JOURNAL, KEYS)
    assert [finding.code for finding in loaded.findings] == ["journal-chain-broken"]
    assert loaded.state.next_seq == 5


def test_a_checkpoint_without_state_is_no_place_to_begin() -> None:
    data = journal_of(3, every=2)
    assert load(disk_with(data), JOURNAL, KEYS).checkpoint_seq == 2
    loaded = load(disk_with(_without_state(data)), JOURNAL, KEYS)
    assert loaded.checkpoint_seq is None
    assert loaded.findings == []


def _without_state(data: bytes) -> bytes:
    """The same journal as an older software would have written it."""
    from recorder.evidence.encoding import sha256_b64u
    from recorder.evidence.journal_reader import parse

    prev: str | None = None
    out = b""
    for raw in data.splitlines():
        parts = parse(raw)
        payload = {**parts.payload, "prev": prev}
        payload.pop("state", None)
        line = jws.sign(parts.typ, payload, signer()).encode()
        prev = sha256_b64u(line)
        out += line + b"\n"
    return out


def test_a_journal_of_an_unknown_key_is_continued_and_reported() -> None:
    """The card of another unit, or a unit whose key was replaced without its certificate: recording goes on."""
    disk = disk_with(journal_of(3))
    recovered = recover(DATA, other_signer(), ToldClock(), disk, BOOT, checkpoint_records=100)
    assert [finding.code for finding in recovered.findings] == ["journal-unverifiable"]
    assert recovered.journal.state.last is not None
    assert disk.read(FILE).startswith(journal_of(3))
    again = recover(DATA, other_signer(), ToldClock(), disk, BOOT, checkpoint_records=100)
    assert again.findings == (), "the checkpoint behind the first start is ours"
    assert again.before.next_seq == recovered.journal.state.next_seq


def test_an_earlier_key_that_is_still_known_verifies() -> None:
    disk = disk_with(journal_of(3))
    recovered = recover(
        DATA, other_signer(), ToldClock(), disk, BOOT, checkpoint_records=100, keys=[signer().public_key()]
    )
    assert recovered.findings == ()
    loaded = load(disk, JOURNAL, [other_signer().public_key()])
    assert loaded.findings == []
    assert not loaded.foreign_key
