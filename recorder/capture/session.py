"""One recording session of one camera: the live stream first, the pre-roll whenever the live queue is empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from av.audio.stream import AudioStream

from firmware_bridge.ports import EncodedFrame
from recorder.capture.interleave import Interleaver
from recorder.capture.packet_log import PacketLog
from recorder.capture.packets import AudioPacket, Gap, Item
from recorder.capture.settings import Capture
from recorder.capture.splitting import GRACE_US, Splitter, StopReason
from recorder.capture.stream import Report, SegmentStream, StreamContext
from recorder.channel.messages import Closed, Start

_STALLED_US: Final = 500_000
"""So long without a frame, and what waits in memory goes to the disk: the worker may be killed for it at any moment."""
_SOUND_TRAILS_US: Final = 300_000
_PATIENCE_US: Final = 3_000_000
"""So long after its end a session goes on trying to get what it has onto a disk that refuses or is slow. The unit process
kills a worker that has not finished five seconds after the stop; it must have ended in order by then."""
_PREROLL_BATCH: Final = 16


class Session:
    """Begins on ``start``; ``step`` until it returns False. ``audio``: the session encoder's stream, None without sound."""

    def __init__(
        self, context: StreamContext, log: PacketLog, capture: Capture, start: Start, audio: AudioStream | None
    ) -> None:
        self._log = log
        self._next_index = start.next_index
        self._post_us = round(capture.post_event_s * 1_000_000)
        self._reason: StopReason = "stop"
        preroll_audio = audio if capture.pre_event_audio else None
        segment_us, gop_us = round(capture.segment_s * 1_000_000), round(capture.gop_s * 1_000_000)
        self._gop_us = gop_us
        early: Callable[[AudioPacket], None] | None = None
        if start.preroll and preroll_audio is not None:
            early = log.give_preroll
        self.session_id = start.session_id
        self.completed = False
        """A last ``closed`` was reported. Once the session is finished without one, the worker has to end: the unit
        process waits for either, and recovers what the disk kept of a file that has no ``closed``."""
        self._report = context.report
        context = replace(context, report=self._note)
        self._context = context
        self._live: SegmentStream | None = SegmentStream(
            context, start.session_id, self._index, Splitter(segment_us, gop_us), audio, early
        )
        self._preroll: SegmentStream | None = None
        if start.preroll:
            self._preroll = SegmentStream(
                context, start.session_id, self._index, Splitter(segment_us, gop_us, "preroll"), preroll_audio
            )
        self._interleaver = Interleaver(audio is not None)
        self._preroll_audio = preroll_audio is not None
        self._preroll_order = Interleaver(self._preroll_audio)
        self._pause_s = 0.0
        self._fresh = True
        self._camera_failed = False
        self._began_us = self._frame_seen_us = self._flushed_us = context.clock.boottime_us()
        self._ended_us = 0
        self._live_base_us: int | None = None
        log.begin(start.at_us, preroll=start.preroll)

    def resize(self, segment_us: int) -> None:
        """Another length of segments; the pre-roll is one piece and stays so."""
        if self._live is not None:
            self._live.splitter.resize(segment_us, self._gop_us)

    @property
    def live(self) -> bool:
        """False once the live (and post-event) media is closed and only the pre-roll is still being written."""
        return self._live is not None

    def stop(self, at_us: int, reason: StopReason, *, post_event: bool = True) -> None:
        """End with the last frame not after ``at_us``, or after the post-event time; a shutdown does not wait for that."""
        if self._live is None:
            return
        self._reason = reason
        self._live.splitter.stop(at_us, self._post_us if post_event and reason == "stop" else 0)

    def finish_now(self) -> None:
        """End with what has been taken, whatever the clock says."""
        if self._live is not None:
            self._feed(self._live, self._interleaver.drain())
        if self._live is not None:
            self._end_live(self._live)

    def camera_failed(self) -> None:
        """The camera's delivery ended: close what it delivered, go on when it comes back. Frames still waiting for the
        writer come first: they were delivered before, and none of them could begin a segment."""
        self._camera_failed = True

    def _interrupt(self, live: SegmentStream) -> None:
        self._camera_failed = False
        self._feed(live, self._interleaver.drain())
        if self._live is not None:
            live.interrupt("camera-fault")

    def step(self, timeout_s: float) -> bool:
        """One piece of work, waiting at most ``timeout_s`` for a packet. False when the session is finished."""
        now_us = self._context.clock.boottime_us()
        self._pause_s = timeout_s
        if self._live is not None:
            self._step_live(self._live, now_us, 0.0 if self._fresh or self._preroll_is_due(now_us) else timeout_s)
        elif self._preroll is not None:
            self._step_preroll(self._preroll, now_us)
            if self._preroll is not None and now_us - self._ended_us > _PATIENCE_US:
                self._abandon_preroll(self._preroll)
        return self._live is not None or self._preroll is not None

    def _preroll_is_due(self, now_us: int) -> bool:
        """The pre-roll has something to write or can be finished. Then the live queue is only looked at, not waited for:
        frames come faster than any wait ends, so a pre-roll that waits for a quiet moment would never be closed."""
        if self._preroll is None or self._preroll.blocked(now_us):
            return False
        return self._log.has_preroll() or now_us - self._began_us > _SOUND_TRAILS_US

    def _step_live(self, live: SegmentStream, now_us: int, timeout_s: float) -> None:
        if live.blocked(now_us):
            if live.splitter.overdue(now_us, _PATIENCE_US):
                # The officer has stopped and the disk still refuses: nothing more can be saved.
                self._end_live(live, queued=self._log.waiting_frames())
            else:
                self._log.pause(self._pause_s)
            return
        live.work()
        item = self._log.take(timeout_s)
        if isinstance(item, EncodedFrame):
            self._frame_seen_us = self._flushed_us = now_us
        if item is not None:
            self._feed(live, self._interleaver.push(item))
        elif self._fresh:
            self._fresh = False
            live.flush()  # the button was pressed: what is here is to be durable now, not when a fragment is full
        elif self._preroll is not None:
            self._step_preroll(self._preroll, now_us)
        if self._live is not None and self._camera_failed and not self._log.has_frames():
            self._interrupt(live)
        # Sound goes on when frames do not, and after a slow write the clock has run on while frames wait: so neither an
        # empty queue nor the clock alone tells that the camera is silent.
        if self._live is not None and now_us - self._frame_seen_us > GRACE_US and not self._log.has_frames():
            self._without_frames(live, now_us)

    def _without_frames(self, live: SegmentStream, now_us: int) -> None:
        if live.splitter.overdue(now_us):
            self._feed(live, self._interleaver.drain())
            if self._live is not None and not live.blocked(now_us):
                self._end_live(live)
        elif now_us - self._flushed_us > _STALLED_US:
            self._flushed_us = now_us
            self._feed(live, self._interleaver.drain())
            live.flush(1_000_000 // self._context.camera.frame_rate)

    def _feed(self, live: SegmentStream, items: list[Item]) -> None:
        for index, item in enumerate(items):
            live.feed(item)
            if live.ended:
                self._end_live(live, items[index + 1 :])
                return

    def _end_live(self, live: SegmentStream, behind: Sequence[Item] = (), queued: int = 0) -> None:
        """``behind``: taken, and lies behind the end; ``queued``: frames not taken that are given up with it."""
        if self._preroll is not None and not self._preroll_waits(self._preroll):
            self._preroll = None
        unused = live.close(self._reason, last=self._preroll is None)
        if lost := live.waiting_frames + queued:
            self._context.media_lost(lost, "the disk refuses 存储拒绝写入", self.session_id)
        unused += [item for item in (*behind, *self._interleaver.drain()) if not isinstance(item, Gap)]
        self._log.end(unused)
        self._live_base_us = live.first_base_us
        self._ended_us = live.splitter.end_us or self._context.clock.boottime_us()
        self._live = None

    def _preroll_waits(self, preroll: SegmentStream) -> bool:
        """Something of the pre-roll is not finished, wherever it is on its way."""
        return self._log.has_preroll() or not self._preroll_order.is_empty or not preroll.idle

    def _step_preroll(self, preroll: SegmentStream, now_us: int) -> None:
        if preroll.blocked(now_us):
            if self._live is None:
                self._log.pause(self._pause_s)
            return
        preroll.work()
        for _ in range(_PREROLL_BATCH):
            item = self._log.take_preroll()
            if item is None:
                if self._live is None or now_us - self._began_us > _SOUND_TRAILS_US:
                    self._finish_preroll(preroll)
                return
            if isinstance(item, AudioPacket) and not self._preroll_audio:
                continue
            for each in self._preroll_order.push(item):
                preroll.feed(each)

    def _finish_preroll(self, preroll: SegmentStream) -> None:
        for item in self._preroll_order.drain():
            preroll.feed(item)
        if preroll.blocked(self._context.clock.boottime_us()):
            return
        base_us = self._live.first_base_us if self._live is not None else self._live_base_us
        preroll.close("preroll-complete", last=self._live is None, end_us=base_us)
        if preroll.idle:  # else the disk has just refused, and there is time to try again
            self._preroll = None

    def _abandon_preroll(self, preroll: SegmentStream) -> None:
        """The disk did not take it in time after the session's end. Slow is not broken, so nobody else may have said so."""
        waiting = [*self._preroll_order.drain(), *self._log.forget_preroll()]
        lost = preroll.waiting_frames + sum(isinstance(item, EncodedFrame) for item in waiting)
        self._context.media_lost(lost, "pre-roll given up: the disk is too slow 预录未写完：存储太慢", self.session_id)
        preroll.close("preroll-complete", last=True)
        self._preroll = None

    def _note(self, report: Report) -> None:
        if isinstance(report, Closed) and report.last_of_session:
            self.completed = True
        self._report(report)

    def _index(self) -> int:
        index = self._next_index
        self._next_index += 1
        return index
