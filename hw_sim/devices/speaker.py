"""The simulated loudspeaker: what it is given is left as a WAV file, and the world is told, so that it can be heard."""

from __future__ import annotations

import threading
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from firmware_bridge.ports import Clock, DeviceError, Sound
from hw_sim.world_keys import Value


class Reporter(Protocol):
    """The part of ``world_client.WorldClient`` a loudspeaker needs."""

    def connected(self) -> bool: ...

    def get(self, key: str) -> Value: ...

    def report_speaker(self, wav: str, at_us: int, duration_us: int) -> None: ...

    def report_speaker_stop(self, at_us: int) -> None: ...


class SimulatedSpeaker:
    """``ports.Speaker``: plays in order, in real time. Each piece becomes ``speaker.folder/BOOT-AT_US.wav``, named by the
    boot-time at which it begins to sound. Raises DeviceError while ``speaker.failure`` is ``off`` or the world is gone."""

    def __init__(self, clock: Clock, world: Reporter, folder: Callable[[], Path]) -> None:
        self._clock = clock
        self._world = world
        self._folder = folder
        self._lock = threading.Lock()
        self._busy_until_us = 0

    def play(self, samples: Sound, rate: int) -> None:
        if (failure := self.failure()) is not None:
            raise failure
        with self._lock:
            at_us = max(self._clock.boottime_us(), self._busy_until_us)
            path = self._folder() / f"{self._clock.boot_id()[:8]}-{at_us}.wav"
            try:
                _save(path, samples, rate)
            except OSError as error:
                raise DeviceError("speaker", f"{path}: {error.strerror}", error.errno) from error
            duration_us = len(samples) * 1_000_000 // rate
            self._busy_until_us = at_us + duration_us
            self._world.report_speaker(str(path), at_us, duration_us)

    def playing(self) -> bool:
        with self._lock:
            return self.failure() is None and self._clock.boottime_us() < self._busy_until_us

    def stop(self) -> None:
        with self._lock:
            now = self._clock.boottime_us()
            if now < self._busy_until_us:
                self._busy_until_us = 0
                self._world.report_speaker_stop(now)

    def failure(self) -> DeviceError | None:
        if self._world.connected() and self._world.get("speaker.failure") != "off":
            return None
        return DeviceError("speaker", "扬声器不存在（仿真） no such loudspeaker (simulated)")


def _save(path: Path, samples: Sound, rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
