"""The scene's sound: a beep a second, a quiet room, a street with traffic, or any WAV. Pure but for reading the file."""

from __future__ import annotations

import math
from typing import Final

import av
import numpy as np
import numpy.typing as npt

from firmware_bridge.ports import DeviceError, Samples
from hw_sim.devices.counter import FLASH_US

BEEP_HZ: Final = 1000
_BEEP_LEVEL: Final = 12_000.0
_HISS_LEVEL: Final = 120.0
_ROOM_LEVEL: Final = 33.0
_HISS: Final = 1 << 16

Times = npt.NDArray[np.float64]


class Beeps:
    """A 1 kHz tone while the flash square is white, i.e. in the first 100 ms of every second of boot-time, over faint hiss.
    A matter of true time, not of the sample clock: a drifting microphone hears the beep when it sounds."""

    def __init__(self, seed: int) -> None:
        self._hiss = (np.random.default_rng(seed).standard_normal(_HISS) * _HISS_LEVEL).astype(np.float32)

    def at(self, times_s: Times, first_index: int) -> Samples:
        """Samples at the boot-times ``times_s`` (seconds); ``first_index`` is the running number of the first."""
        phase = times_s % 1.0
        tone = _BEEP_LEVEL * np.sin(2 * math.pi * BEEP_HZ * phase)
        hiss = self._hiss[(np.arange(times_s.size) + first_index) % _HISS]
        return (np.where(phase < FLASH_US / 1e6, tone, 0.0) + hiss).astype(np.int16)


class Quiet:
    """A room in which nobody speaks: faint hiss, -60 dBFS."""

    def __init__(self, seed: int) -> None:
        self._hiss = (np.random.default_rng(seed).standard_normal(_HISS) * _ROOM_LEVEL).astype(np.int16)

    def at(self, times_s: Times, first_index: int) -> Samples:
        """As :meth:`Beeps.at`."""
        return self._hiss[(np.arange(times_s.size) + first_index) % _HISS]


class Street:
    """Traffic and no voice: rumble, an idling engine at some -25 dBFS, and a car every 2.7 s."""

    def __init__(self, seed: int) -> None:
        noise = np.random.default_rng(seed)
        self._rumble = _smoothed(noise.standard_normal(_HISS), 24)
        self._rush = _smoothed(noise.standard_normal(_HISS), 5)

    def at(self, times_s: Times, first_index: int) -> Samples:
        """As :meth:`Beeps.at`."""
        index = (np.arange(times_s.size) + first_index) % _HISS
        revolution = 38 * times_s - 0.9 * np.cos(2 * math.pi * 0.7 * times_s)
        engine = sum(np.sin(2 * math.pi * k * revolution) / k**0.7 for k in range(1, 20))
        passing = np.exp(-(((times_s % 2.7 - 1.35) / 0.5) ** 2))
        heard = 900 * self._rumble[index] + 450 * engine + 3200 * passing * self._rush[index]
        return np.asarray(heard.clip(-32_768, 32_767), np.int16)


def _smoothed(noise: Times, width: int) -> Times:
    out = np.convolve(noise, np.ones(width) / width, mode="same")
    return np.asarray(out / out.std(), np.float64)


class WavFile:
    """A sound file, mono at ``rate``, from ``begin_s`` of boot-time on. Raises DeviceError for one that cannot be used."""

    def __init__(self, path: str, rate: int, at_end: str, begin_s: float) -> None:
        self._rate = rate
        self._begin_s = begin_s
        self._loop = at_end == "loop"
        self._samples = decode(path, rate).astype(np.float32)

    def at(self, times_s: Times, first_index: int) -> Samples:
        """Between two samples of the file the sound is interpolated: a drifting clock samples it in between."""
        del first_index
        position = np.maximum(0.0, (times_s - self._begin_s) * self._rate)
        whole = np.rint(position)
        position = np.where(
            np.abs(position - whole) < 1e-3, whole, position
        )  # float dust must not blur a clock without drift
        below = position.astype(np.int64)
        share = (position - below).astype(np.float32)
        size = self._samples.size
        if self._loop:
            first, second = self._samples[below % size], self._samples[(below + 1) % size]
        else:
            first, second = (
                np.where(i < size, self._samples[np.minimum(i, size - 1)], 0.0) for i in (below, below + 1)
            )
        return np.asarray(np.rint(first + (second - first) * share), np.int16)


def decode(path: str, rate: int) -> Samples:
    """The whole file as mono 16-bit samples at ``rate``. Raises DeviceError naming the file."""
    blocks = []
    try:
        with av.open(path) as container:
            if not container.streams.audio:
                raise DeviceError("microphone", f"{path}: 文件里没有声音 no sound in the file")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
            for frame in container.decode(audio=0):
                blocks += [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
            blocks += [part.to_ndarray().reshape(-1) for part in resampler.resample(None)]
    except (av.FFmpegError, OSError) as error:
        raise DeviceError("microphone", f"{path}: 无法读取声音文件 cannot read the sound file: {error}") from error
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    if samples.size == 0:
        raise DeviceError("microphone", f"{path}: 声音文件是空的 the sound file is empty")
    return np.ascontiguousarray(samples, np.int16)
