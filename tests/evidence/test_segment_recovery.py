"""A segment file cut, zeroed or garbled anywhere: what is whole stays, the torn rest is set aside, nothing is lost."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence.age import CHUNK, STORED_CHUNK, AgeEncryptor, generate_identity
from recorder.evidence.age_reader import AgeReader
from recorder.evidence.carried import OpenSegment
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.records import Recovery
from recorder.evidence.segment_recovery import FREE_BOX, orphans, recover_orphans, recover_segment, segment_path
from tests.evidence.kit import BOOT_A, counting_ids
from tests.evidence.simulated_disk import SimulatedDisk
from tests.support import tier

DATA = Path("/data")
IDENTITY = generate_identity()
IDS = counting_ids(7)
SESSION, SEGMENT = IDS(), IDS()


@dataclass(frozen=True)
class Fixture:
    """``stored`` bytes of a closed segment; ``start`` of its chunks; ``chunk`` stored length; ``final`` last piece."""

    stored: bytes
    start: int
    chunk: int
    final: int
    sealed: bool


@cache
def fixture(sealed: bool) -> Fixture:
    plain = bytes(range(256)) * (CHUNK // 256)
    if not sealed:
        return Fixture(plain + FREE_BOX, 0, CHUNK, 8, False)
    encryptor = AgeEncryptor([IDENTITY.recipient, generate_identity().recipient])
    stored = encryptor.header + encryptor.seal(plain) + encryptor.finish(FREE_BOX)
    return Fixture(stored, len(encryptor.header), STORED_CHUNK, 24, True)


def open_segment(sealed: bool, entries: int = 0, signed_end: int = 0) -> OpenSegment:
    return OpenSegment(
        session_id=SESSION,
        segment_id=SEGMENT,
        camera_id="cam0",
        role="live",
        segment_index=0,
        media_start_us=1,
        media_end_us=1,
        bootseed=BOOT_A,
        sealed=sealed,
        entries=entries,
        signed_end=signed_end,
    )


def recovered(data: bytes, sealed: bool, signed_end: int = 0) -> tuple[Recovery, bytes, bytes]:
    """The record, the kept bytes, the bytes set aside; having done it twice with the same result."""
    disk = SimulatedDisk()
    path = segment_path(DATA, SESSION, SEGMENT, sealed=sealed)
    disk.put(path, data)
    segment = open_segment(sealed, 1 if signed_end else 0, signed_end)
    record = recover_segment(DATA, disk, segment, "unclean-stop")
    assert recover_segment(DATA, disk, segment, "unclean-stop") == record, "doing it again changes nothing"
    kept = disk.read(path)
    torn = disk.read(DATA / record.torn_file) if record.torn_file else b""
    assert kept + torn == data, "every byte is still somewhere"
    assert (record.kept_bytes, record.torn_bytes) == (len(kept), len(torn))
    assert record.sha256 == sha256_b64u(kept)
    assert record.torn_digest == (sha256_b64u(torn) if torn else None)
    assert record.outcome == ("kept" if kept else "empty")
    return record, kept, torn


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "plain"])
def test_cut_at_every_byte(sealed: bool) -> None:
    made = fixture(sealed)
    whole = made.start + made.chunk
    stride = 97 if tier() == "quick" else 1
    edges = {0, 1, made.start - 1, made.start, made.start + 1, whole - 1, whole, whole + 1, len(made.stored) - 1}
    for size in sorted({*range(0, len(made.stored), stride), *edges, len(made.stored)}):
        if size < 0:
            continue
        _, kept, _ = recovered(made.stored[:size], sealed)
        if size < whole:
            assert kept == b"", size
        elif size < len(made.stored):
            assert kept == made.stored[:whole], size
        else:
            assert kept == made.stored, "the final chunk was written and only not recorded yet"


@settings(deadline=None, max_examples=40)
@given(
    sealed=st.booleans(),
    whole=st.integers(0, 2),
    tail=st.one_of(
        st.integers(1, STORED_CHUNK + 40).map(bytes), st.binary(min_size=1, max_size=300), st.just(b"\xff" * 70_000)
    ),
)
def test_zeros_and_garbage_behind_whole_chunks(sealed: bool, whole: int, tail: bytes) -> None:
    made = fixture(sealed)
    chunks = made.stored[made.start : made.start + made.chunk] * whole
    data = made.stored[: made.start] + chunks + tail
    _, kept, torn = recovered(data, sealed)
    count = (len(chunks) + len(tail)) // made.chunk
    end = made.start + count * made.chunk if count else 0
    rest = len(data) - end
    if not (count and rest == made.final and (sealed or data[end:] == FREE_BOX)):
        assert len(kept) == end
        assert len(torn) == rest


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "plain"])
def test_signed_bytes_stay_even_when_they_end_inside_a_chunk(sealed: bool) -> None:
    """A head signed the final chunk, and only the close record is missing: whatever its length, it is no torn tail."""
    made = fixture(sealed)
    data = made.stored[: made.start + made.chunk] + b"f" * 100
    record, kept, torn = recovered(data + b"unsigned rest", sealed, signed_end=len(data))
    assert kept == data
    assert torn == b"unsigned rest"
    assert (record.last_signed_offset, record.unsigned) == (len(data), None)


def test_what_was_durable_but_not_signed_is_told_apart() -> None:
    made = fixture(False)
    data = made.stored[:CHUNK] * 3
    record, kept, _ = recovered(data, False, signed_end=CHUNK)
    assert kept == data
    assert record.signed_entries == 1
    assert record.unsigned is not None
    assert (record.unsigned.offset, record.unsigned.length) == (CHUNK, 2 * CHUNK)
    assert record.unsigned.sha256 == sha256_b64u(data[CHUNK:])


def test_a_disk_that_lost_signed_bytes_shows() -> None:
    made = fixture(False)
    record, kept, _ = recovered(made.stored[:CHUNK] + b"x", False, signed_end=2 * CHUNK)
    assert len(kept) == CHUNK
    assert record.kept_bytes < record.last_signed_offset
    assert record.unsigned is None


def test_a_missing_file_is_said_to_be_missing() -> None:
    record = recover_segment(DATA, SimulatedDisk(), open_segment(True), "worker-exit")
    assert (record.outcome, record.kept_bytes, record.sha256, record.torn_file) == ("missing", 0, None, None)
    assert (record.reason, record.segment_id, record.camera_id) == ("worker-exit", SEGMENT, "cam0")


def test_what_is_kept_of_a_sealed_file_opens_to_its_last_whole_chunk() -> None:
    encryptor = AgeEncryptor([IDENTITY.recipient])
    data = encryptor.header + encryptor.seal(bytes(2 * CHUNK)) + encryptor.seal(bytes(CHUNK))[:-1]
    _, kept, _ = recovered(data, True)
    reader = AgeReader(io.BytesIO(kept), [IDENTITY])
    assert b"".join(reader.chunks()) == bytes(2 * CHUNK)


def test_a_file_that_still_grows_gets_no_record() -> None:
    made = fixture(True)
    path = segment_path(DATA, SESSION, SEGMENT, sealed=True)

    class Growing(SimulatedDisk):
        """A worker that outlived its unit process appends while the file is read."""

        def read_chunks(self, path: Path, chunk: int = 1 << 20) -> Iterator[bytes]:
            yield from super().read_chunks(path, chunk)
            self.nodes[path].content += b"more"

    disk = Growing()
    disk.put(path, made.stored)
    with pytest.raises(OSError, match="still being written"):
        recover_segment(DATA, disk, open_segment(True), "unclean-stop")


def test_orphans_are_kept_and_only_segments_are_looked_at() -> None:
    sealed, plain, known = IDS(), IDS(), IDS()
    disk = SimulatedDisk()
    disk.put(segment_path(DATA, SESSION, sealed, sealed=True), fixture(True).stored + b"torn")
    disk.put(segment_path(DATA, SESSION, plain, sealed=False), b"only a beginning")
    disk.put(segment_path(DATA, SESSION, known, sealed=True), b"known")
    folder = segment_path(DATA, SESSION, known, sealed=True).parent
    for stray in ("notes.txt", f"{known}.torn", f".{known}.mp4.new", f"{known}.mp4.age.bak"):
        disk.put(folder / stray, b"x")
    before = dict(disk.nodes)
    assert orphans(DATA, disk, SESSION, known.__eq__) == sorted([sealed, plain])
    records = {
        record.segment_id: record for record in recover_orphans(DATA, disk, SESSION, known.__eq__, "unclean-stop")
    }
    assert records[sealed].outcome == "kept"
    unsigned = records[sealed].unsigned
    assert unsigned is not None
    assert unsigned.offset == 0
    assert (records[sealed].camera_id, records[sealed].signed_entries) == (None, 0)
    assert records[plain].outcome == "empty"
    assert disk.read(DATA / str(records[plain].torn_file)) == b"only a beginning"
    assert set(before) <= set(disk.nodes)


def test_bytes_only_the_page_cache_shows_are_not_recorded_as_kept() -> None:
    """A sync failed and the worker gave the file up. Readers go on seeing its last chunk, the medium does not have it: a
    record of it would make the next power cut look like somebody's hand."""
    made = fixture(True)
    disk = SimulatedDisk(3)
    path = segment_path(DATA, SESSION, SEGMENT, sealed=True)
    for parent in path.parents:
        disk.dirs.add(parent)
    whole = made.start + made.chunk
    file = disk.create(path)
    file.write(made.stored[:whole])
    file.sync()
    disk.arm(fail_at=frozenset({2}))
    file.write(made.stored[whole:])
    with pytest.raises(OSError, match="Input/output"):
        file.sync()
    disk.arm()
    record = recover_segment(DATA, disk, open_segment(True), "worker-exit")
    disk.power_off()
    assert record.kept_bytes == whole
    assert record.sha256 == sha256_b64u(disk.read(path))
