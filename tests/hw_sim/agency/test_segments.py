"""The segment desk without a network: what needs a clock, a full disk or a power cut."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.ports import ClockQuality
from hw_sim.agency.certificates import file_signer
from hw_sim.agency.objects.folder import FolderStore
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.apart import ApartDesk
from hw_sim.agency.store.desks import Ground, put_together
from hw_sim.agency.store.disk import free_bytes
from hw_sim.agency.store.durable import SYNC_BYTES
from hw_sim.agency.store.holders import Holders
from hw_sim.agency.store.keeping import Keeper
from hw_sim.agency.store.problem import Problem
from hw_sim.agency.store.quota import UnitLimits
from hw_sim.agency.store.receipts import ReceiptDesk
from hw_sim.agency.store.register import IssuedReceipt, Register, Upload, UploadState
from hw_sim.agency.store.segments import Claim, Limits, SegmentDesk, claim_of
from hw_sim.agency.store.staging import Staging
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.trust import Trust
from tests.hw_sim.agency.unit_double import new_key

UNIT = "zfy-1"
JOURNAL, SESSION, SEGMENT = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "123")


@dataclass(slots=True)
class HandClock:
    """A clock moved by hand. ``boot``: changed by a power cut."""

    wall: float = 1_700_000_000.0
    boot: str = "boot-1"

    def wall_us(self) -> int:
        return round(self.wall * 1e6)

    def boottime_us(self) -> int:
        return round(self.wall * 1e6)

    def boot_id(self) -> str:
        return self.boot

    def quality(self) -> ClockQuality:
        return ClockQuality("none", False, None)


@dataclass(slots=True)
class Desks:
    """A store without its server, restartable."""

    root: Path
    clock: HandClock = field(default_factory=HandClock)
    limits: Limits = field(default_factory=lambda: Limits(reserve=0))
    unit_limits: UnitLimits = field(default_factory=UnitLimits)
    free: Callable[[Path], int] = free_bytes
    register: Register = field(init=False)
    segments: SegmentDesk = field(init=False)
    staging: Staging = field(init=False)
    apart: ApartDesk = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.register = Register(self.root / "store.db")
        self.staging = Staging(self.root / "staging", self.register, self.clock, self.free)
        alarms = Alarms(self.root / "alarms.log", self.clock)
        receipts = ReceiptDesk(self.register, file_signer(new_key()), self.clock, "test")
        keeper = Keeper(FolderStore(self.root), self.clock, 86400.0)
        published: list[IssuedReceipt] = []
        ground = Ground(
            self.root,
            self.register,
            self.staging,
            receipts,
            keeper,
            Trust,
            self.clock,
            alarms,
            Holders(1.0),
            published.append,
        )
        made = put_together(ground, self.limits, self.unit_limits)
        self.segments, self.apart = made.segments, made.apart

    def restart(self) -> None:
        self.register.close()
        self.start()
        self.segments.recover()


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[Desks]:
    made = Desks(tmp_path)
    yield made
    made.register.close()


def upload(upload_id: str, state: UploadState) -> Upload:
    return Upload(upload_id, UNIT, JOURNAL, SESSION, SEGMENT, sha256_b64u(b"x"), 1, state, 1, "boot-1", 0.0)


def claim(data: bytes) -> Claim:
    return Claim(JOURNAL, SESSION, SEGMENT, sha256_b64u(data), len(data))


def reader(data: bytes, block: int = 16384) -> Callable[[memoryview], int]:
    pending = memoryview(data)

    def read(buffer: memoryview) -> int:
        nonlocal pending
        count = min(len(buffer), len(pending), block)
        buffer[:count] = pending[:count]
        pending = pending[count:]
        return count

    return read


def push(desks: Desks, upload_id: str, offset: int, data: bytes, unit_id: str = UNIT) -> int | None:
    place = desks.segments.patch(unit_id, upload_id, offset, len(data), reader(data), None)
    return None if place is None else place.offset


def test_a_store_without_room_refuses_before_the_bytes(tmp_path: Path) -> None:
    desks = Desks(tmp_path, limits=Limits(reserve=1 << 60))
    with pytest.raises(Problem) as refused:
        desks.segments.create(UNIT, claim(b"abc"), None)
    assert refused.value.kind.status == 507
    desks.register.close()


def another(digit: str, data: bytes) -> Claim:
    return replace(claim(data), segment_id=f"{digit * 8}-0000-4000-8000-000000000000")


def test_what_was_promised_to_others_is_not_free(tmp_path: Path) -> None:
    room = 10_000
    desks = Desks(tmp_path, limits=Limits(reserve=1000), free=lambda _: room)
    first = desks.segments.create(UNIT, another("4", bytes(6000)), None).upload_id
    with pytest.raises(Problem) as refused:
        desks.segments.create(UNIT, another("5", bytes(4000)), None)
    assert refused.value.kind.status == 507
    push(desks, first, 0, bytes(5000))
    room -= 5000
    desks.segments.create(UNIT, another("6", bytes(3000)), None)
    with pytest.raises(Problem):
        desks.segments.create(UNIT, another("7", bytes(1)), None)
    desks.register.close()


def test_the_reserve_is_not_touched_by_an_upload_that_was_begun(tmp_path: Path) -> None:
    room, data = 1 << 40, os.urandom(5 << 20)
    desks = Desks(tmp_path, limits=Limits(reserve=1000), free=lambda _: room)
    upload_id = desks.segments.create(UNIT, claim(data), None).upload_id
    push(desks, upload_id, 0, data[:1000])
    pending = reader(data[1000:])

    def read(buffer: memoryview) -> int:
        nonlocal room
        room -= 1 << 33  # somebody else writes, too
        return pending(buffer)

    with pytest.raises(Problem) as refused:
        desks.segments.patch(UNIT, upload_id, 1000, len(data) - 1000, read, None)
    assert refused.value.kind.status == 507
    assert room < 1000
    kept = desks.segments.head(UNIT, upload_id, None).offset
    assert 1000 < kept < len(data)
    room = 1 << 40
    assert push(desks, upload_id, kept, data[kept:]) == len(data)
    desks.register.close()


def test_after_a_power_cut_only_what_was_synced_counts(desks: Desks) -> None:
    data = os.urandom(SYNC_BYTES + 1_000_000)
    upload_id = desks.segments.create(UNIT, claim(data), None).upload_id
    assert push(desks, upload_id, 0, data[:1000]) == 1000
    part = desks.staging.part(upload_id)
    with part.open("ab") as file:
        file.write(b"bytes a dying machine may have written in any order")
    desks.clock.boot = "boot-2"
    desks.restart()
    assert desks.segments.head(UNIT, upload_id, None).offset == 1000
    assert part.stat().st_size == 1000
    assert push(desks, upload_id, 1000, data[1000:]) == len(data)
    assert desks.staging.whole(upload_id).read_bytes() == data


def test_after_a_kill_within_a_boot_nothing_received_is_asked_for_again(desks: Desks) -> None:
    data = os.urandom(50_000)
    upload_id = desks.segments.create(UNIT, claim(data), None).upload_id
    assert push(desks, upload_id, 0, data[:1000]) == 1000
    with desks.staging.part(upload_id).open("ab") as file:
        file.write(data[1000:30_000])  # written by the process that was killed, its sync never reached
    desks.restart()
    assert desks.segments.head(UNIT, upload_id, None).offset == 30_000
    assert push(desks, upload_id, 30_000, data[30_000:]) == len(data)


def test_a_crash_after_the_last_byte_is_finished_at_the_next_start(desks: Desks) -> None:
    data = os.urandom(50_000)
    upload_id = desks.segments.create(UNIT, claim(data), None).upload_id
    with desks.staging.part(upload_id).open("ab") as file:
        file.write(data)
    desks.restart()
    upload = desks.register.upload(upload_id)
    assert upload is not None
    assert upload.state == "whole"
    # Between the rename and the register.
    desks.register.upload_state(upload_id, "uploading")
    desks.restart()
    upload = desks.register.upload(upload_id)
    assert upload is not None
    assert upload.state == "whole"
    assert desks.segments.head(UNIT, upload_id, None).offset == len(data)


def test_a_crash_before_the_row_leaves_no_file(desks: Desks) -> None:
    orphan = desks.staging.part("0" * 40)
    orphan.write_bytes(b"nobody knows me")
    desks.restart()
    assert not orphan.exists()


def test_a_start_clears_what_is_stored_and_reads_no_history(desks: Desks) -> None:
    with desks.register.atomic():
        for number in range(5000):
            desks.register.add_upload(upload(f"{number:040d}", "stored"))
        desks.register.add_upload(upload("a" * 40, "whole"))
    left, waiting = desks.staging.whole(f"{7:040d}"), desks.staging.whole("a" * 40)
    for path in (left, waiting):
        path.write_bytes(b"x")
    tracemalloc.start()
    try:
        desks.segments.recover()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not left.exists()
    assert waiting.exists()
    assert peak < 500_000, "all uploads ever stored were loaded"


def test_wrong_bytes_found_after_a_crash_start_over(desks: Desks) -> None:
    data = os.urandom(1000)
    upload_id = desks.segments.create(UNIT, claim(data), None).upload_id
    desks.staging.part(upload_id).write_bytes(bytes(1000))
    desks.restart()
    assert desks.segments.head(UNIT, upload_id, None).offset == 0
    assert push(desks, upload_id, 0, data) == 1000


def test_only_the_last_rejected_attempts_are_kept(desks: Desks) -> None:
    data = b"right"
    upload_id = desks.segments.create(UNIT, claim(data), None).upload_id
    for number in range(5):
        with pytest.raises(Problem) as refused:
            push(desks, upload_id, 0, b"wrong"[:4] + str(number).encode())
        assert refused.value.kind.status == 460
    rejected = sorted((desks.root / "staging" / "rejected").iterdir())
    assert [path.read_bytes()[-1:] for path in rejected] == [b"4", b"3", b"2"]


def test_unfinished_uploads_expire_and_whole_ones_never(desks: Desks) -> None:
    data, other = os.urandom(1000), os.urandom(10)
    partial = desks.segments.create(UNIT, claim(data), None).upload_id
    push(desks, partial, 0, data[:10])
    whole = desks.segments.create(UNIT, claim(other), None).upload_id
    push(desks, whole, 0, other)
    desks.clock.wall += desks.limits.expire_s - 1
    assert desks.segments.expire() == 0
    desks.clock.wall += 2
    assert desks.segments.expire() == 1
    with pytest.raises(Problem) as gone:
        desks.segments.head(UNIT, partial, None)
    assert gone.value.kind.status == 404
    assert not desks.staging.part(partial).exists()
    assert desks.segments.head(UNIT, whole, None).offset == 10


@given(
    metadata=st.dictionaries(
        st.sampled_from(["journal_id", "session_id", "segment_id", "sha256"]), st.text(max_size=45)
    ),
    size=st.integers(-2, 5),
)
def test_no_claim_can_leave_its_folder(metadata: dict[str, str], size: int) -> None:
    try:
        made = claim_of(metadata, size)
    except Problem:
        return
    assert not set("/.\0") & set(made.journal_id + made.session_id + made.segment_id + made.sha256)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_mixture_of_pieces_crashes_and_power_cuts_ends_with_the_right_bytes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    desks = Desks(tmp_path_factory.mktemp("desks"))
    content = os.urandom(data.draw(st.integers(1, 60_000)))
    upload_id = desks.segments.create(UNIT, claim(content), None).upload_id
    for _ in range(data.draw(st.integers(0, 8))):
        offset = desks.segments.head(UNIT, upload_id, None).offset
        if offset == len(content):
            break
        event = data.draw(st.sampled_from(["piece", "dropped", "kill", "power-cut"]))
        size = data.draw(st.integers(1, len(content) - offset))
        if event == "piece":
            assert push(desks, upload_id, offset, content[offset : offset + size]) == offset + size
        elif event == "dropped":
            read = reader(content[offset : offset + size - 1])
            assert desks.segments.patch(UNIT, upload_id, offset, size, read, None) is None
            assert desks.segments.head(UNIT, upload_id, None).offset == offset + size - 1
        else:
            with desks.staging.part(upload_id).open("ab") as file:
                file.write(content[offset : offset + size] if event == "kill" else os.urandom(size))
            if event == "power-cut":
                desks.clock.boot += "+"
            desks.restart()
    offset = desks.segments.head(UNIT, upload_id, None).offset
    push(desks, upload_id, offset, content[offset:])
    assert desks.staging.whole(upload_id).read_bytes() == content
    desks.register.close()
