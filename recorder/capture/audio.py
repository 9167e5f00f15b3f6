"""Microphone blocks → AAC-LC packets stamped in CLOCK_BOOTTIME. One encoder for the whole life of the worker.

Silence stands in for what a microphone did not deliver, and is counted.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream

from firmware_bridge.ports import AudioBlock, Samples
from recorder.capture.mux import audio_template
from recorder.capture.packets import AudioPacket
from recorder.capture.timeline import AudioTimeline

FRAME: Final = 1024
"""Samples of an AAC-LC access unit."""


class AacEncoder:
    """Mono samples in, packets out. Positions count samples from the first one fed."""

    def __init__(self, rate: int, bitrate: int) -> None:
        self.stream: AudioStream = audio_template(rate, bitrate)
        context = self.stream.codec_context
        assert isinstance(context, AudioCodecContext)
        self._context = context
        self._rate = rate
        self._fed = 0
        self._waiting: list[Samples] = []
        self._waiting_count = 0

    def feed(self, samples: Samples) -> list[tuple[int, bytes]]:
        """``(position of its first sample, access unit)`` for each unit completed. The encoder looks ahead one unit, so
        the first position is negative (priming) and units lag by 1024 samples."""
        self._waiting.append(samples)
        self._waiting_count += len(samples)
        if self._waiting_count < FRAME:
            return []
        joined = np.concatenate(self._waiting)
        units: list[tuple[int, bytes]] = []
        used = len(joined) // FRAME * FRAME
        for start in range(0, used, FRAME):
            block = joined[start : start + FRAME].astype(np.float32) / 32768
            frame = av.AudioFrame.from_ndarray(block[np.newaxis, :], format="fltp", layout="mono")
            frame.sample_rate = self._rate
            frame.time_base = Fraction(1, self._rate)
            frame.pts = self._fed
            self._fed += FRAME
            units += [(packet.pts or 0, bytes(packet)) for packet in self._context.encode(frame)]
        self._waiting = [joined[used:]]
        self._waiting_count = len(joined) - used
        return units


class AudioTrack:
    """Timeline and encoder together: blocks in, stamped packets out. No device, no thread."""

    def __init__(self, rate: int, bitrate: int) -> None:
        self._rate = rate
        self._encoder = AacEncoder(rate, bitrate)
        self._timeline = AudioTimeline(rate)
        self._silences: deque[tuple[int, int]] = deque()
        self._last_us = -1

    @property
    def stream(self) -> AudioStream:
        """The encoder's stream: template for the segments' audio tracks."""
        return self._encoder.stream

    @property
    def end_us(self) -> int:
        """CLOCK_BOOTTIME at which the last sample that was fed, or the silence for it, was heard."""
        return self._timeline.time_us(self._timeline.position)

    def block(self, block: AudioBlock) -> tuple[list[AudioPacket], int]:
        """Packets completed by the block, and the silent samples that had to go before it."""
        before = self._timeline.position
        placement = self._timeline.block(len(block.samples), block.read_at_us, overflowed=block.overflowed)
        packets = self._silence(before, placement.silence)
        packets += self._stamp(self._encoder.feed(block.samples[placement.drop :]))
        return packets, placement.silence

    def stalled(self, now_us: int) -> tuple[list[AudioPacket], int]:
        """The same when nothing was read."""
        before = self._timeline.position
        missing = self._timeline.stalled(now_us)
        return self._silence(before, missing), missing

    def _silence(self, position: int, count: int) -> list[AudioPacket]:
        if count == 0:
            return []
        self._silences.append((position, position + count))
        return self._stamp(self._encoder.feed(np.zeros(count, np.int16)))

    def _stamp(self, units: list[tuple[int, bytes]]) -> list[AudioPacket]:
        packets = []
        for position, data in units:
            timestamp_us = max(self._timeline.time_us(position), self._last_us + 1)
            self._last_us = timestamp_us
            packets.append(AudioPacket(data, timestamp_us, FRAME * 1_000_000 // self._rate, self._silent_us(position)))
        return packets

    def _silent_us(self, position: int) -> int:
        while self._silences and self._silences[0][1] <= position:
            self._silences.popleft()
        silent = sum(max(0, min(end, position + FRAME) - max(start, position)) for start, end in self._silences)
        return silent * 1_000_000 // self._rate
