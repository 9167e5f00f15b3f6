"""A tone is found again in a file, and nothing is found where there is none."""

from __future__ import annotations

import io
import math
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from hw_sim.virtual_pi.sound import RATE, heard, write_tone


def mp4(samples: np.ndarray | None) -> bytes:
    """One second of grey pictures, with this sound in AAC."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        video = file.add_stream("libx264", rate=5)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = file.add_stream("aac", rate=RATE, layout="mono") if samples is not None else None
        for _ in range(5):
            file.mux(video.encode(av.VideoFrame(64, 64, "yuv420p")))
        file.mux(video.encode(None))
        if audio is not None and samples is not None:
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            file.mux(audio.encode(frame))
            file.mux(audio.encode(None))
    return out.getvalue()


def tone(path: Path, hertz: float, dbfs: float, seconds: float) -> np.ndarray:
    write_tone(path, hertz, dbfs, seconds)
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_a_tone_is_found_with_its_level_also_when_half_of_the_file_is_silent(tmp_path: Path) -> None:
    sound = tone(tmp_path / "tone.wav", 1000, -12, 4)
    for samples in (sound, np.concatenate([np.zeros(4 * RATE, np.int16), sound])):
        found = heard(mp4(samples))
        assert found is not None and found.codec == "aac"
        assert abs(found.seconds - samples.size / RATE) < 0.1
        assert abs(found.hertz - 1000) <= 1 and found.purity > 0.99
        assert abs(found.dbfs + 12) < 0.5


def test_noise_is_no_tone_and_silence_has_no_level() -> None:
    noise = np.random.default_rng(1).normal(0, 3000, 3 * RATE).astype(np.int16)
    found = heard(mp4(noise))
    assert found is not None and found.purity < 0.3
    silent = heard(mp4(np.zeros(3 * RATE, np.int16)))
    assert silent is not None and silent.dbfs < -80
    short = heard(mp4(np.zeros(1024, np.int16)))
    assert short is not None and short.dbfs == -math.inf
    assert heard(mp4(None)) is None
