"""The audio thread: reads the microphone, feeds track and listener, and opens a microphone that vanished again.

A microphone that stalls, overflows, falls silent or vanishes never stops anything: each is a fault from onset to end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from firmware_bridge.ports import AudioBlock, Clock, DeviceError, Microphone, Samples
from recorder.capture.audio import AudioTrack
from recorder.capture.late_blocks import LateBlocks
from recorder.capture.microphone_watch import FaultSink, MicrophoneWatch
from recorder.capture.packets import AudioPacket
from recorder.capture.settings import MicrophoneFaults

LOG = logging.getLogger(__name__)

BLOCK_MS: Final = 20
_READ_S: Final = 0.05
_REOPEN_US: Final = 400_000
"""Together with ``settled_s`` below a second: so soon after it is plugged in again the fault is over."""

_HUNG_US: Final = 700_000
"""The worker looks four times a second: with this it reports a hung driver within a second."""


class AudioCapture:
    """``deliver``, ``listen`` (samples, boot-time of the last of them) and ``fault`` only enqueue."""

    def __init__(
        self,
        microphone: Microphone,
        track: AudioTrack,
        rate: int,
        settings: MicrophoneFaults,
        clock: Clock,
        deliver: Callable[[AudioPacket], None],
        fault: FaultSink,
        listen: Callable[[Samples, int], None] | None = None,
    ) -> None:
        self._microphone = microphone
        self._track = track
        self._rate = rate
        self._clock = clock
        self._deliver = deliver
        self._fault = fault
        self._listen = listen
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audio", daemon=True)
        self._open = False
        self._reopen_us = 0
        self._ended = False
        self._alive_us = clock.boottime_us()
        self._lock = threading.Lock()
        self._late = LateBlocks(rate)
        self._health = MicrophoneWatch(settings, rate, fault)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> bool:
        """True when the thread ended; a driver that hangs in ``read`` keeps it, and must not keep the worker."""
        self._stop.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def watch(self, now_us: int) -> None:
        """Called by the worker now and then: a driver that never returns from ``read`` cannot report itself."""
        if now_us - self._alive_us > _HUNG_US and not self._ended:
            with self._lock:
                self._health.hangs(now_us)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._step()
        except Exception as error:  # the end of sound is a fault, not the end of the recording
            LOG.exception("audio thread failed 音频线程出错")
            self._ended = True
            self._fault("microphone-fault", "onset", {"error": f"{type(error).__name__}: {error}", "ended": True})
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
            with self._lock:
                self._health.gone(now_us, error)
        now_us = self._alive_us = self._clock.boottime_us()
        for placed in self._late.rest() if block is None else self._late.take(block):
            self._place(placed, now_us)
        if block is None:
            self._place_silence(now_us)

    def _place(self, block: AudioBlock, now_us: int) -> None:
        packets, missing = self._track.block(block)
        with self._lock:
            self._health.block(now_us, block.samples, overflowed=block.overflowed, missing=missing)
        if self._listen is not None:
            self._listen(block.samples, self._track.end_us)
        for packet in packets:
            self._deliver(packet)

    def _place_silence(self, now_us: int) -> None:
        packets, missing = self._track.stalled(now_us)
        with self._lock:
            self._health.nothing(now_us, missing=missing)
        if missing:
            self._late.hold()
        for packet in packets:
            self._deliver(packet)

    def _close(self) -> None:
        """A device that is gone may refuse even to be closed; that must not end the sound for good."""
        if not self._open:
            return
        self._open = False
        try:
            self._microphone.close()
        except (DeviceError, OSError) as error:
            LOG.warning("microphone did not close cleanly 麦克风未能正常关闭: %s", error)
