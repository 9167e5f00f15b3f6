from __future__ import annotations

from pathlib import Path

import pytest

from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import OsFiles
from recorder.evidence.journal import Journal, JournalError
from recorder.evidence.journal_reader import iterate
from recorder.evidence.records import Event, Mark, Record
from recorder.evidence.recovery import recover
from recorder.evidence.state import JournalState
from tests.evidence.journal_audit import audit
from tests.evidence.kit import BOOT, BOOT_A, BOOT_B, ToldClock, counting_ids, signer
from tests.evidence.simulated_disk import SimulatedDisk

DATA = Path("/data")
JOURNAL = DATA / "journal"


def disk() -> SimulatedDisk:
    made = SimulatedDisk(1)
    made.dirs.add(DATA)
    return made


def start(files: SimulatedDisk, clock: ToldClock | None = None, every: int = 100) -> Journal:
    clock = clock or ToldClock()
    return recover(DATA, signer(), clock, files, BOOT, checkpoint_records=every, new_id=counting_ids(9)).journal


def mark(kind: str = "key") -> Mark:
    ids = counting_ids(5)
    return Mark(mark_id=ids(), session_id=ids(), kind=kind, at_us=1, segment_ids=())


def names(files: SimulatedDisk) -> list[str]:
    return [name for name in files.names(JOURNAL) if name.endswith(".jws")]


def kinds(files: SimulatedDisk) -> list[str]:
    return [payload["kind"] for typ, payload in audit(files, JOURNAL, signer().public_key()) if typ == "mark"]


def test_a_boot_begins_with_its_boot_record_although_a_checkpoint_is_due() -> None:
    """A checkpoint before it would speak in a boot nobody has told of, which the verifier calls inconsistent."""
    files, clock = disk(), ToldClock()
    journal = start(files, clock, every=4)
    for _ in range(3):
        journal.append(mark())
    assert journal.state.since_checkpoint == 4, "the next record would be a checkpoint"
    clock.boot = BOOT_B
    start(files, clock, every=4).append(mark())
    lines = audit(files, JOURNAL, signer().public_key())
    assert [typ for typ, payload in lines if payload["bootseed"] == BOOT_B] == ["boot", "checkpoint", "mark"]


def test_the_first_start_begins_a_journal_with_boot() -> None:
    files = disk()
    journal = start(files)
    appended = journal.append(mark())
    lines = audit(files, JOURNAL, signer().public_key())
    assert [typ for typ, _ in lines] == ["boot", "mark"]
    boot = lines[0][1]
    assert (boot["seq"], boot["prev"], boot["previous_end"], boot["same_boot"]) == (0, None, "first", False)
    assert (boot["bootcount"], boot["bootseed"]) == (1, BOOT_A)
    assert (boot["iat"], boot["clock"]) == (
        lines[0][1]["iat"],
        {"source": "ntp", "synchronized": True, "max_error_ms": 12.5},
    )
    assert appended.payload == lines[1][1]
    assert names(files) == ["000000000000.jws"]


def test_a_line_is_durable_when_append_returns_and_digests_match_what_is_on_disk() -> None:
    files = disk()
    journal = start(files)
    appended = journal.append(mark())
    files.power_off()
    last = files.read(JOURNAL / "000000000000.jws").splitlines()[-1]
    assert sha256_b64u(last) == appended.line_digest == journal.digest_of(appended.seq)
    assert journal.durable == (appended.seq, appended.line_digest)


def test_several_records_share_one_sync() -> None:
    files = disk()
    journal = start(files)
    files.arm()
    for number in range(5):
        journal.append(mark(str(number)), sync=False)
    assert journal.unsynced == 5
    assert journal.durable is not None
    assert journal.durable[0] == 0
    journal.sync()
    journal.sync()
    assert files.steps == 6, "five writes and one sync"
    assert journal.durable == journal.state.head


