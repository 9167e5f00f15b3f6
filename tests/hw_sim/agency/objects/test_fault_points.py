"""The path after the last byte: its order, and a death at each of its steps, on every engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.certificates import file_signer
from hw_sim.agency.objects.ports import Content, Lock, LockMissing, ObjectDamaged, StoredVersion
from hw_sim.agency.objects.s3 import S3Store
from hw_sim.agency.store.keeping import Keeper
from hw_sim.agency.store.register import Named
from hw_sim.agency.store.tls import AgencyTrust
from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.records import LockMode, Receipt
from tests.hw_sim.agency.objects.engines import Engine, file_of
from tests.hw_sim.agency.objects.ingest import RETAIN_S, Died, Ingest, Step, WatchedStore
from tests.hw_sim.agency.unit_double import DoubleSegment, UnitDouble, new_key

STEPS = (
    "before put",
    "after put",
    "digest read back",
    "lock read back",
    "before signing",
    "after signing",
    "before publishing",
)


def no_step(_: str) -> None:
    pass


@pytest.fixture
def ingest(tmp_path: Path, authority: Authority) -> Ingest:
    trust = AgencyTrust(authority.ca_file, authority.crl_file)
    (tmp_path / "root").mkdir()
    return Ingest(tmp_path / "root", SystemClock(), file_signer(new_key()), trust.current)


@pytest.fixture
def unit(authority: Authority, tmp_path: Path) -> UnitDouble:
    made = UnitDouble.enrolled(authority, f"zfy-{os.urandom(4).hex()}", tmp_path / "unit")
    made.write_boot()
    return made


def recorded(unit: UnitDouble) -> DoubleSegment:
    segment = unit.segment(300_000)
    unit.close(segment)
    return segment


def dying_at(wanted: str, segments_only: Callable[[], bool]) -> Step:
    def step(name: str) -> None:
        if name == wanted and segments_only():
            raise Died(name)

    return step


def receipts_with_segments(ingest: Ingest, unit: UnitDouble) -> list[Receipt]:
    texts = (ingest.root / unit.unit_id / unit.journal_id / "receipts").glob("*.jws")
    receipts = [Receipt.model_validate(jws.split(path.read_text().strip()).payload) for path in texts]
    return [receipt for receipt in receipts if receipt.segments]


def test_the_order_is_put_read_back_lock_sign_register_file_publish(
    ingest: Ingest, unit: UnitDouble, engine: Engine, tmp_path: Path
) -> None:
    engine.start()
    seen: list[str] = []
    segment = recorded(unit)

    def step(name: str) -> None:
        stored = ingest.register.object(unit.unit_id, segment.segment_id) is not None
        filed = bool(receipts_with_segments(ingest, unit))
        seen.append(f"{name}{', registered' if stored else ''}{', filed' if filed else ''}")

    ingest.live(engine.store(tmp_path), no_step)
    ingest.post(unit)
    ingest.die()
    ingest.live(engine.store(tmp_path), step)
    ingest.upload(unit, segment)
    assert seen == [*STEPS[:-1], "before publishing, registered, filed"]
    ingest.die()


@pytest.mark.parametrize("journal_first", [True, False])
@pytest.mark.parametrize("at", STEPS)
def test_a_death_at_any_step_is_finished_by_the_next_life(
    ingest: Ingest, unit: UnitDouble, engine: Engine, tmp_path: Path, at: str, journal_first: bool
) -> None:
    engine.start()
    objects = engine.store(tmp_path)
    segment = recorded(unit)
    armed = False
    ingest.live(objects, dying_at(at, lambda: armed))
    if journal_first:
        ingest.post(unit)
        armed = True
        with pytest.raises(Died):
            ingest.upload(unit, segment)
    else:
        ingest.upload(unit, segment)
        armed = True
        with pytest.raises(Died):
            ingest.post(unit)
    ingest.die()
    ingest.live(engine.again(objects), no_step)
    ingest.post(unit)
    ingest.upload(unit, segment)
    (receipt,) = receipts_with_segments(ingest, unit)
    (stored,) = receipt.segments
    assert (stored.sha256, stored.size) == (segment.sha256, len(segment.data))
    assert stored.retain_until >= stored.stored_at + RETAIN_S
    version = StoredVersion(stored.object, stored.version)
    assert objects.digest_of(version) == Content(segment.sha256, len(segment.data))
    if isinstance(objects, S3Store):
        assert len(objects.versions(stored.object)) == 1
    else:
        sums = (tmp_path / "worm" / unit.unit_id / unit.journal_id / "SHA256SUMS").read_text()
        assert sums.count("\n") == 1
    assert list((ingest.root / "staging").glob("*.*")) == []
    ingest.die()


# --- what the keeper does not believe ---------------------------------------------------------------------------------


class Lying:
    """A store that says it has put everything, and gives back what it was made with."""

    def __init__(self, content: Content, lock: Lock) -> None:
        self._content, self._lock = content, lock

    lock_mode: LockMode = "compliance"

    def put_locked(self, key: str, source: Path, content: Content, retain_until: float) -> StoredVersion:
        return StoredVersion(key, "v1")

    def digest_of(self, stored: StoredVersion) -> Content:
        return self._content

    def lock_of(self, stored: StoredVersion) -> Lock:
        return self._lock

    def open(self, stored: StoredVersion) -> object:
        raise AssertionError("not asked for")


NAMED = Named("zfy-1", "journal", "segment", "session", sha256_b64u(b"right"), 5, ".mp4.age", 3)
RIGHT = Content(NAMED.sha256, 5)
FAR = 4_000_000_000.0


@pytest.mark.parametrize(
    ("content", "lock", "error"),
    [
        (Content(sha256_b64u(b"wrong"), 5), Lock("compliance", FAR), ObjectDamaged),
        (Content(NAMED.sha256, 6), Lock("compliance", FAR), ObjectDamaged),
        (RIGHT, Lock("none", None), LockMissing),
        (RIGHT, Lock("none", FAR), LockMissing),
        (RIGHT, Lock("immutable", None), LockMissing),
        (RIGHT, Lock("compliance", 1_000.0), LockMissing),
    ],
)
def test_a_store_that_lies_gets_no_receipt(content: Content, lock: Lock, error: type[Exception]) -> None:
    keeper = Keeper(Lying(content, lock), SystemClock(), RETAIN_S)  # type: ignore[arg-type]
    with pytest.raises(error):
        keeper.keep(Path("unused"), NAMED)


def test_a_store_that_does_not_lie_does() -> None:
    kept = Keeper(Lying(RIGHT, Lock("compliance", FAR)), SystemClock(), RETAIN_S).keep(Path("unused"), NAMED)  # type: ignore[arg-type]
    assert (kept.version, kept.lock_mode, kept.retain_until) == ("v1", "compliance", FAR)
    assert kept.key == "zfy-1/journal/segments/session/segment.mp4.age"


def test_damage_of_our_own_put_is_put_once_more_and_not_for_ever(s3_engine: Engine, tmp_path: Path) -> None:
    """An engine that stored other bytes than it was given (Ceph takes a wrong checksum): by its mark it is ours."""
    s3_engine.start()
    objects = s3_engine.store(tmp_path)
    assert isinstance(objects, S3Store)
    source, content = file_of(tmp_path, b"right")
    for number in range(3):
        objects.client.put_object(
            Bucket=objects.bucket, Key=objects.prefix + "u/j/a", Body=b"wrong", Metadata={"sha256": content.sha256}
        )
        if number < 2:
            continue
        with pytest.raises(ObjectDamaged):
            objects.put_locked("u/j/a", source, content, FAR)
    objects.client.put_object(
        Bucket=objects.bucket, Key=objects.prefix + "u/j/b", Body=b"wrong", Metadata={"sha256": content.sha256}
    )
    stored = WatchedStore(objects, no_step).put_locked("u/j/b", source, content, FAR)
    assert objects.digest_of(stored) == content
