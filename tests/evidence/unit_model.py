"""A miniature recorder on a simulated disk: writes what the real one writes, in the same order, and remembers the truth.

``signed`` holds what the journal has promised (an entry whose ``head`` came back from a synced append): after any power
cut exactly this must still be there.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from recorder.evidence.age import CHUNK, AgeEncryptor, generate_identity
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import Files
from recorder.evidence.journal import Journal
from recorder.evidence.records import (
    Encryption,
    Entry,
    Head,
    Media,
    SegmentClose,
    SegmentOpen,
    SessionStart,
    SessionStop,
    ShiftStart,
    Standby,
)
from recorder.evidence.recovery import Recovered, recover
from recorder.evidence.segment_recovery import FREE_BOX, segment_path
from recorder.evidence.signer import FileSigner
from tests.evidence.kit import BOOT, ToldClock, counting_ids, signer

DATA = Path("/data")
IDENTITY = generate_identity()
MEDIA = Media(mime="video/mp4", codecs="avc1.64001f", width=320, height=180, frame_rate=30.0, audio_rate=48000)


@dataclass(slots=True)
class Truth:
    """``signed``: (offset, bytes) of entries promised, by segment. ``appended``: records a synced append returned for."""

    signed: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    appended: list[tuple[int, str]] = field(default_factory=list)


class MiniUnit:
    def __init__(
        self,
        disk: Files,
        clock: ToldClock,
        sealed: bool,
        seed: int,
        checkpoint_records: int = 7,
        key: FileSigner | None = None,
    ) -> None:
        self.disk = disk
        self.clock = clock
        self.sealed = sealed
        self.rnd = random.Random(seed)
        self.truth = Truth()
        self.ids: Callable[[], str] = counting_ids(seed + 1)
        self._every = checkpoint_records
        self._signer = key or signer()
        self.journal: Journal

    def start(self) -> Recovered:
        recovered = recover(
            DATA, self._signer, self.clock, self.disk, BOOT, checkpoint_records=self._every, new_id=self.ids
        )
        self.journal = recovered.journal
        return recovered

    def shift(self) -> None:
        self.journal.rotate()
        self._append(ShiftStart(shift_id=self.ids(), trigger="auto"))

    def session(self, segments: int, entries: int, heads_each: int, *, stop: bool = True) -> None:
        session_id = self.ids()
        now = self.clock.boottime_us()
        self._append(Standby(shift_id=None, from_us=now - 100, to_us=now))
        self._append(
            SessionStart(
                session_id=session_id,
                shift_id=None,
                trigger="button",
                resumes=None,
                at_us=now,
                cameras=("cam0",),
                officers=0,
                matter=None,
                last_receipt=None,
            )
        )
        for index in range(segments):
            self.segment(session_id, index, entries, heads_each)
        if stop:
            self._append(SessionStop(session_id=session_id, reason="button", at_us=now, segment_count=segments))

    def segment(self, session_id: str, index: int, entries: int, heads_each: int) -> None:
        segment_id = self.ids()
        path = segment_path(DATA, session_id, segment_id, sealed=self.sealed)
        self.disk.make_dir(path.parent)
        file = self.disk.create(path)
        start_us = self.clock.boottime_us()
        self._append(
            SegmentOpen(
                session_id=session_id,
                segment_id=segment_id,
                segment_index=index,
                camera_id="cam0",
                role="live",
                media_start_us=start_us,
                media=MEDIA,
                encryption=Encryption(format="age-v1" if self.sealed else "none", recipients=()),
                overlay=None,
            )
        )
        encryptor = AgeEncryptor([IDENTITY.recipient]) if self.sealed else None
        stored_all, plain_all = b"", b""
        waiting: list[tuple[int, bytes, bytes]] = []
        signed = 0
        for number in range(entries + 1):
            plain = FREE_BOX if number == entries else self.rnd.randbytes(CHUNK * self.rnd.randint(1, 2))
            if encryptor is None:
                stored = plain
            elif number == entries:
                stored = encryptor.finish(plain)
            else:
                stored = (encryptor.header if number == 0 else b"") + encryptor.seal(plain)
            file.write(stored)
            file.sync()
            waiting.append((len(stored_all), stored, plain))
            stored_all += stored
            plain_all += plain
            if len(waiting) == heads_each or number == entries:
                self._head(segment_id, signed, waiting)
                signed += len(waiting)
                waiting = []
        file.close()
        self._append(
            SegmentClose(
                session_id=session_id,
                segment_id=segment_id,
                camera_id="cam0",
                reason="split",
                entries=entries + 1,
                size=len(stored_all),
                sha256=sha256_b64u(stored_all),
                plaintext_size=len(plain_all),
                plaintext_sha256=sha256_b64u(plain_all),
                media_start_us=start_us,
                media_end_us=self.clock.boottime_us(),
                frames=entries,
                dropped_frames=0,
                audio_gaps_us=0,
                fix_seconds=0,
            )
        )

    def _head(self, segment_id: str, first: int, waiting: list[tuple[int, bytes, bytes]]) -> None:
        entries: list[Entry] = [
            (offset, len(stored), sha256_b64u(stored), sha256_b64u(plain), self.clock.boottime_us())
            for offset, stored, plain in waiting
        ]
        self._append(Head(segment_id=segment_id, first=first, entries=tuple(entries)))
        self.truth.signed.setdefault(segment_id, []).extend((offset, stored) for offset, stored, _ in waiting)

    def _append(
        self, record: Standby | SessionStart | SessionStop | SegmentOpen | SegmentClose | Head | ShiftStart
    ) -> None:
        appended = self.journal.append(record)
        self.truth.appended.append((appended.seq, appended.line_digest))