def test_bootcount_counts_boots_not_starts() -> None:
    files, clock = disk(), ToldClock()
    counts = []
    for boot in (BOOT_A, BOOT_A, BOOT_B, BOOT_B, BOOT_A):
        clock.boot = boot
        counts.append(start(files, clock).append(mark()).payload["bootcount"])
    assert counts == [1, 1, 2, 2, 3]
    ids = {payload["journal_id"] for _, payload in audit(files, JOURNAL, signer().public_key())}
    assert len(ids) == 1


def test_rotation_begins_a_file_with_a_checkpoint_and_the_chain_goes_on() -> None:
    files = disk()
    journal = start(files)
    journal.append(mark("before"))
    journal.rotate()
    journal.append(mark("after"))
    assert names(files) == ["000000000000.jws", "000000000002.jws"]
    lines = audit(files, JOURNAL, signer().public_key())
    assert [typ for typ, _ in lines] == ["boot", "mark", "checkpoint", "mark"]
    assert lines[2][1]["reason"] == "rotation"


def test_interval_checkpoints_come_each_n_records() -> None:
    files = disk()
    journal = start(files, every=4)
    for number in range(10):
        journal.append(mark(str(number)))
    lines = audit(files, JOURNAL, signer().public_key())
    places = [payload["seq"] for typ, payload in lines if typ == "checkpoint"]
    assert places == [4, 9]
    assert kinds(files) == [str(number) for number in range(10)]


def test_a_failed_write_takes_nothing_and_the_same_record_goes_to_a_new_file() -> None:
    files = disk()
    journal = start(files)
    files.arm(fail_at=frozenset({1}))
    with pytest.raises(JournalError, match="日志写入失败") as caught:
        journal.append(mark("x"))
    assert caught.value.errno == 5
    assert journal.unsynced == 0
    journal.append(mark("x"))
    assert kinds(files) == ["x"]
    assert names(files) == ["000000000000.jws", "000000000001.jws"]
    lines = audit(files, JOURNAL, signer().public_key())
    assert [typ for typ, _ in lines] == ["boot", "checkpoint", "mark"]


def test_after_a_failed_sync_the_lines_wait_and_go_byte_for_byte_to_a_new_file() -> None:
    files = disk()
    journal = start(files)
    files.arm(fail_at=frozenset({3}))
    first = journal.append(mark("a"), sync=False)
    second = journal.append(mark("b"), sync=False)
    with pytest.raises(JournalError):
        journal.sync()
    assert journal.unsynced == 2
    given_up = files.read(JOURNAL / "000000000000.jws")
    journal.sync()
    assert journal.unsynced == 0
    digests = [sha256_b64u(line) for line in files.read(JOURNAL / "000000000001.jws").splitlines()]
    assert digests[:2] == [first.line_digest, second.line_digest]
    assert given_up.startswith(files.read(JOURNAL / "000000000000.jws"))
    files.power_off()
    assert kinds(files) == ["a", "b"]
    assert [typ for typ, _ in audit(files, JOURNAL, signer().public_key())] == ["boot", "mark", "mark", "checkpoint"]


def test_append_with_sync_that_fails_in_sync_has_taken_the_record() -> None:
    files = disk()
    journal = start(files)
    files.arm(fail_at=frozenset({2}))
    with pytest.raises(JournalError):
        journal.append(mark("once"))
    assert journal.unsynced == 1
    journal.append(mark("next"))
    assert kinds(files) == ["once", "next"]


def test_a_given_up_file_that_cannot_be_cut_is_superseded() -> None:
    """Step 3 (sync) and 4 (truncate) fail: the old file keeps its doubtful lines, the new one has them too."""
    files = disk()
    journal = start(files)
    files.arm(fail_at=frozenset({2, 3}))
    with pytest.raises(JournalError):
        journal.append(mark("a"))
    journal.append(mark("b"))
    assert files.read(JOURNAL / "000000000000.jws").count(b"\n") == 2
    files.arm()
    files.nodes[JOURNAL / "000000000000.jws"].poisoned = False
    assert kinds(files) == ["a", "b"]
    assert [line.parts.payload.get("kind") for line in iterate(files, JOURNAL, types=("mark",))] == ["a", "b"]
    again = recover(DATA, signer(), ToldClock(), files, BOOT, checkpoint_records=100)
    assert again.findings == ()
    assert kinds(files) == ["a", "b"]


