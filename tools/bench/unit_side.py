"""What the unit process does with a worker's reports, without its devices: heads, signatures, ``fdatasync``.

The same parts in the same order as ``recorder/unit/process.py``: entries are signed in a ``head`` once they are durable and
the oldest has waited for the interval of the configuration, in media time; each commit is one ``fdatasync``.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from firmware_bridge.ports import Clock
from recorder.capture.stream import Report
from recorder.channel.messages import Closed, EntryWritten, Opened, decode_from_worker, encode
from recorder.evidence.files import Files
from recorder.evidence.journal import Journal
from recorder.evidence.jws import Signer
from recorder.evidence.records import Record, SessionStart, SessionStop, ShiftEnd, ShiftStart
from recorder.evidence.recovery import BootFacts, recover
from recorder.session.conversion import segment_close, segment_open
from recorder.unit.heads import HeadBook
from tools.bench.identity import UNIT_ID

if TYPE_CHECKING:
    from recorder.unit.ledger import Ledger

CAMERA = "cam0"
HEAD_INTERVAL_US = 500_000
"""``signing.head_interval_s`` of config/defaults.toml."""
BOOT = BootFacts("urn:bench", UNIT_ID, "bench", "1", "zfy-recorder", "bench")


def new_id() -> str:
    return str(uuid.uuid4())


def open_journal(data_dir: Path, signer: Signer, clock: Clock, files: Files) -> Journal:
    """As a start of the unit does: recover what is there, write ``boot``."""
    return recover(data_dir, signer, clock, files, BOOT, checkpoint_records=512).journal


class UnitSide:
    """``channel``: each report goes through the channel's JSON and its validation, and the index follows the journal."""

    def __init__(self, data_dir: Path, signer: Signer, clock: Clock, files: Files, *, channel: bool) -> None:
        self._channel = channel
        self.journal = open_journal(data_dir, signer, clock, files)
        self._ledger = _ledger(data_dir, self.journal) if channel else None
        self._heads = HeadBook(HEAD_INTERVAL_US)
        self._n = 0
        self._shift_id = ""
        self.segments = 0
        self.entries = 0
        self.sizes: list[int] = []

    def write(self, *records: Record) -> None:
        """Sign all of them, then make them durable with one ``fdatasync``."""
        if self._ledger is not None:
            for record in records:
                self._ledger.write(record)
            self._ledger.commit()
            if self._ledger.error is not None:
                raise self._ledger.error
            return
        for record in records:
            self.journal.append(record, sync=False)
        self.journal.sync()

    def report(self, report: Report) -> None:
        """From the worker, in order."""
        self._n += 1
        report = replace(report, n=self._n)
        if self._channel:
            decoded = decode_from_worker(encode(report))
            assert isinstance(decoded, type(report))
            report = decoded
        self._heads.arrived(self._n)
        if isinstance(report, EntryWritten):
            due_us = self._heads.due_us()
            if due_us is not None and report.media_end_us >= due_us:
                self._sign_heads()
            self._heads.add(report, report.media_end_us)
            self.entries += 1
        elif isinstance(report, Opened):
            self.write(segment_open(report, None))
        elif isinstance(report, Closed):
            self._sign_heads()
            self._heads.forget(report.segment_id)
            self.write(segment_close(report))
            self.segments += 1
            self.sizes.append(report.size)
        self._heads.settled([self._n])

    def _sign_heads(self) -> None:
        for head, reports in self._heads.take():
            self.write(head)
            self._heads.settled(reports)

    def start_session(self, session_id: str, at_us: int) -> None:
        self._shift_id = new_id()
        self.write(
            ShiftStart(shift_id=self._shift_id, trigger="auto"),
            SessionStart(
                session_id=session_id,
                shift_id=self._shift_id,
                trigger="button",
                resumes=None,
                at_us=at_us,
                cameras=(CAMERA,),
                officers=0,
                matter=None,
                last_receipt=None,
            ),
        )

    def stop_session(self, session_id: str, at_us: int) -> None:
        self.write(
            SessionStop(session_id=session_id, reason="button", at_us=at_us, segment_count=self.segments),
            ShiftEnd(shift_id=self._shift_id, trigger="power-off"),
        )

    def close(self) -> None:
        self.journal.close()


def _ledger(data_dir: Path, journal: Journal) -> Ledger:
    # SQLite and its library are loaded only where they are measured.
    from recorder.unit.index import Index
    from recorder.unit.ledger import Ledger

    return Ledger(journal, Index(data_dir / "index.db"))
