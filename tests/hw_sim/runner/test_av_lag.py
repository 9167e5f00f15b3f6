"""The ruler for sound and picture, held to files whose lag is known."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hw_sim.devices.counter import stamp
from hw_sim.devices.sound import Beeps
from hw_sim.runner.av_lag import lags_us

RATE, FPS, SECONDS = 48_000, 30, 5
FIRST = 90_010
"""The file begins in the middle of a second of boot-time."""


def film(path: Path, lag_us: int, voice: float = 0.0) -> Path:
    """Flash and beep, the sound ``lag_us`` late, with somebody speaking over the beeps as loud as ``voice``."""
    begin_us = FIRST * 1_000_000 / FPS
    with av.open(str(path), "w", format="matroska") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "tune": "zerolatency"})
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for n in range(FPS * SECONDS):
            picture = np.full((270, 320), 128, np.uint8)
            stamp(picture[:180], FIRST + n, round(begin_us + n * 1_000_000 / FPS))
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = n, Fraction(1, FPS)
            container.mux(video.encode(frame))
        times = (begin_us - lag_us) / 1e6 + np.arange(RATE * SECONDS) / RATE
        sound = Beeps(1).at(times, 0).astype(np.float64)
        sound += voice * np.random.default_rng(2).standard_normal(sound.size)
        for first in range(0, sound.size, 960):
            block = sound[first : first + 960].clip(-32_768, 32_767).astype(np.int16)
            heard = av.AudioFrame.from_ndarray(block[np.newaxis, :], format="s16", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = RATE, first, Fraction(1, RATE)
            container.mux(audio.encode(heard))
        container.mux(video.encode(None))
    return path


@pytest.mark.parametrize("lag_us", [-45_000, 0, 1_500, 60_000])
def test_a_known_lag_is_found_to_a_millisecond(tmp_path: Path, lag_us: int) -> None:
    lags = lags_us(film(tmp_path / "film.mkv", lag_us, voice=300))
    assert len(lags) >= SECONDS - 2
    assert lags == pytest.approx([lag_us] * len(lags), abs=1_000)


def test_a_beep_under_a_louder_noise_is_no_measurement(tmp_path: Path) -> None:
    assert lags_us(film(tmp_path / "film.mkv", 0, voice=12_000)) == []
