"""A journal of many shifts, made with the real journal and signer: what a unit has after months of work.

Each segment has its ``segment-open``, a ``head`` of two entries about each second as a running unit writes them at
7 Mbit/s, and its ``segment-close``; each shift is a file of its own, in a boot of its own.
"""

from __future__ import annotations

import json
import random
import uuid
from pathlib import Path

import click

from firmware_bridge.clock import SystemClock
from recorder.channel.messages import Closed, Opened
from recorder.evidence.encoding import b64u
from recorder.evidence.files import OsFiles
from recorder.evidence.jws import Signer
from recorder.evidence.records import Entry, Head
from recorder.session.conversion import segment_close, segment_open
from tools.bench.clocks import START_US, SetClock
from tools.bench.identity import recipients
from tools.bench.pki import enrol
from tools.bench.unit_side import CAMERA, UnitSide, new_id

SEGMENT_US = 60_000_000
HEADS = 62
ENTRY_BYTES = 425_000
SHIFT_SEGMENTS = 400
"""Something over six hours of recording a shift."""


class Shift:
    """One shift of ``segments`` segments, written through ``side``."""

    def __init__(self, side: UnitSide, clock: SetClock, keys: tuple[str, ...], rng: random.Random) -> None:
        self._side = side
        self._clock = clock
        self._keys = keys
        self._rng = rng
        self._digests = [b64u(rng.randbytes(32)) for _ in range(997)]

    def write(self, segments: int) -> None:
        session_id = new_id()
        self._side.start_session(session_id, self._clock.now_us)
        for index in range(segments):
            self._segment(session_id, index)
        self._side.stop_session(session_id, self._clock.now_us)

    def _digest(self) -> str:
        return self._rng.choice(self._digests)

    def _segment(self, session_id: str, index: int) -> None:
        begin_us, segment_id = self._clock.now_us, new_id()
        self._side.journal.append(segment_open(self._opened(session_id, segment_id, index, begin_us), None), sync=False)
        offset = 0
        for head in range(HEADS):
            entries: list[Entry] = []
            for half in range(2):
                end_us = begin_us + (2 * head + half + 1) * SEGMENT_US // (2 * HEADS)
                entries.append((offset, ENTRY_BYTES, self._digest(), self._digest(), end_us))
                offset += ENTRY_BYTES
            self._clock.now_us = begin_us + (head + 1) * SEGMENT_US // HEADS
            record = Head(segment_id=segment_id, first=2 * head, entries=tuple(entries))
            self._side.journal.append(record, sync=False)
        self._side.write(segment_close(self._closed(session_id, segment_id, begin_us, offset)))

    def _opened(self, session_id: str, segment_id: str, index: int, begin_us: int) -> Opened:
        return Opened(
            camera_id=CAMERA,
            at_us=begin_us,
            n=1,
            session_id=session_id,
            segment_id=segment_id,
            segment_index=index,
            role="live",
            media_start_us=begin_us,
            codecs="avc1.42c028,mp4a.40.2",
            width=1920,
            height=1080,
            frame_rate=30.0,
            audio_rate=48_000,
            recipients=self._keys,
            officers=(),
        )

    def _closed(self, session_id: str, segment_id: str, begin_us: int, size: int) -> Closed:
        return Closed(
            camera_id=CAMERA,
            at_us=self._clock.now_us,
            n=2,
            session_id=session_id,
            segment_id=segment_id,
            reason="split",
            last_of_session=False,
            entries=2 * HEADS,
            size=size,
            sha256=self._digest(),
            plaintext_size=size,
            plaintext_sha256=self._digest(),
            media_start_us=begin_us,
            media_end_us=begin_us + SEGMENT_US,
            frames=1800,
            dropped_frames=0,
            audio_gaps_us=0,
            fix_seconds=60,
        )


def write_shifts(unit: Path, signer: Signer, segments: int, wall_us: int, rng: random.Random) -> int:
    """Write the journal; returns the number of records."""
    keys = tuple(recipients())
    shifts = -(-segments // SHIFT_SEGMENTS)
    records, left = 0, segments
    for number in range(shifts):
        boot_id = str(uuid.UUID(bytes=rng.randbytes(16), version=4))
        clock = SetClock(wall_us - (shifts - number) * 24 * START_US, boot_id, START_US)
        side = UnitSide(unit, signer, clock, OsFiles(), channel=False)
        if number:
            side.journal.rotate()
        Shift(side, clock, keys, rng).write(min(left, SHIFT_SEGMENTS))
        left -= SHIFT_SEGMENTS
        side.close()
        records = side.journal.state.next_seq
    return records


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--segments", default=10_000)
def main(out: Path, segments: int) -> None:
    clock = SystemClock()
    signer = enrol(out / "unit", out / "trust", clock)
    records = write_shifts(out / "unit", signer, segments, clock.wall_us(), random.Random(20191201))
    paths = list((out / "unit" / "journal").glob("*.jws"))
    size = sum(path.stat().st_size for path in paths)
    click.echo(json.dumps({"records": records, "files": len(paths), "bytes": size}))


if __name__ == "__main__":
    main()
