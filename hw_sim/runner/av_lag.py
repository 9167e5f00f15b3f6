"""How far sound and picture of the recorded files are apart, by flash and beep.

The simulated sensor paints a flash and the simulated microphone beeps in the first 100 ms of every second of boot-time.
What is compared is what a player plays: the place of the beep among the file's sound, and of the second's beginning among
its pictures, which the counter in each picture tells to the microsecond (a flash by itself, only to a frame).
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt

from hw_sim.devices.counter import FLASH_US, MarkedFrame, read_file
from hw_sim.devices.sound import BEEP_HZ
from hw_sim.runner.frame_audit import OpenSegment
from hw_sim.runner.journal_view import JournalView

SECOND_US: Final = 1_000_000
_SEEK_US: Final = 150_000
"""So far from its flash a beep is looked for."""

_CLEAR: Final = 0.7
"""How much of what is heard in a beep's 100 ms must be the beep; below, something else was heard over it."""

Wave = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AvLag:
    """Milliseconds, positive when the sound is late; over ``beeps`` beeps that stood clear of anything else."""

    beeps: int
    furthest_ms: float
    mean_ms: float


def measure(view: JournalView, open_segment: OpenSegment) -> AvLag | None:
    """Over all segments that can be opened; None without one clear beep."""
    lags: list[float] = []
    for segment in view.segments.values():
        plain = open_segment(segment) if segment.state in ("closed", "recovered") else None
        if plain is None:
            continue
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            file.write(plain)
            file.flush()
            lags += lags_us(Path(file.name))
    if not lags:
        return None
    return AvLag(len(lags), round(max(map(abs, lags)) / 1000, 2), round(float(np.mean(lags)) / 1000, 2))


def lags_us(path: Path) -> list[float]:
    """One file's, in microseconds. Raises av.FFmpegError for a file that cannot be opened."""
    frames = [frame for frame in read_file(path) if frame.counter is not None]
    rate, at_us, samples = _sound(path)
    if len(frames) < 2 or not samples.size:
        return []
    found = []
    for second_us in _seconds(frames):
        lag = _beep(at_us, samples, rate, second_us)
        if lag is not None:
            found.append(lag)
    return found


def _seconds(frames: list[MarkedFrame]) -> list[float]:
    """Where in the file each second of boot-time begins whose beep is in it whole, by the first frame of its flash."""
    steps = np.diff([frame.at_us for frame in frames]) / np.diff([frame.counter or 0 for frame in frames])
    frame_rate = round(SECOND_US / float(np.median(steps)))
    last_us = frames[-1].at_us - FLASH_US - _SEEK_US
    found = []
    for before, frame in itertools.pairwise(frames):
        assert frame.counter is not None
        since_us = frame.counter * SECOND_US / frame_rate % SECOND_US
        if frame.flash and not before.flash and _SEEK_US < frame.at_us < last_us:
            found.append(frame.at_us - since_us)
    return found


def _beep(at_us: Wave, samples: Wave, rate: int, second_us: float) -> float | None:
    """How much later than ``second_us`` the beep near it begins: where 100 ms hold the most of a 1 kHz tone."""
    first, last = np.searchsorted(at_us, [second_us - _SEEK_US, second_us + _SEEK_US + FLASH_US])
    window = samples[first:last]
    length = FLASH_US * rate // SECOND_US
    if window.size < length + 1:
        return None
    turn = np.exp(-2j * np.pi * BEEP_HZ * np.arange(window.size) / rate)
    tone = np.abs(_running_sum(window * turn, length))
    best = int(tone.argmax())
    power = float(np.sum(window[best : best + length] ** 2))
    # A pure tone of amplitude a: the sum is a·length/2, the power a²·length/2.
    if power <= 0 or 2 * float(tone[best]) ** 2 / length < _CLEAR * power:
        return None
    return float(at_us[first + best]) - second_us


def _running_sum(values: npt.NDArray[np.complex128], length: int) -> npt.NDArray[np.complex128]:
    total = np.concatenate([[0], np.cumsum(values)])
    return np.asarray(total[length:] - total[:-length], np.complex128)


def _sound(path: Path) -> tuple[int, Wave, Wave]:
    """Rate, the time in the file of each sample in µs, the samples."""
    times: list[Wave] = []
    blocks: list[Wave] = []
    rate = 0
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return 0, np.zeros(0), np.zeros(0)
        for frame in container.decode(audio=0):
            assert frame.pts is not None and frame.time_base is not None
            rate = frame.sample_rate
            block = frame.to_ndarray()[0].astype(np.float64)
            times.append(float(frame.pts * frame.time_base) * SECOND_US + np.arange(block.size) * SECOND_US / rate)
            blocks.append(block)
    if not blocks:
        return 0, np.zeros(0), np.zeros(0)
    return rate, np.concatenate(times), np.concatenate(blocks)
