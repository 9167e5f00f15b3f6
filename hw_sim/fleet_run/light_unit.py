"""A unit as it comes home from a shift: enrolled, with a signed journal and sealed segments, made in a moment.

Journal, records, sealing, segment files and enrolment are the recorder's own; camera and time are not: the shift is told
instead of lived through, and the media is a filler.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import Clock, ClockQuality
from hw_sim.agency.agency import Agency
from hw_sim.fleet_run.plan import FleetPlan, UnitPlan
from recorder.capture.segment_writer import SegmentFile
from recorder.evidence import enrol
from recorder.evidence import records as r
from recorder.evidence.age import AgeEncryptor
from recorder.evidence.files import AppendFile, OsAppendFile, OsFiles
from recorder.evidence.journal import Journal
from recorder.evidence.personal import seal_field
from recorder.evidence.recovery import BootFacts, recover
from recorder.evidence.signer import FileSigner, load_or_create
from recorder.uplink.precedence import STATUTORY_S

CHECKPOINT_RECORDS = 1000
SEGMENT_US = 60_000_000
ENTRY = 4 * 64 * 1024
"""Bytes of an entry: whole chunks of age."""

CAMERA = "cam0"
PLAIN_S = (2 * 3600.0, 9 * 3600.0)
"""How long ago an ordinary shift ended."""


@dataclass(frozen=True, slots=True)
class UnitFolder:
    """Where a light unit lives. A control socket's path holds 108 bytes: ``run`` is short."""

    unit_id: str
    root: Path
    run: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def trust(self) -> Path:
        return self.root / "trust"

    def signer(self) -> FileSigner:
        return load_or_create(enrol.device_key_file(self.data), enrol.device_chain_file(self.data))

    def facts(self) -> BootFacts:
        return BootFacts(f"light {self.unit_id}", self.unit_id, "light unit", "1", "zfy-recorder", "fleet run")


@dataclass(slots=True)
class ToldClock:
    """``firmware_bridge.ports.Clock`` of a shift that is told: time passes when ``passes`` is called."""

    wall_start_us: int
    boot: str
    now_us: int = 8_000_000

    def passes(self, us: int) -> None:
        self.now_us += us

    def boottime_us(self) -> int:
        self.now_us += 1_000
        return self.now_us

    def wall_us(self) -> int:
        return self.wall_start_us + self.now_us

    def boot_id(self) -> str:
        return self.boot

    def quality(self) -> ClockQuality:
        return ClockQuality("ntp", True, 20.0)


@dataclass(frozen=True, slots=True)
class DayBefore:
    """``Clock`` of the agency's authority: it enrols the units a day before their shift, whose records would otherwise be
    older than the certificate they are signed under."""

    clock: Clock

    def boottime_us(self) -> int:
        return self.clock.boottime_us()

    def wall_us(self) -> int:
        return self.clock.wall_us() - 86_400_000_000

    def boot_id(self) -> str:
        return self.clock.boot_id()

    def quality(self) -> ClockQuality:
        return self.clock.quality()


class _UnsyncedFile:
    def __init__(self, file: AppendFile) -> None:
        self._file = file

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)

    def sync(self) -> None: ...

    def close(self) -> None:
        self._file.close()


