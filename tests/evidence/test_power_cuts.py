"""Power cuts at any step, in recording and again in every recovery: nothing signed is lost or altered, nothing else is
thrown away, and no start raises an alarm about a mere power cut."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence.encoding import sha256_b64u
from tests.evidence.journal_audit import Line, audit
from tests.evidence.kit import BOOT_A, BOOT_B, ToldClock, signer
from tests.evidence.simulated_disk import PowerCut, SimulatedDisk
from tests.evidence.unit_model import DATA, MiniUnit
from tests.support import tier

EXAMPLES = {"quick": 80, "ci": 600, "nightly": 5000}[tier()]


def segment_files(disk: SimulatedDisk) -> dict[str, bytes]:
    """Stored bytes by segment id."""
    return {
        path.name.split(".")[0]: bytes(node.content)
        for path, node in disk.nodes.items()
        if path.is_relative_to(DATA / "segments") and ".mp4" in path.suffixes
    }


def torn_files(disk: SimulatedDisk) -> dict[str, bytes]:
    return {path.stem: bytes(node.content) for path, node in disk.nodes.items() if path.suffix == ".torn"}


def check(disk: SimulatedDisk, unit: MiniUnit, lines: list[Line], survivors: dict[str, bytes]) -> None:
    by_seq = {payload["seq"]: payload for _, payload in lines}
    for seq, _ in unit.truth.appended:
        assert seq in by_seq, f"record {seq} was durable and is gone"
    stored, torn = segment_files(disk), torn_files(disk)
    recovered = {p["segment_id"]: p for typ, p in lines if typ == "recovery" and p["subject"] == "segment"}
    closed = {p["segment_id"]: p for typ, p in lines if typ == "segment-close"}
    opened = {p["segment_id"] for typ, p in lines if typ == "segment-open"}
    assert len(recovered) == sum(typ == "recovery" and p["subject"] == "segment" for typ, p in lines)
    assert opened | set(recovered) == set(closed) | set(recovered), "a segment was left open"
    assert not set(closed) & set(recovered)
    for segment_id, entries in unit.truth.signed.items():
        for offset, data in entries:
            assert stored[segment_id][offset : offset + len(data)] == data, "signed bytes were lost or altered"
    for segment_id, p in closed.items():
        assert sha256_b64u(stored[segment_id]) == p["sha256"]
    for segment_id, p in recovered.items():
        if p["outcome"] == "missing":
            assert segment_id not in stored
            continue
        kept = stored[segment_id]
        assert len(kept) == p["kept_bytes"]
        assert p["sha256"] == sha256_b64u(kept)
        assert p["kept_bytes"] >= p["last_signed_offset"]
        if p["unsigned"] is not None:
            start = p["unsigned"]["offset"]
            assert start == p["last_signed_offset"]
            assert sha256_b64u(kept[start:]) == p["unsigned"]["sha256"]
        aside = torn.get(segment_id, b"")
        assert (len(aside), sha256_b64u(aside) if aside else None) == (p["torn_bytes"], p["torn_digest"])
        assert kept + aside == survivors[segment_id], "bytes that survived the power cut were thrown away"


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    sealed=st.booleans(),
    first_cut=st.integers(8, 120),
    later_cuts=st.lists(st.integers(1, 30), max_size=4),
    same_boot=st.booleans(),
    heads_each=st.integers(1, 3),
)
def test_power_cut_anywhere_then_power_cuts_in_recovery(
    seed: int, sealed: bool, first_cut: int, later_cuts: list[int], same_boot: bool, heads_each: int
) -> None:
    disk = SimulatedDisk(seed)
    disk.dirs.add(DATA)
    clock = ToldClock(boot=BOOT_A)
    unit = MiniUnit(disk, clock, sealed, seed)
    disk.arm(cut_at=first_cut)
    try:
        unit.start()
        unit.shift()
        for _ in range(3):
            unit.session(segments=2, entries=2, heads_each=heads_each)
    except PowerCut:
        pass  # the point of the exercise
    disk.power_off()
    survivors = segment_files(disk)
    clock.boot = BOOT_A if same_boot else BOOT_B
    for cut in [*later_cuts, None]:
        disk.arm(cut_at=cut)
        try:
            recovered = unit.start()
        except PowerCut:
            disk.power_off()
            continue
        disk.arm()
        assert recovered.findings == ()
        lines = audit(disk, DATA / "journal", signer().public_key())
        check(disk, unit, lines, survivors)
        assert unit.start().recoveries == (), "a second start finds nothing left to do"
    torn_names = {f"journal/torn/{name}" for name in disk.names(DATA / "journal" / "torn")}
    recorded = [
        p["torn_file"]
        for typ, p in audit(disk, DATA / "journal", signer().public_key())
        if typ == "recovery" and p["subject"] == "journal"
    ]
    assert sorted(torn_names) == sorted(recorded)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    failures=st.frozensets(st.integers(6, 60), max_size=12),
    cut_at=st.integers(20, 90),
)
def test_storage_errors_lose_no_record_and_break_no_chain(seed: int, failures: frozenset[int], cut_at: int) -> None:
    """Every record is taken exactly once, in order, and durable once a sync has succeeded, whatever steps fail."""
    from recorder.evidence.journal import JournalError
    from recorder.evidence.records import Mark

    disk = SimulatedDisk(seed)
    disk.dirs.add(DATA)
    unit = MiniUnit(disk, ToldClock(), sealed=False, seed=seed, checkpoint_records=5)
    unit.start()
    disk.arm(cut_at=cut_at, fail_at=failures)
    durable: list[str] = []
    taken: list[str] = []
    try:
        for number in range(200):
            mark = Mark(mark_id=unit.ids(), session_id=unit.ids(), kind=f"m{number}", at_us=number, segment_ids=())
            for _ in range(len(failures) + 1):
                try:
                    unit.journal.append(mark, sync=False)
                except JournalError:
                    continue
                taken.append(mark.mark_id)
                break
            else:
                raise AssertionError("refused although the disk works again")
            if number % 3 == 0:
                try:
                    if number % 9 == 0:
                        unit.journal.rotate()
                    unit.journal.sync()
                except JournalError:
                    continue
                durable = list(taken)
                assert unit.journal.unsynced == 0
    except PowerCut:
        disk.power_off()
        recovered = unit.start()
        assert recovered.findings == ()
        lines = audit(disk, DATA / "journal", signer().public_key())
        marks = [p["mark_id"] for typ, p in lines if typ == "mark"]
        assert marks[: len(durable)] == durable
        assert marks == taken[: len(marks)] or marks[:-1] == taken
        return
    raise AssertionError("the plan ended before the power cut")
