"""The simulated microphone: paced by its own, possibly drifting, sample clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import numpy as np

from firmware_bridge.ports import AudioBlock, Clock, DeviceError, Samples
from hw_sim.devices.room import Room, Sound
from hw_sim.devices.sound import Beeps, Quiet, Street, WavFile
from hw_sim.world_keys import Value

BUFFER_S: Final = 0.5
"""How much the device keeps for a reader that is late, as an ALSA ring does; what is older is lost and reported."""


BURST_BLOCKS: Final = 10
"""With ``microphone.failure = overflow`` every tenth block is lost."""


class SimulatedMicrophone:
    """``ports.Microphone``. Sample ``i`` is taken ``i / (rate * (1 + drift))`` seconds after opening: with +200 ppm the
    device delivers 48 009.6 samples in a true second, as a crystal that runs fast does."""

    def __init__(self, clock: Clock, lookup: Callable[[str], Value], alive: Callable[[], bool]) -> None:
        self._clock = clock
        self._lookup = lookup
        self._alive = alive
        self._pause = threading.Event()
        self._sound: Room | None = None
        self._begin_us = 0
        self._rate = 0
        self._true_rate = 0.0
        self._block = 0
        self._taken = 0
        self._lost = False

    def open(self, rate: int, block: int) -> None:
        self._check()
        if rate <= 0 or block <= 0:
            raise DeviceError("microphone", f"rate {rate}, block {block}: 应为正数 must be positive")
        self._begin_us = self._clock.boottime_us()
        self._sound = Room(self._scene(rate), rate, self._lookup)
        self._rate, self._block, self._taken, self._lost = rate, block, 0, False
        self._true_rate = rate * (1 + float(self._lookup("microphone.drift_ppm")) / 1e6)

    def read(self, timeout_s: float) -> AudioBlock | None:
        if self._sound is None:
            raise DeviceError("microphone", "未打开 not open")
        self._check()
        if self._lookup("microphone.failure") == "stuck":
            self._pause.wait(timeout_s)
            return None
        if self._drop_old() or self._drop_on_purpose():
            self._lost = True
        due_us = self._at_us(self._taken + self._block)
        wait_s = (due_us - self._clock.boottime_us()) / 1e6
        if wait_s > timeout_s:
            self._pause.wait(timeout_s)
            return None
        while wait_s > 0 and not self._pause.is_set():
            self._pause.wait(wait_s)
            wait_s = (due_us - self._clock.boottime_us()) / 1e6
        first = self._taken
        self._taken += self._block
        samples = self._hear(first)
        overflowed, self._lost = self._lost, False
        return AudioBlock(samples, self._clock.boottime_us(), overflowed)

    def close(self) -> None:
        self._sound = None

    def _hear(self, first: int) -> Samples:
        sound = self._sound
        if sound is None or self._lookup("microphone.failure") == "silent":
            return np.zeros(self._block, np.int16)
        times = self._begin_us / 1e6 + np.arange(first, first + self._block) / self._true_rate
        return sound.at(times, first)

    def _drop_old(self) -> bool:
        """Forget what no longer fits the device's buffer, the oldest; whether something was lost."""
        late = (self._clock.boottime_us() - self._at_us(self._taken)) / 1e6
        if late <= BUFFER_S + self._block / self._true_rate:
            return False
        self._taken += int((late - BUFFER_S) * self._true_rate)
        return True

    def _drop_on_purpose(self) -> bool:
        """A burst of overflows: the reader is in time, the device loses sound all the same."""
        if self._lookup("microphone.failure") != "overflow" or self._taken // self._block % BURST_BLOCKS:
            return False
        self._taken += self._block
        return True

    def _scene(self, rate: int) -> Sound:
        path, seed = str(self._lookup("microphone.file")), int(self._lookup("seed"))
        if path:
            return WavFile(path, rate, str(self._lookup("microphone.at_end")), self._begin_us / 1e6)
        match self._lookup("microphone.scene"):
            case "quiet":
                return Quiet(seed)
            case "street":
                return Street(seed)
            case _:
                return Beeps(seed)

    def _at_us(self, index: int) -> int:
        return self._begin_us + round(index / self._true_rate * 1e6)

    def _check(self) -> None:
        if not self._alive():
            raise DeviceError("microphone", "仿真世界断开 the simulated world is gone")
        if self._lookup("microphone.failure") == "off":
            raise DeviceError("microphone", "麦克风不存在（仿真） no such microphone (simulated)")
