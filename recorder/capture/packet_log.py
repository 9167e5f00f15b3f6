"""The one buffer between the encoders and the disk: pre-event ring in standby, writer queue while recording.

One structure for both, so that pressing the button moves no data and loses no frame. It is bounded in bytes always and in
time as a ring, and gives way in whole GOPs only: half a GOP cannot be decoded. In standby giving way is its purpose; while
recording it is a loss, which the writer finds as a :class:`Gap` in its place in the stream and the monitor as a count.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from firmware_bridge.ports import EncodedFrame, SensorInfo
from recorder.capture.packets import Gap, Item, Packet


@dataclass(frozen=True, slots=True)
class LogState:
    """``lost_frames``/``lost_bytes``: dropped while recording; ``disordered``: frames whose time stamp was not after the
    one before; all since the log exists."""

    bytes: int
    recording: bool
    frames: int
    last_frame_us: int
    lost_frames: int
    lost_bytes: int
    disordered: int = 0


class PacketLog:
    """``pre_us``: the ring keeps at least so much before its newest packet (once it had the time), from a keyframe on.
    ``max_bytes``: payload of ring, queue and pre-roll together, never exceeded."""

    def __init__(self, pre_us: int, max_bytes: int) -> None:
        self._pre_us = pre_us
        self._max_bytes = max_bytes
        self._queue: deque[Packet] = deque()
        self._keys: deque[int] = deque()  # time stamps of the keyframes in _queue
        self._preroll: deque[Packet] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._recording = False
        self._skip_to_key = False
        self._gap: Gap | None = None
        self._preroll_gap: Gap | None = None
        self._sensor: SensorInfo | None = None
        self._queued_frames = 0
        self._frames = 0
        self._last_frame_us = -1
        self._lost_frames = 0
        self._lost_bytes = 0
        self._disordered = 0

    # --- encoders' side: quick, never blocks beyond the lock, never raises ---------------------------------------------

    def push(self, packet: Packet) -> None:
        with self._changed:
            if isinstance(packet, EncodedFrame):
                packet = self._share_sensor(self._in_order(packet))
                self._frames += 1
                self._last_frame_us = packet.timestamp_us
                if packet.keyframe:
                    self._keys.append(packet.timestamp_us)
                    self._skip_to_key = False
            if self._skip_to_key:
                self._gap = self._count(self._gap, [packet])
                return
            self._queue.append(packet)
            self._queued_frames += isinstance(packet, EncodedFrame)
            self._bytes += len(packet.data)
            if self._recording:
                while self._bytes > self._max_bytes:
                    self._drop_recorded_gop()
                self._changed.notify()
            else:
                self._trim_ring(packet.timestamp_us)

    def wake(self) -> None:
        """Let a waiting ``take`` return: a command has come."""
        with self._changed:
            self._changed.notify()

    # --- writer's side -------------------------------------------------------------------------------------------------

    def begin(self, at_us: int, *, preroll: bool) -> None:
        """From ring to queue. The queue begins at the newest keyframe not after ``at_us`` (or, when the ring holds none,
        at the next one); what is older becomes the pre-roll, or is forgotten when ``preroll`` is False."""
        with self._changed:
            self._forget_preroll()
            start = max((key for key in self._keys if key <= at_us), default=None)
            if start is None and self._keys:
                start = self._keys[0]
            older: deque[Packet] = deque()
            while self._queue and not _starts(self._queue[0], start):
                older.append(self._pop_queue())
            if preroll:
                self._preroll = older
                self._bytes += sum(len(packet.data) for packet in older)
            self._recording = True
            self._skip_to_key = False
            self._gap = None

    def end(self, unused: Sequence[Packet] = ()) -> None:
        """From queue back to ring; packets not taken stay in it, from their first keyframe on. ``unused``: packets taken,
        in order, that turned out to lie behind the end: they go back to where they were."""
        with self._changed:
            for packet in reversed(unused):
                self._queue.appendleft(packet)
                self._queued_frames += isinstance(packet, EncodedFrame)
                self._bytes += len(packet.data)
                if _is_key(packet):
                    self._keys.appendleft(packet.timestamp_us)
            self._recording = False
            self._skip_to_key = False
            self._gap = None
            while self._queue and not _is_key(self._queue[0]):
                self._pop_queue()

    def take(self, timeout_s: float) -> Item | None:
        """The next item of the recording, or None when there is none within ``timeout_s`` or ``wake`` was called."""
        with self._changed:
            if not self._ready() and timeout_s > 0:
                self._changed.wait(timeout_s)
            if not self._ready():
                return None
            if self._gap is not None:
                gap, self._gap = self._gap, None
                return gap
            return self._pop_queue()

    def pause(self, timeout_s: float) -> None:
        """Wait without taking: until the next packet, ``wake``, or the timeout."""
        with self._changed:
            self._changed.wait(timeout_s)

    def has_frames(self) -> bool:
        """True while frames of the recording wait to be taken."""
        with self._changed:
            return self._recording and self._queued_frames > 0

    def waiting_frames(self) -> int:
        """Frames of the recording that wait to be taken."""
        with self._changed:
            return self._queued_frames if self._recording else 0

    def has_preroll(self) -> bool:
        with self._changed:
            return bool(self._preroll) or self._preroll_gap is not None

    def take_preroll(self) -> Item | None:
        """The next item of the pre-roll, or None when it is finished."""
        with self._changed:
            if self._preroll_gap is not None:
                gap, self._preroll_gap = self._preroll_gap, None
                return gap
            if not self._preroll:
                return None
            packet = self._preroll.popleft()
            self._bytes -= len(packet.data)
            return packet

    def give_preroll(self, packet: Packet) -> None:
        """Append a packet that came late and belongs before the live segment (sound trails the picture)."""
        with self._changed:
            self._preroll.append(packet)
            self._bytes += len(packet.data)

    def forget_preroll(self) -> list[Packet]:
        """Give the memory back: the pre-roll cannot be written (a fault says so). Returns what is lost."""
        with self._changed:
            lost = list(self._preroll)
            self._forget_preroll()
        return lost

    def state(self) -> LogState:
        with self._changed:
            return LogState(
                self._bytes,
                self._recording,
                self._frames,
                self._last_frame_us,
                self._lost_frames,
                self._lost_bytes,
                self._disordered,
            )

    # --- inside the lock -----------------------------------------------------------------------------------------------

    def _ready(self) -> bool:
        return self._recording and (bool(self._queue) or self._gap is not None)

    def _in_order(self, frame: EncodedFrame) -> EncodedFrame:
        """A time stamp that does not grow (picamera2 #902) would end the writer: a sample cannot last less than nothing.
        The frame stays, the ones after it cannot be decoded without it; it is placed behind the one before."""
        if frame.timestamp_us > self._last_frame_us:
            return frame
        self._disordered += 1
        return EncodedFrame(frame.data, frame.keyframe, self._last_frame_us + 1, frame.sensor)

    def _share_sensor(self, frame: EncodedFrame) -> EncodedFrame:
        """One SensorInfo for all frames that say the same: at 30 frames/s the objects would be a percent of the ring."""
        if frame.sensor != self._sensor:
            self._sensor = frame.sensor
            return frame
        return EncodedFrame(frame.data, frame.keyframe, frame.timestamp_us, self._sensor)

    def _pop_queue(self) -> Packet:
        packet = self._queue.popleft()
        self._queued_frames -= isinstance(packet, EncodedFrame)
        self._bytes -= len(packet.data)
        if _is_key(packet):
            self._keys.popleft()
        return packet

    def _trim_ring(self, now_us: int) -> None:
        while self._queue and not _is_key(self._queue[0]):  # after `end`, or before the first keyframe ever
            self._pop_queue()
        while self._queue and (
            self._bytes > self._max_bytes or (len(self._keys) > 1 and now_us - self._keys[1] >= self._pre_us)
        ):
            self._drop_gop(self._queue)

    def _drop_gop(self, queue: deque[Packet]) -> list[Packet]:
        """The head of ``queue`` up to its next keyframe (all of it when there is none)."""
        dropped: list[Packet] = []
        while queue and not (dropped and _is_key(queue[0])):
            if queue is self._queue:
                dropped.append(self._pop_queue())
            else:
                dropped.append(queue.popleft())
                self._bytes -= len(dropped[-1].data)
        return dropped

    def _drop_recorded_gop(self) -> None:
        """The pre-roll gives way first: it is the oldest, and what happens now is what the button was pressed for."""
        if self._preroll:
            self._preroll_gap = self._count(self._preroll_gap, self._drop_gop(self._preroll))
        else:
            self._gap = self._count(self._gap, self._drop_gop(self._queue))
            self._skip_to_key = not self._queue  # the rest of a broken GOP cannot be decoded either

    def _count(self, gap: Gap | None, dropped: list[Packet]) -> Gap:
        frames = sum(isinstance(packet, EncodedFrame) for packet in dropped)
        size = sum(len(packet.data) for packet in dropped)
        self._lost_frames += frames
        self._lost_bytes += size
        first, last = dropped[0].timestamp_us, dropped[-1].timestamp_us
        if gap is None:
            return Gap(frames, size, first, last)
        return Gap(gap.frames + frames, gap.size + size, gap.from_us, max(gap.to_us, last))

    def _forget_preroll(self) -> None:
        self._bytes -= sum(len(packet.data) for packet in self._preroll)
        self._preroll.clear()
        self._preroll_gap = None


def _is_key(packet: Packet) -> bool:
    return isinstance(packet, EncodedFrame) and packet.keyframe


def _starts(packet: Packet, start_us: int | None) -> bool:
    return start_us is not None and _is_key(packet) and packet.timestamp_us == start_us
