"""Walks the boxes of a fragmented MP4 (ISO/IEC 14496-12) as it streams by: fragments contiguous, frames counted.

Nothing is decoded. What is checked: the bytes are a sequence of whole boxes, the fragments are numbered without a gap
(``mfhd``), none begins before the one before has ended (``tfdt``), and how many video samples there are. A fragment that
begins later extends the last sample before it (8.8.12): the writer had put it on the disk because the camera halted, and
could not know for how long. So it is judged as what it shows: a picture that stands still. Every size is bounded: the
input may be hostile.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

MAX_HEADER_BOX = 8 << 20
"""``moov`` and ``moof`` are kept whole; larger ones are refused."""
MAX_PROBLEMS = 20
MAX_SAMPLES = 1 << 20
"""In one ``trun``: a fragment of an hour at 240 frames a second has fewer."""
FREEZE_US = 500_000
"""A frame shown longer than this is no frame rate but a picture that stood still while nobody filmed."""
MAX_EXTENSION_S = 86_400
"""A last sample that is extended by more is a broken number: no camera halts for a day within one segment."""
_KEPT = (b"moov", b"moof")
_TFHD_DEFAULT_DURATION = 0x08


@dataclass(slots=True)
class Track:
    """One track. Times in its own ``timescale`` units; ``next_time`` is where the next fragment has to begin."""

    timescale: int
    video: bool
    default_duration: int = 0
    first_time: int | None = None
    next_time: int | None = None
    last_duration: int = 0
    samples: int = 0


@dataclass(slots=True)
class BoxWalk:
    """Feed plain bytes in order; then ask. ``problems`` are English, short, and at most MAX_PROBLEMS."""

    tracks: dict[int, Track] = field(default_factory=dict)
    fragments: int = 0
    problems: list[str] = field(default_factory=list)
    freezes: list[tuple[int, int]] = field(default_factory=list)
    """(start, length) in µs of video frames that last longer than FREEZE_US."""
    _buffer: bytearray = field(default_factory=bytearray)
    _skip: int = 0
    _offset: int = 0
    _broken: bool = False

    def feed(self, data: bytes | memoryview) -> None:
        """The next bytes of the file."""
        if self._broken:
            return
        if self._skip >= len(data):  # the common case: inside mdat or free
            self._skip -= len(data)
            self._offset += len(data)
            return
        view = memoryview(data)[self._skip :]
        self._offset += self._skip
        self._skip = 0
        self._buffer += view
        try:
            while self._take_box():
                pass
        except (struct.error, ValueError, IndexError) as error:
            self._problem(f"box at byte {self._offset}: {error}")
            self._broken = True
            self._buffer.clear()

    def finish(self, *, torn: bool) -> None:
        """No more bytes. ``torn``: the file was cut by a power loss, so a box cut short at its end is no problem."""
        if not torn and not self._broken and (self._buffer or self._skip):
            self._problem(f"the last box (byte {self._offset}) is cut short")
        if not torn and not self.tracks:
            self._problem("no moov box")

    @property
    def frames(self) -> int:
        return sum(track.samples for track in self.tracks.values() if track.video)

    @property
    def video_us(self) -> int | None:
        """Duration of the video in µs, None without any."""
        ends = [
            (track.next_time - track.first_time) * 1_000_000 // track.timescale
            for track in self.tracks.values()
            if track.video and track.next_time is not None and track.first_time is not None
        ]
        return max(ends, default=None)

    def _take_box(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 8:
            return False
        size, kind = struct.unpack_from(">I4s", buffer)
        header = 8
        if size == 1:
            if len(buffer) < 16:
                return False
            (size,) = struct.unpack_from(">Q", buffer, 8)
            header = 16
        if size < header:
            raise ValueError(f"{kind!r} claims a size of {size}")
        if kind in _KEPT:
            if size > MAX_HEADER_BOX:
                raise ValueError(f"{kind!r} of {size} bytes is too large")
            if len(buffer) < size:
                return False
            body = bytes(buffer[header:size])
            if kind == b"moov":
                self._moov(body)
            else:
                self._moof(body)
        taken = min(size, len(buffer))
        self._skip = size - taken
        self._offset += taken
        del buffer[:taken]
        return bool(buffer)

    def _moov(self, body: bytes) -> None:
        if self.tracks:
            raise ValueError("a second moov box")
        for kind, trak in _boxes(body):
            if kind == b"trak":
                self._trak(trak)
            elif kind == b"mvex":
                for name, trex in _boxes(trak):
                    if name == b"trex":
                        track_id, _, duration = struct.unpack_from(">III", trex, 4)
                        if track_id in self.tracks:
                            self.tracks[track_id].default_duration = duration

    def _trak(self, body: bytes) -> None:
        parts = dict(_boxes(body))
        media = dict(_boxes(parts[b"mdia"])) if b"mdia" in parts else {}
        if b"tkhd" not in parts or b"mdhd" not in media or b"hdlr" not in media:
            raise ValueError("a track without tkhd, mdhd or hdlr")
        tkhd, mdhd, hdlr = parts[b"tkhd"], media[b"mdhd"], media[b"hdlr"]
        (track_id,) = struct.unpack_from(">I", tkhd, 20 if tkhd[0] == 1 else 12)
        (timescale,) = struct.unpack_from(">I", mdhd, 20 if mdhd[0] == 1 else 12)
        if timescale == 0:
            raise ValueError("a track with timescale 0")
        self.tracks[track_id] = Track(timescale, hdlr[8:12] == b"vide")

    def _moof(self, body: bytes) -> None:
        self.fragments += 1
        for kind, data in _boxes(body):
            if kind == b"mfhd":
                (number,) = struct.unpack_from(">I", data, 4)
                if number != self.fragments:
                    self._problem(f"fragment {self.fragments} is numbered {number}")
            elif kind == b"traf":
                self._traf(data)

    def _traf(self, body: bytes) -> None:
        track: Track | None = None
        default = 0
        for kind, data in _boxes(body):
            if kind == b"tfhd":
                track, default = self._tfhd(data)
            elif track is None:
                raise ValueError("traf without tfhd")
            elif kind == b"tfdt":
                (time,) = struct.unpack_from(">Q" if data[0] == 1 else ">I", data, 4)
                self._begins(track, time)
            elif kind == b"trun":
                count, durations = _trun(data, default)
                if track.video:
                    self._frozen(track, durations)
                track.samples += count
                track.next_time = (track.next_time or 0) + sum(durations)
                track.last_duration = durations[-1] if durations else 0

    def _tfhd(self, data: bytes) -> tuple[Track, int]:
        flags, track_id = struct.unpack_from(">II", data)
        track = self.tracks.get(track_id)
        if track is None:
            raise ValueError(f"fragment of an unknown track {track_id}")
        if not flags & _TFHD_DEFAULT_DURATION:
            return track, track.default_duration
        at = 8 + (8 if flags & 0x01 else 0) + (4 if flags & 0x02 else 0)
        return track, int(struct.unpack_from(">I", data, at)[0])

    def _begins(self, track: Track, time: int) -> None:
        if track.first_time is None:
            track.first_time = time
        elif track.next_time is not None and track.video:
            late = time - track.next_time
            if not -1 <= late <= MAX_EXTENSION_S * track.timescale:
                lack = late * 1000 / track.timescale
                self._problem(f"fragment {self.fragments} begins {lack:+.1f} ms from where the one before ended")
            elif late > 1:
                start = track.next_time - track.last_duration
                self._stands_still(track, start - track.first_time, track.last_duration + late)
        track.next_time = time

    def _frozen(self, track: Track, durations: Sequence[int]) -> None:
        limit = FREEZE_US * track.timescale // 1_000_000
        if max(durations, default=0) <= limit:
            return
        at = (track.next_time or 0) - (track.first_time or 0)
        for duration in durations:
            self._stands_still(track, at, duration)
            at += duration

    def _stands_still(self, track: Track, at: int, duration: int) -> None:
        """A sample at ``at``, for ``duration``, in ticks since the track's first; told again when it was extended."""
        start_us = at * 1_000_000 // track.timescale
        if duration <= FREEZE_US * track.timescale // 1_000_000:
            return
        if self.freezes and self.freezes[-1][0] == start_us:
            self.freezes.pop()
        if len(self.freezes) < MAX_PROBLEMS:
            self.freezes.append((start_us, duration * 1_000_000 // track.timescale))

    def _problem(self, text: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, payload) of the boxes in ``data``. Raises ValueError for one that is cut short."""
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("box header cut short")
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            raise ValueError(f"{kind!r} claims {size} bytes of {len(data) - at}")
        yield kind, data[at + 8 : at + size]
        at += size


def _trun(data: bytes, default_duration: int) -> tuple[int, Sequence[int]]:
    """(number of samples, duration of each in ticks)."""
    flags, count = struct.unpack_from(">II", data)
    at = 8 + (4 if flags & 0x01 else 0) + (4 if flags & 0x04 else 0)
    width = 4 * sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
    if at + count * width > len(data):
        raise ValueError("trun is cut short")
    if not flags & 0x100:
        if count > MAX_SAMPLES:
            raise ValueError(f"trun claims {count} samples")
        return count, (default_duration,) * count
    return count, [struct.unpack_from(">I", data, at + index * width)[0] for index in range(count)]
