"""The pre-roll beside live media: closed soon while live goes on, and never at the cost of what happens now."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from pathlib import Path

import pytest

from recorder.capture.audio import AudioTrack
from recorder.capture.packet_log import PacketLog
from recorder.capture.packets import AudioPacket, Item, Packet
from recorder.channel.messages import Closed, EntryWritten
from tests.capture.doubles import ManualClock, Rig, capture_settings
from tests.capture.footage import film

STEP_S = 0.1
DELAY_US = 5_000


class ArrivingLog(PacketLog):
    """Packets come by themselves, 5 ms after their time stamp, while somebody waits; waiting moves the clock."""

    def __init__(self, clock: ManualClock, pre_us: int, packets: Iterable[Packet]) -> None:
        super().__init__(pre_us, 64 << 20)
        self._clock = clock
        self._coming = [(packet.timestamp_us + DELAY_US, n, packet) for n, packet in enumerate(packets)]
        heapq.heapify(self._coming)
        self.looks = 0
        """Calls that neither gave an item nor waited."""

    def arrive(self, until_us: int) -> None:
        self._clock.now_us = max(self._clock.now_us, until_us)
        while self._coming and self._coming[0][0] <= until_us:
            self.push(heapq.heappop(self._coming)[2])

    def take(self, timeout_s: float) -> Item | None:
        item = super().take(0.0)
        if item is None and timeout_s > 0 and self._coming:
            self.arrive(min(self._clock.now_us + round(timeout_s * 1e6), self._coming[0][0]))
            item = super().take(0.0)
        elif item is None:
            self.looks += 1
            self._clock.now_us += 20  # even looking takes time
        return item


def sound(from_us: int, to_us: int) -> list[AudioPacket]:
    return [AudioPacket(b"\x21\x00", at, 21_333) for at in range(from_us, to_us, 21_333)]


@pytest.mark.parametrize("audio", [False, True])
def test_the_preroll_is_closed_within_a_second_while_live_goes_on(tmp_path: Path, *, audio: bool) -> None:
    """A pre-roll that waited for a quiet moment stayed open until the session's end: frames (33 ms) and sound (21 ms)
    come faster than any wait ends. A power cut then cost its last frames, and its recovery, long after the press."""
    frames = film(400)
    rig = Rig(tmp_path, capture_settings(pre_event_s=5, segment_s=60))
    rig.audio = AudioTrack(48_000, 64_000).stream if audio else None
    packets: list[Packet] = [*frames]
    if audio:
        packets += sound(frames[0].timestamp_us, frames[-1].timestamp_us)
    rig.log = log = ArrivingLog(rig.clock, 5_000_000, packets)
    pressed_us = frames[250].timestamp_us + DELAY_US
    log.arrive(pressed_us)
    rig.start(pressed_us, preroll=True)
    session = rig.session
    assert session is not None
    steps = 0
    while rig.clock.now_us < frames[380].timestamp_us:
        assert session.step(STEP_S)
        steps += 1
    closed = [report for report in rig.reports if isinstance(report, Closed)]
    assert [report.reason for report in closed] == ["preroll-complete"]
    assert closed[0].at_us - pressed_us <= 1_000_000
    assert closed[0].frames == 150 and closed[0].media_end_us == rig.opened[1].media_start_us
    # Live first: it is durable up to the press before the first frame of the pre-roll is.
    live = rig.opened[1].segment_id
    entries = [report for report in rig.reports if isinstance(report, EntryWritten)]
    first_of_preroll = next(n for n, entry in enumerate(entries) if entry.segment_id != live and entry.entry == 1)
    durable_us = max(entry.media_end_us for entry in entries[:first_of_preroll] if entry.segment_id == live)
    assert durable_us >= frames[250].timestamp_us - 100_000  # a frame is held back, and one waits for its sound
    # No spinning: a look that finds nothing belongs to one batch of pre-roll, not to a wait.
    assert log.looks < 30 and steps < 600