class UnsyncedFiles(OsFiles):
    """No power is cut while the fleet is being built, and whoever is killed leaves the page cache: nearly fifty syncs for
    every unit, of files and of folders, would be the half of the time it takes."""

    def create(self, path: Path) -> AppendFile:
        return _UnsyncedFile(OsAppendFile(path, os.O_CREAT | os.O_EXCL, self._medium, self._file_mode))

    def make_dir(self, path: Path) -> None:
        if not path.is_dir():
            self.make_dir(path.parent)
            path.mkdir(mode=self._dir_mode, exist_ok=True)

    def replace(self, path: Path, data: bytes, mode: int = 0o640) -> None:
        temporary = path.with_name(f".{path.name}.new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as file:
            file.write(data)
        temporary.rename(path)


def build(
    folder: UnitFolder, plan: UnitPlan, fleet: FleetPlan, agency: Agency, start_wall_s: float, pick: float
) -> None:
    """Enrol the unit and write its shift. ``start_wall_s``: when the run will begin, wall seconds; ``pick`` in 0 to 1:
    how long ago an ordinary shift ended."""
    bundle, files = folder.root / "bundle", UnsyncedFiles()
    enrol.make_requests(folder.unit_id, folder.data, folder.tls, bundle, files)
    agency.answer_enrolment(folder.unit_id, bundle)
    enrol.install(folder.unit_id, folder.data, folder.tls, folder.trust, bundle, files)
    ended_s = start_wall_s - (PLAIN_S[0] + pick * (PLAIN_S[1] - PLAIN_S[0]))
    if plan.due_s is not None:
        ended_s = start_wall_s + plan.due_s - STATUTORY_S
    lasted_us = fleet.segments * SEGMENT_US
    clock = ToldClock(round(ended_s * 1e6) - lasted_us - 9_000_000, str(uuid.uuid4()))
    recovered = recover(
        folder.data, folder.signer(), clock, files, folder.facts(), checkpoint_records=CHECKPOINT_RECORDS
    )
    _Shift(folder, fleet, agency.recipients, recovered.journal, clock, plan.marked).write()


@dataclass(slots=True)
class _Shift:
    folder: UnitFolder
    fleet: FleetPlan
    recipients: tuple[str, ...]
    journal: Journal
    clock: ToldClock
    marked: tuple[int, ...]
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())

    def _append(self, record: r.Record) -> None:
        self.journal.append(record, sync=False)

    def write(self) -> None:
        shift_id, session_id = self.new_id(), self.new_id()
        self._append(r.ShiftStart(shift_id=shift_id, trigger="auto"))
        began_us = self.clock.now_us
        self._append(
            r.SessionStart(
                session_id=session_id,
                shift_id=shift_id,
                trigger="button",
                resumes=None,
                at_us=began_us,
                cameras=(CAMERA,),
                officers=0,
                matter=None,
                last_receipt=None,
            )
        )
        for number in range(self.fleet.segments):
            self._segment(session_id, number, began_us + number * SEGMENT_US)
        ended_us = began_us + self.fleet.segments * SEGMENT_US
        self._append(
            r.SessionStop(session_id=session_id, reason="button", at_us=ended_us, segment_count=self.fleet.segments)
        )
        self._append(r.Standby(shift_id=shift_id, from_us=ended_us, to_us=self.clock.boottime_us()))
        self._append(r.ShiftEnd(shift_id=shift_id, trigger="power-off"))
        self.journal.close()

    def _segment(self, session_id: str, number: int, start_us: int) -> None:
        segment_id = self.new_id()
        self._append(
            r.SegmentOpen(
                session_id=session_id,
                segment_id=segment_id,
                segment_index=number,
                camera_id=CAMERA,
                role="live",
                media_start_us=start_us,
                media=r.Media(
                    mime="video/mp4", codecs="avc1.64001f", width=640, height=360, frame_rate=30.0, audio_rate=None
                ),
                encryption=r.Encryption(format="age-v1", recipients=self.recipients),
                overlay=seal_field({"officers": []}, self.recipients),
            )
        )
        path = self.folder.data / "segments" / session_id / f"{segment_id}.mp4.age"
        file = SegmentFile(UnsyncedFiles(), path, AgeEncryptor(self.recipients), 0, lambda act: act())
        count = max(1, round(self.fleet.segment_bytes / ENTRY))
        filler = os.urandom(ENTRY)
        entries = []
        for entry in range(count):
            written = file.append(filler)
            end_us = start_us + (entry + 1) * SEGMENT_US // count
            entries.append((written.offset, written.length, written.sha256_stored, written.sha256_plain, end_us))
        last, totals = file.finish()
        end_us = start_us + SEGMENT_US
        entries.append((last.offset, last.length, last.sha256_stored, last.sha256_plain, end_us))
        self.clock.passes(max(0, end_us - self.clock.now_us))
        self._append(r.Head(segment_id=segment_id, first=0, entries=tuple(entries)))
        if number in self.marked:
            self._append(
                r.Mark(
                    mark_id=self.new_id(),
                    session_id=session_id,
                    kind="key",
                    at_us=end_us,
                    segment_ids=(segment_id,),
                )
            )
        self._append(
            r.SegmentClose(
                session_id=session_id,
                segment_id=segment_id,
                camera_id=CAMERA,
                reason="stop" if number == self.fleet.segments - 1 else "split",
                entries=totals.entries,
                size=totals.size,
                sha256=totals.sha256,
                plaintext_size=totals.plaintext_size,
                plaintext_sha256=totals.plaintext_sha256,
                media_start_us=start_us,
                media_end_us=end_us,
                frames=SEGMENT_US // 1_000_000 * 30,
                dropped_frames=0,
                audio_gaps_us=0,
                fix_seconds=0,
            )
        )
