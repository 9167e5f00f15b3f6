"""A chain of segments of one role: packets in order of time go in, durable and reported segment files come out.

Faults of the disk end the open segment, never the stream: what was not durable is kept and written again into the next
segment, which begins at the first keyframe there is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeGuard

import av
from av.audio.stream import AudioStream

from firmware_bridge.ports import EncodedFrame
from recorder.capture.annexb import codec_string
from recorder.capture.context import Report as Report
from recorder.capture.context import SegmentTerms as SegmentTerms
from recorder.capture.context import StreamContext as StreamContext
from recorder.capture.mux import Fragment, SegmentMux, initialization, padded
from recorder.capture.packets import AudioPacket, Gap, Item, Packet
from recorder.capture.segment_writer import SegmentFile, WrittenEntry
from recorder.capture.splitting import Continue, End, Role, Split, Splitter
from recorder.capture.telemetry import SegmentTelemetry
from recorder.channel.messages import Closed, EntryWritten, Opened
from recorder.faults.errno_code import storage_code

CloseReason = Literal["split", "stop", "preroll-complete", "camera-fault", "shutdown", "overflow"]

_SOUND_SLACK_US: Final = 250_000
_RETRY_FIRST_US: Final = 200_000
_RETRY_MOST_US: Final = 700_000
"""The end of a disk's refusal is a fact of its own, to be found within a second."""


@dataclass(slots=True)
class _Open:
    segment_id: str
    role: Role
    base_us: int
    file: SegmentFile
    mux: SegmentMux
    telemetry: SegmentTelemetry
    media_end_us: int
    dropped_before: int
    frames: int = 0
    lost_frames: int = 0
    audio_gaps_us: int = 0
    audio_us: int = 0


