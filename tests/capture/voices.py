"""Sounds for tests of the ear: the shipped voices, the simulator's scenes, and what else is heard in a street."""

from __future__ import annotations

import math
import wave
from typing import Final

import numpy as np
import numpy.typing as npt

from firmware_bridge.ports import Samples
from hw_sim.devices.sound import Quiet, Street
from hw_sim.runner.media import MEDIA

RATE: Final = 16_000

Wave = npt.NDArray[np.float64]


def voice(name: str) -> Samples:
    """A clip of hw_sim/media: 16 kHz mono, voice at -20 dBFS."""
    with wave.open(str(MEDIA / f"{name}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def times(seconds: float) -> Wave:
    return np.arange(round(seconds * RATE)) / RATE


def quiet(seconds: float) -> Samples:
    return Quiet(1).at(times(seconds), 0)


def street(seconds: float) -> Samples:
    return Street(1).at(times(seconds), 0)


def siren(seconds: float, sweeps_hz: float = 0.35) -> Samples:
    """Wail, or with 3.5 sweeps a second yelp."""
    frequency = 900 + 500 * np.sin(2 * math.pi * sweeps_hz * times(seconds))
    phase = 2 * math.pi * np.cumsum(frequency) / RATE
    return level(np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase), -18)


def horn(seconds: float) -> Samples:
    t = times(seconds)
    tone = sum(np.sin(2 * math.pi * k * f * t) / k for f in (420, 510) for k in range(1, 7))
    return level(np.where(t % 2 < 0.6, tone, 0.0), -18)


def music(seconds: float) -> Samples:
    """Chords that change 2.5 times a second, and a drum."""
    t = times(seconds)
    beat = t % 0.4
    scale = np.array([262, 330, 392, 523, 440, 349, 294, 494])
    step = (t / 0.4).astype(int)
    heard = np.zeros_like(t)
    for f in (scale[step % 8], scale[step * 3 % 8] / 2, scale[(step * 5 + 2) % 8]):
        heard += sum(np.sin(2 * math.pi * k * f * beat) / k**1.2 for k in range(1, 9)) * np.exp(-beat * 4)
    drum = np.random.default_rng(2).standard_normal(t.size) * np.exp(-beat * 60) * (step % 2 == 0)
    return level(heard + 1.5 * drum, -20)


def hiss(seconds: float, dbfs: float) -> Samples:
    return level(np.random.default_rng(3).standard_normal(round(seconds * RATE)), dbfs)


def level(heard: Wave, dbfs: float) -> Samples:
    """RMS of the whole at ``dbfs``."""
    scaled = heard / np.sqrt(np.mean(heard**2)) * 32768 * 10 ** (dbfs / 20)
    return np.asarray(scaled.clip(-32_768, 32_767), np.int16)


def mixed(*parts: tuple[Samples, float, float], seconds: float) -> Samples:
    """``(samples, begin in s, gain in dB)`` together."""
    out = np.zeros(round(seconds * RATE))
    for samples, begin_s, gain_db in parts:
        first = round(begin_s * RATE)
        piece = samples[: max(0, out.size - first)]
        out[first : first + piece.size] += piece * 10 ** (gain_db / 20)
    return np.asarray(out.clip(-32_768, 32_767), np.int16)


def correlation(heard: npt.NDArray[np.float64], clip: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``np.correlate(heard, clip, "valid")`` by Fourier transform: 60 000 samples in 100 000 places."""
    size = heard.size + clip.size
    whole = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(clip, size)), size)
    return np.asarray(whole[: heard.size - clip.size + 1], np.float64)
