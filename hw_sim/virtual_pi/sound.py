"""What the virtual Pi's microphone is let hear, and what of it is found in a recorded file."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np

RATE: Final = 48_000
FULL: Final = 32_768


def write_tone(path: Path, hertz: float, dbfs: float, seconds: float) -> None:
    """A WAV file, mono, 16 bit, 48 kHz: a sine whose RMS is ``dbfs`` (a full sine has -3 dBFS)."""
    amplitude = 10 ** (dbfs / 20) * np.sqrt(2) * FULL
    samples = amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())


@dataclass(frozen=True, slots=True)
class Heard:
    """Of a file's sound: how long it is, the RMS of its louder half in dBFS, the strongest frequency there, and how much of
    the power is within 2 % of it."""

    codec: str
    seconds: float
    dbfs: float
    hertz: float
    purity: float


def heard(mp4: bytes) -> Heard | None:
    """None when the file has no sound. Decoded by FFmpeg; frames of AAC are put one after another."""
    with av.open(io.BytesIO(mp4), "r") as file:
        if not file.streams.audio:
            return None
        stream = file.streams.audio[0]
        blocks = [frame.to_ndarray()[0] for frame in file.decode(stream)]
        codec, rate = stream.codec_context.name, stream.codec_context.sample_rate
    samples = np.concatenate([np.empty(0), *blocks]).astype(np.float64)
    if samples.size < rate:
        return Heard(codec, samples.size / rate, -np.inf, 0.0, 0.0)
    seconds = samples[: samples.size // rate * rate].reshape(-1, rate)
    loud = seconds[np.argsort((seconds**2).mean(axis=1))[-max(1, len(seconds) // 2) :]]
    power = float((loud**2).mean())
    if power == 0:
        return Heard(codec, samples.size / rate, -np.inf, 0.0, 0.0)
    spectrum = (np.abs(np.fft.rfft(loud * np.hanning(rate), axis=1)) ** 2).sum(axis=0)  # one bin is one hertz
    top = int(spectrum.argmax())
    near = slice(max(0, round(top * 0.98)), round(top * 1.02) + 1)
    purity = float(spectrum[near].sum() / spectrum.sum())
    return Heard(codec, samples.size / rate, 10 * float(np.log10(power)), float(top), purity)
