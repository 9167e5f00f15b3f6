"""Microphone blocks → AAC-LC packets stamped in CLOCK_BOOTTIME. One encoder for the whole life of the worker.

A microphone that stalls, overflows or vanishes never stops anything: silence stands in for what it did not deliver,
counted and reported as ``microphone-fault`` from onset to end.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream

from firmware_bridge.ports import AudioBlock, Clock, DeviceError, Microphone, Samples
from recorder.capture.mux import audio_template
from recorder.capture.packets import AudioPacket
from recorder.capture.timeline import AudioTimeline

LOG = logging.getLogger(__name__)

FRAME: Final = 1024
"""Samples of an AAC-LC access unit."""

BLOCK_MS: Final = 20
_READ_S: Final = 0.05
_REOPEN_US: Final = 1_000_000
_HUNG_US: Final = 2_000_000
_DEAD_S: Final = 10
"""Nothing but zeros for so long: no converter is that quiet. The capsule or its wire is dead, and nobody would hear it
before the recording is needed."""
_QUIET_US: Final = 2_000_000
"""A fault is over when the microphone has delivered for so long without another."""


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

    def block(self, block: AudioBlock) -> tuple[list[AudioPacket], int]:
        """Packets completed by the block, and the silent samples that had to go before it."""
        before = self._timeline.position
        placement = self._timeline.block(len(block.samples), block.read_at_us)
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


FaultSink = Callable[[str, Literal["onset", "end"], dict[str, Any]], None]


class AudioCapture:
    """The audio thread. ``deliver`` and ``fault`` only enqueue."""

    def __init__(
        self,
        microphone: Microphone,
        track: AudioTrack,
        rate: int,
        clock: Clock,
        deliver: Callable[[AudioPacket], None],
        fault: FaultSink,
    ) -> None:
        self._microphone = microphone
        self._track = track
        self._rate = rate
        self._clock = clock
        self._deliver = deliver
        self._fault = fault
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audio", daemon=True)
        self._open = False
        self._reopen_us = 0
        self._faulty_since_us: int | None = None
        self._alive_us = clock.boottime_us()
        self._lock = threading.Lock()
        self._last_bad_us = 0
        self._silent = 0
        self._overflows = 0
        self._zeros = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> bool:
        """True when the thread ended; a driver that hangs in ``read`` keeps it, and must not keep the worker."""
        self._stop.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def watch(self, now_us: int) -> None:
        """Called by the worker now and then: a driver that never returns from ``read`` cannot report itself."""
        if now_us - self._alive_us > _HUNG_US and self._faulty_since_us is None:
            self._bad(now_us, {"error": "microphone driver hangs 麦克风驱动无响应"})

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._step()
        except Exception as error:  # the end of sound is a fault, not the end of the recording
            LOG.exception("audio thread failed 音频线程出错")
            self._bad(self._clock.boottime_us(), {"error": f"{type(error).__name__}: {error}", "ended": True})
        finally:
            self._close()

    def _step(self) -> None:
        now_us = self._clock.boottime_us()
        block: AudioBlock | None = None
        try:
            if not self._open and now_us >= self._reopen_us:
                self._microphone.open(self._rate, self._rate * BLOCK_MS // 1000)
                self._open = True
            if self._open:
                block = self._microphone.read(_READ_S)
            else:
                self._stop.wait(_READ_S)
        except DeviceError as error:
            self._close()
            self._reopen_us = now_us + _REOPEN_US
            self._bad(now_us, {"error": str(error), "errno": error.errno})
        now_us = self._alive_us = self._clock.boottime_us()
        if block is None:
            packets, silence = self._track.stalled(now_us)
        else:
            packets, silence = self._track.block(block)
        for packet in packets:
            self._deliver(packet)
        self._silent += silence
        if silence:
            self._bad(now_us, {"error": "samples missing 采样缺失"})
        elif block is not None and block.overflowed:
            self._overflows += 1
            self._bad(now_us, {"error": "overflow 溢出"})
        elif block is not None and self._is_dead(block):
            self._bad(now_us, {"error": "only zeros 只有零值，麦克风可能损坏"})
        elif block is not None:
            self._good(now_us)

    def _close(self) -> None:
        """A device that is gone may refuse even to be closed; that must not end the sound for good."""
        if not self._open:
            return
        self._open = False
        try:
            self._microphone.close()
        except (DeviceError, OSError) as error:
            LOG.warning("microphone did not close cleanly 麦克风未能正常关闭: %s", error)

    def _is_dead(self, block: AudioBlock) -> bool:
        self._zeros = 0 if block.samples.any() else self._zeros + len(block.samples)
        return self._zeros > _DEAD_S * self._rate

    def _good(self, now_us: int) -> None:
        with self._lock:
            if self._faulty_since_us is None or now_us - self._last_bad_us <= _QUIET_US:
                return
            self._faulty_since_us = None
        silent_us = self._silent * 1_000_000 // self._rate
        self._fault("microphone-fault", "end", {"silence_us": silent_us, "overflows": self._overflows})

    def _bad(self, now_us: int, evidence: dict[str, Any]) -> None:
        with self._lock:
            self._last_bad_us = now_us
            if self._faulty_since_us is not None:
                return
            self._faulty_since_us = now_us
        self._fault("microphone-fault", "onset", evidence)