class SegmentStream:
    """``index``: gives the session's next segment number; ``audio``: the session encoder's stream, None for no sound;
    ``early``: takes sound from before the stream's first frame."""

    def __init__(
        self,
        context: StreamContext,
        session_id: str,
        index: Callable[[], int],
        splitter: Splitter,
        audio: AudioStream | None,
        early: Callable[[AudioPacket], None] | None = None,
    ) -> None:
        self._early = early
        self._first_base_us: int | None = None
        self._context = context
        self._session_id = session_id
        self._index = index
        self._splitter = splitter
        self._audio = audio
        self._open: _Open | None = None
        self._input: deque[Item] = deque()
        self._lost_frames = 0
        self._free_us = 0
        """Where what is on the disk ends: no frame begins before."""
        self._end_us: int | None = None
        self._retry_us = 0
        self._retry_after_us = 0

    # --- asked by the session --------------------------------------------------------------------------------------

    @property
    def splitter(self) -> Splitter:
        return self._splitter

    @property
    def first_base_us(self) -> int | None:
        """Time stamp of the first frame of its first segment."""
        return self._first_base_us

    @property
    def is_open(self) -> bool:
        return self._open is not None

    @property
    def waiting_frames(self) -> int:
        """Frames taken in that the disk has refused so far."""
        return sum(isinstance(item, EncodedFrame) for item in self._input)

    @property
    def idle(self) -> bool:
        """No file is open and nothing waits to be written."""
        return self._open is None and not self._input

    @property
    def ended(self) -> bool:
        """The splitter has seen the first frame behind the session's end."""
        return self._end_us is not None

    def blocked(self, now_us: int) -> bool:
        """The disk refused; nothing is to be fed before the next try."""
        return now_us < self._retry_us

    def feed(self, item: Item) -> None:
        """Take the next item in order of time; does all the writing it causes."""
        self._input.append(item)
        self.work()

    def work(self) -> None:
        """Go on with what an earlier disk fault left waiting, as far as the disk lets."""
        while self._input and self._end_us is None and not self.blocked(self._context.clock.boottime_us()):
            item = self._input.popleft()
            try:
                self._process(item)
            except OSError as error:
                self._storage_failed(error, item)

    def flush(self, held_duration_us: int | None = None) -> None:
        """Make durable what is in memory: at the start of a session, and when no more frames come."""
        if self._open is None:
            return
        fragment = self._open.mux.flush(held_duration_us)
        if fragment is not None:
            self._guarded(self._open, fragment)

    def interrupt(self, reason: CloseReason) -> None:
        """End the open segment here; the stream goes on with a new one at the next keyframe."""
        if self._open is not None:
            self._guarded_close(self._open, None, reason, last=False)

    def close(self, reason: CloseReason, *, last: bool, end_us: int | None = None) -> list[Packet]:
        """End the stream; ``end_us``: where its last frame ends, if known. What a failing disk leaves is tried once more in
        a new segment; after that the stream is not ``idle`` and may be closed again later, or dropped: the fault has told
        of the frames. Returns the packets it took in and did not write because they lie behind its end."""
        end_us = end_us or self._end_us
        behind: list[Packet] = []
        for _ in range(2):
            if self._open is not None:
                self._guarded_close(self._open, end_us, reason, last=last)
            behind += self._write_rest(end_us)
        if self._open is not None:
            self._guarded_close(self._open, end_us, reason, last=last)
        end_us = end_us or self._end_us
        behind += [item for item in self._input if _lies_behind(item, end_us)]
        self._input = deque(item for item in self._input if not _lies_behind(item, end_us))
        return behind

    def _write_rest(self, end_us: int | None) -> list[Packet]:
        """What waits from before ``end_us``, as far as the disk lets. Returns what lies behind."""
        behind: list[Packet] = []
        while self._input and not self.blocked(self._context.clock.boottime_us()):
            item = self._input.popleft()
            # Frames from just after the stop may have been taken in before it was told: the splitter finds them again.
            if _lies_behind(item, end_us or self._end_us):
                behind.append(item)
                continue
            try:
                self._process(item)
            except OSError as error:
                self._storage_failed(error, item)
        return behind

    # --- work ------------------------------------------------------------------------------------------------------

    def _process(self, item: Item) -> None:
        if isinstance(item, AudioPacket):
            self._sound(item)
        elif isinstance(item, Gap):
            self._lost_frames += item.frames
            if self._open is not None:
                self._close(self._open, None, "overflow", last=False)
        else:
            self._frame(item)

    def _sound(self, packet: AudioPacket) -> None:
        if self._first_base_us is None or packet.timestamp_us < self._first_base_us:
            if self._early is not None:
                self._early(packet)
        elif self._open is not None and not self._open.mux.audio(packet):
            self._open.audio_gaps_us += packet.duration_us  # too late: its segment is closed

    def _frame(self, delivered: EncodedFrame) -> None:
        frame = self._placed(delivered)
        match self._splitter.frame(frame.timestamp_us, frame.keyframe):
            case End():
                self._end_us = frame.timestamp_us
                self._input.appendleft(delivered)
                return
            case Split():
                if self._open is not None:
                    self._close(self._open, frame.timestamp_us, "split", last=False)
            case Continue():
                pass
        segment = self._open
        if segment is None:
            if not frame.keyframe:
                self._lost_frames += 1
                return
            segment = self._begin(frame)
            if segment is None:
                return
        segment.mux.video(frame)
        while (fragment := segment.mux.due()) is not None:
            self._write(segment, fragment)

    def _placed(self, frame: EncodedFrame) -> EncodedFrame:
        """Not before the end of what is written. When no frame comes, the last one goes to the disk with its nominal
        length; the next may have been exposed sooner than that, and only its delivery been late. A sample cannot begin
        before the one before has ended (ISO/IEC 14496-12, 8.8.12), so it is placed there: later by less than a frame."""
        if frame.timestamp_us >= self._free_us:
            return frame
        placed = EncodedFrame(frame.data, frame.keyframe, self._free_us, frame.sensor)
        self._free_us += 1  # another that lies before it comes behind this one
        return placed

    def _begin(self, frame: EncodedFrame) -> _Open | None:
        context = self._context
        terms = context.terms()
        segment_id = context.new_id()
        base_us = frame.timestamp_us
        camera = context.camera
        try:
            codecs = codec_string(frame.data)
            head = initialization(
                frame,
                camera.width,
                camera.height,
                camera.frame_rate,
                self._audio,
                context.tags(self._session_id, segment_id, base_us),
            )
        except (ValueError, av.FFmpegError) as error:
            self._lost_frames += 1
            context.headers_missing(str(error), base_us)
            return None
        context.headers_present()
        name = f"{segment_id}.mp4.age" if terms.sealer is not None else f"{segment_id}.mp4"
        path = context.segments_dir / self._session_id / name
        file = SegmentFile(context.files, path, terms.sealer, context.reserve_bytes, context.timed)
        audio_rate = self._audio.codec_context.sample_rate if self._audio is not None else None
        segment = _Open(
            segment_id,
            self._splitter.role,
            base_us,
            file,
            SegmentMux(base_us, audio_rate),
            SegmentTelemetry(context.telemetry, base_us),
            media_end_us=base_us,
            dropped_before=context.drops.until(base_us - 1),
            lost_frames=self._lost_frames,
        )
        self._lost_frames = 0
        self._open = segment
        context.report(
            Opened(
                camera_id=context.camera_id,
                at_us=context.clock.boottime_us(),
                n=0,
                session_id=self._session_id,
                segment_id=segment_id,
                segment_index=self._index(),
                role=segment.role,
                media_start_us=base_us,
                codecs=f"{codecs},mp4a.40.2" if self._audio is not None else codecs,
                width=camera.width,
                height=camera.height,
                frame_rate=float(camera.frame_rate),
                audio_rate=audio_rate,
                recipients=terms.recipients,
                officers=terms.officers,
            )
        )
        self._report_entry(segment, segment.file.append(padded(head)))
        self._splitter.opened(base_us)
        if self._first_base_us is None:
            self._first_base_us = base_us
        return segment

    def _write(self, segment: _Open, fragment: Fragment) -> None:
        telemetry = segment.telemetry.fragment(
            fragment.media_start_us, fragment.media_end_us, fragment.sensor, self._context.dropped_frames()
        )
        try:
            entry = segment.file.append(fragment.plain(telemetry))
        except OSError:
            self._requeue([*fragment.frames, *fragment.audio])
            raise
        segment.frames += len(fragment.frames)
        segment.audio_gaps_us += sum(packet.gap_us for packet in fragment.audio)
        segment.audio_us += sum(packet.duration_us for packet in fragment.audio)
        if fragment.frames:
            # Sound alone covers nothing: while a hung camera gives no picture the recording is interrupted, and the
            # gap has to begin at its last frame, not where the microphone ended.
            segment.media_end_us = max(segment.media_end_us, fragment.media_end_us)
            self._free_us = max(self._free_us, fragment.media_end_us)
        self._report_entry(segment, entry)
        self._context.storage_works(segment.segment_id)
        self._retry_after_us = 0

    def _close(self, segment: _Open, end_us: int | None, reason: CloseReason, *, last: bool) -> None:
        context = self._context
        fragment = segment.mux.finish(end_us, context.nominal_us)
        if fragment is not None:
            self._write(segment, fragment)
        entry, totals = segment.file.finish()
        self._open = None
        self._report_entry(segment, entry)
        context.report(
            Closed(
                camera_id=context.camera_id,
                at_us=context.clock.boottime_us(),
                n=0,
                session_id=self._session_id,
                segment_id=segment.segment_id,
                reason=reason,
                last_of_session=last,
                entries=totals.entries,
                size=totals.size,
                sha256=totals.sha256,
                plaintext_size=totals.plaintext_size,
                plaintext_sha256=totals.plaintext_sha256,
                media_start_us=segment.base_us,
                media_end_us=segment.media_end_us,
                frames=segment.frames,
                dropped_frames=context.drops.until(segment.media_end_us - 1)
                - segment.dropped_before
                + segment.lost_frames,
                audio_gaps_us=segment.audio_gaps_us + self._missing_sound_us(segment),
                fix_seconds=segment.telemetry.fix_seconds,
            )
        )

    def _missing_sound_us(self, segment: _Open) -> int:
        """Media without any sound packet: the audio thread itself was gone. Less is edges and rounding."""
        missing_us = segment.media_end_us - segment.base_us - segment.audio_us
        return missing_us if self._audio is not None and missing_us > _SOUND_SLACK_US else 0

    # --- when the disk refuses -------------------------------------------------------------------------------------

    def _guarded(self, segment: _Open, fragment: Fragment) -> None:
        try:
            self._write(segment, fragment)
        except OSError as error:
            self._storage_failed(error, None)

    def _guarded_close(self, segment: _Open, end_us: int | None, reason: CloseReason, *, last: bool) -> None:
        try:
            self._close(segment, end_us, reason, last=last)
        except OSError as error:
            self._storage_failed(error, None)

    def _storage_failed(self, error: OSError, item: Item | None) -> None:
        segment, self._open = self._open, None
        if item is not None:
            self._input.appendleft(item)
        code = storage_code(error.errno)
        evidence: dict[str, object] = {"errno": error.errno, "error": str(error)}
        if segment is not None:
            self._requeue(segment.mux.unwritten())
            closing = segment.file.abandon()
            evidence |= {
                "session_id": self._session_id,
                "segment_id": segment.segment_id,
                "durable_bytes": segment.file.durable_bytes,
                "media_end_us": segment.media_end_us,
                "frames_not_durable": self.waiting_frames,
            }
            if closing is not None:
                evidence["close_error"] = str(closing)
        if segment is not None or self._context.faults.storage != code:
            self._context.storage_failed(code, evidence)
        # The first new file is tried at once: a bad block is no bad disk. After that the disk is given time.
        self._retry_us = self._context.clock.boottime_us() + self._retry_after_us
        self._retry_after_us = min(_RETRY_MOST_US, max(_RETRY_FIRST_US, 2 * self._retry_after_us))

    def _requeue(self, packets: Sequence[Packet]) -> None:
        """Back to the front of the input, in order of time (at equal times the frame first)."""
        front = [item for item in self._input if not isinstance(item, Gap)]
        gaps = [item for item in self._input if isinstance(item, Gap)]
        merged = sorted({id(p): p for p in [*packets, *front]}.values(), key=_order)
        self._input = deque([*merged, *gaps])

    # --- reports ---------------------------------------------------------------------------------------------------

    def _report_entry(self, segment: _Open, entry: WrittenEntry) -> None:
        self._context.report(
            EntryWritten(
                camera_id=self._context.camera_id,
                at_us=self._context.clock.boottime_us(),
                n=0,
                segment_id=segment.segment_id,
                entry=entry.entry,
                offset=entry.offset,
                length=entry.length,
                sha256_stored=entry.sha256_stored,
                sha256_plain=entry.sha256_plain,
                media_end_us=segment.media_end_us,
            )
        )


def _order(packet: Packet) -> tuple[int, bool]:
    return packet.timestamp_us, isinstance(packet, AudioPacket)


def _lies_behind(item: Item, end_us: int | None) -> TypeGuard[Packet]:
    return end_us is not None and not isinstance(item, Gap) and item.timestamp_us >= end_us
