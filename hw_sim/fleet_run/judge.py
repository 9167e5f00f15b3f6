"""Whether a run kept what it has to keep. From the folder ``out`` alone: it can be judged again, by anybody, later."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hw_sim.agency.objects.fetch import fetch
from hw_sim.agency.objects.opening import open_objects
from hw_sim.agency.objects.ports import Content, ObjectStore, ObjectStoreError, StoredVersion
from hw_sim.agency.objects.settings import FolderSettings, parse_objects
from hw_sim.fleet_run.evidence import (
    ClosedSegment,
    StoreSide,
    UnitJournal,
    UnitSide,
    database,
    journal_bytes,
    read_journal,
    read_store,
    read_unit,
)
from recorder.evidence.p256 import PublicKey
from recorder.evidence.verify.command import verify_for_simulator

VERIFIED = 10
"""So many vaults go through ``recorder verify``, chosen by seed."""


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """``wait_s``: from docking to the object; None when there is no object. ``slack_s``: what was left of the 24 hours."""

    unit_id: str
    segment_id: str
    size: int
    marked: bool
    deadline: float
    stored_at: float | None
    wait_s: float | None
    slack_s: float | None


@dataclass(frozen=True, slots=True)
class UnitRow:
    """``records``: lines of its journal."""

    unit_id: str
    docked_at: float
    records: int
    segments: int
    bytes: int
    receipts: int
    releases: int
    verified: str


@dataclass(slots=True)
class Judgement:
    units: list[UnitRow] = field(default_factory=list)
    segments: list[SegmentRow] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @property
    def payload(self) -> int:
        return sum(segment.size for segment in self.segments)

    @property
    def late(self) -> int:
        return sum(segment.slack_s is None or segment.slack_s < 0 for segment in self.segments)

    def waits(self, marked: bool) -> list[float]:
        return sorted(item.wait_s for item in self.segments if item.marked is marked and item.wait_s is not None)

    @property
    def finish_s(self) -> float:
        """From the first docking to the last object."""
        stored = [item.stored_at for item in self.segments if item.stored_at is not None]
        return max(stored) - min(unit.docked_at for unit in self.units) if stored else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; ``values`` sorted. 0 without any."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def judge(out: Path, objects_url: str = "folder:", seed: int = 1, verified: int = VERIFIED) -> Judgement:
    """Raises OSError where there is no run, ObjectStoreError when the object store is not there any more."""
    result = Judgement()
    store_root, trust = out / "store", out / "agency" / "authority" / "trust"
    settings = parse_objects(objects_url)
    objects = open_objects(settings, store_root)
    store_key = PublicKey.from_pem((trust / "store-key.pem").read_bytes())
    folders = sorted(path for path in (out / "units").iterdir() if path.is_dir())
    sample = set(random.Random(seed).sample(range(len(folders)), min(verified, len(folders))))
    in_folder = isinstance(settings, FolderSettings) and not settings.path
    with database(store_root / "store.db") as db:
        for number, folder in enumerate(folders):
            data_dir = folder / "data"
            journal = read_journal(folder.name, journal_bytes(data_dir / "journal"))
            store = read_store(db, store_root, journal, data_dir, store_key)
            result.violations += unit_violations(journal, store, read_unit(data_dir))
            for segment in journal.segments.values():
                result.violations += segment_violations(journal, segment, store, in_folder)
                result.violations += object_violations(journal.unit_id, segment, store, objects)
                result.segments.append(_segment_row(journal, segment, store))
            word = ""
            if number in sample:
                vault = store_root / journal.unit_id / journal.journal_id
                word = _verify(vault, trust) if in_folder else _fetch_and_verify(objects, vault, trust)
                if word != "0":
                    result.violations.append(f"{journal.unit_id}: recorder verify: {word}")
            result.units.append(_unit_row(journal, store, word))
    result.violations += _alarms(store_root)
    return result


# --- pure: what must hold -----------------------------------------------------------------------------------------------


def unit_violations(journal: UnitJournal, store: StoreSide, unit: UnitSide) -> Iterator[str]:
    """Of a unit as a whole: journal complete at the store, nothing strange there, nothing waiting, nothing forgotten."""
    name = journal.unit_id
    if not journal.segments:
        yield f"{name}: 日志里没有片段 no segment in the journal"
    if store.journal != journal.data:
        yield f"{name}: 存储的日志不同 the store's journal differs: {len(store.journal)} of {len(journal.data)} bytes"
    yield from (f"{name}: 回执无效 receipt does not verify: {text}" for text in store.refused)
    for what, found in (("objects", store.objects), ("receipts", store.coverings), ("files", store.files)):
        for segment_id in set(found) - set(journal.segments):
            yield f"{name}: {segment_id}: 日志没有这个片段 not in the journal: {what}"
    if unit.outbox:
        yield f"{name}: {unit.outbox} 条未确认 announcements nobody has acknowledged"
    for segment_id, state in unit.index.items():
        if state != "removed":
            yield f"{name}: {segment_id}: 索引 index: {state!r}"
    for path in unit.files:
        yield f"{name}: {path.name}: 仍在设备上 still on the unit"


def segment_violations(
    journal: UnitJournal, segment: ClosedSegment, store: StoreSide, in_folder: bool
) -> Iterator[str]:
    """One object, one receipt, one announcement; released once, after its receipt was recorded, and in time."""
    name = f"{journal.unit_id}: {segment.segment_id}"
    entry = store.objects.get(segment.segment_id)
    if entry is None:
        yield f"{name}: 没有对象 no object in the register"
    elif (entry["sha256"], entry["size"]) != (segment.sha256, segment.size):
        yield f"{name}: 登记与日志不同 the register differs from the journal"
    elif entry["stored_at"] < journal.docked_at:
        yield f"{name}: 入坞之前已存 stored before its unit docked"
    elif entry["stored_at"] > segment.deadline:
        yield f"{name}: 超时 late by {entry['stored_at'] - segment.deadline:.0f} s"
    files = store.files.get(segment.segment_id, [])
    if in_folder and len(files) != 1:
        yield f"{name}: {len(files)} 个文件 files in the vault, not one"
    coverings = store.coverings.get(segment.segment_id, [])
    if len(coverings) != 1:
        yield f"{name}: {len(coverings)} 张有效回执 valid receipts, not one"
    if store.announced.get(segment.segment_id, 0) != 1:
        yield f"{name}: 通报 {store.announced.get(segment.segment_id, 0)} 次 announced so often, not once"
    releases = [(seq, digest) for seq, released, digest in journal.releases if released == segment.segment_id]
    if len(releases) != 1:
        yield f"{name}: 释放 {len(releases)} 次 released so often, not once"
    known = {covering.receipt_digest for covering in coverings}
    for seq, digest in releases:
        if digest not in known:
            yield f"{name}: 无回执而释放 released without a receipt for it"
        elif not journal.recorded.get(digest, seq) < seq:
            yield f"{name}: 回执入日志前已释放 released before its receipt was in the journal"


def object_violations(unit_id: str, segment: ClosedSegment, store: StoreSide, objects: ObjectStore) -> Iterator[str]:
    """The bytes read back from the store are those the journal names."""
    for covering in store.coverings.get(segment.segment_id, []):
        stored = covering.stored
        try:
            content = objects.digest_of(StoredVersion(stored.object, stored.version))
        except (ObjectStoreError, OSError) as error:
            yield f"{unit_id}: {segment.segment_id}: 对象无法读取 the object cannot be read: {error}"
            continue
        if content != Content(segment.sha256, segment.size):
            yield f"{unit_id}: {segment.segment_id}: 对象的字节不同 the object's bytes differ from the journal"


# --- rows ---------------------------------------------------------------------------------------------------------------


def _segment_row(journal: UnitJournal, segment: ClosedSegment, store: StoreSide) -> SegmentRow:
    entry = store.objects.get(segment.segment_id)
    stored_at = None if entry is None else float(entry["stored_at"])
    return SegmentRow(
        journal.unit_id,
        segment.segment_id,
        segment.size,
        segment.marked,
        segment.deadline,
        stored_at,
        None if stored_at is None else round(stored_at - journal.docked_at, 3),
        None if stored_at is None else round(segment.deadline - stored_at, 3),
    )


def _unit_row(journal: UnitJournal, store: StoreSide, verified: str) -> UnitRow:
    return UnitRow(
        journal.unit_id,
        journal.docked_at,
        len(journal.digests),
        len(journal.segments),
        sum(segment.size for segment in journal.segments.values()),
        sum(len(coverings) for coverings in store.coverings.values()),
        len(journal.releases),
        verified,
    )


def _verify(vault: Path, trust: Path) -> str:
    """``0`` when everything is proven; otherwise the exit code and the verdict."""
    summary = verify_for_simulator(vault, trust, None, None)
    code = summary["exit_code"]
    return "0" if code == 0 else f"{code} {summary['sentence_zh']} {summary['sentence_en']}"


def _fetch_and_verify(objects: ObjectStore, vault: Path, trust: Path) -> str:
    """The same of a vault whose segments lie elsewhere: fetched as an examiner would (docs/object-stores.md)."""
    with tempfile.TemporaryDirectory(prefix="zfy-fetched-") as folder:
        out = Path(folder) / "vault"
        try:
            fetched = fetch(objects, vault, out)
        except (ValueError, OSError) as error:
            return f"取回 fetch: {error}"
        if fetched.failed:
            return "; ".join(f"取回 fetch: {key}: {why}" for key, why in fetched.failed.items())
        return _verify(out, trust)


def _alarms(store_root: Path) -> list[str]:
    """The store may say that a broker or an instance was away; alarms are about units, and there is no reason for one."""
    try:
        text = (store_root / "alarms.log").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [f"警报 alarm: {json.loads(line)}" for line in text.splitlines()]