def test_a_file_that_repeats_lines_always_holds_a_new_one_although_a_checkpoint_was_the_last_to_wait() -> None:
    """The record behind an interval checkpoint is refused (2), the old file cannot be cut (3), and what follows in the new
    file is refused too (7): were the repeated checkpoint alone there, a verifier would have to call it a replay."""
    files = disk()
    journal = start(files, every=4)
    for number in range(3):
        journal.append(mark(str(number)))
    files.arm(fail_at=frozenset({2, 3, 7}))
    for _ in range(2):
        with pytest.raises(JournalError):
            journal.append(mark("x"))
    journal.append(mark("x"))
    old, new = files.read(JOURNAL / "000000000000.jws"), files.read(JOURNAL / "000000000004.jws")
    lines = new.split(b"\n")[:-1]
    assert lines[0] + b"\n" in old, "the interval checkpoint stands in both"
    assert len(lines) > 1
    assert lines[1] not in old
    assert [typ for typ, _ in audit(files, JOURNAL, signer().public_key())][4:6] == ["checkpoint", "checkpoint"]
    assert kinds(files) == ["0", "1", "2", "x"]


def test_a_record_repeatedly_refused_is_written_once_the_disk_works_again() -> None:
    files = disk()
    journal = start(files)
    files.arm(fail_at=frozenset(range(1, 30)))
    refused = 0
    while refused < 40:
        try:
            journal.append(mark("patient"))
        except JournalError:
            refused += 1
            continue
        break
    assert 0 < refused < 40
    journal.sync()
    assert kinds(files).count("patient") == 1


def test_a_first_boot_record_that_fails_is_still_the_first() -> None:
    files = disk()
    files.make_dir(JOURNAL)
    files.arm(fail_at=frozenset({2}))
    with pytest.raises(JournalError):
        start(files)
    files.power_off()
    start(files)
    typ, boot = audit(files, JOURNAL, signer().public_key())[0]
    assert (typ, boot["seq"], boot["previous_end"]) == ("boot", 0, "first")


def test_rotation_without_a_new_file_goes_on_in_the_old_one() -> None:
    files = disk()
    journal = start(files)
    files.arm(fail_at=frozenset({1}))
    assert journal.rotate() is not None
    journal.append(mark("on"))
    assert names(files) == ["000000000000.jws"]
    assert [typ for typ, _ in audit(files, JOURNAL, signer().public_key())] == ["boot", "checkpoint", "mark"]


def test_the_state_follows_what_is_written_and_a_restart_finds_the_same() -> None:
    files = disk()
    journal = start(files, every=3)
    for number in range(8):
        journal.append(Event(event="night-on", at_us=number, detail={}))
    journal.close()
    again = recover(DATA, signer(), ToldClock(), files, BOOT, checkpoint_records=3)
    expected = journal.state
    assert again.before == expected
    assert isinstance(again.before, JournalState)


def test_digests_of_older_lines_are_found_by_file(tmp_path: Path) -> None:
    files = OsFiles()
    journal = recover(tmp_path, signer(), ToldClock(), files, BOOT, checkpoint_records=100).journal
    digests = [journal.digest_of(0)]
    for number in range(6):
        digests.append(journal.append(mark(str(number))).line_digest)
        if number % 2:
            rotated = journal.rotate()
            assert rotated is not None
            digests.append(rotated.line_digest)
    journal._recent.clear()
    assert [journal.digest_of(seq) for seq in range(len(digests))] == digests
    assert journal.digest_of(len(digests)) is None
    assert journal.digest_of(-1) is None


def test_records_carry_every_common_field() -> None:
    journal = start(disk())
    record: Record = mark()
    payload = journal.append(record).payload
    assert list(payload)[:9] == [
        "ver", "journal_id", "seq", "prev", "iat", "uptime_us", "bootcount", "bootseed", "clock",
    ]  # fmt: skip
    assert payload["iat"] == round(payload["iat"], 3)
