"""Makes the material shipped beside it: ``python -m hw_sim.media.make_media [FOLDER]``. Same seed, same files.

``clip.mp4``: 7 s of a made-up street, 640 x 360, H.264. ``street.wav``: 7 s, 16 kHz mono, traffic and two passages with the
rhythm and pitch of speech. ``walk.nmea``: two minutes on foot round a block in Shijiazhuang, GGA and RMC once a second,
seven seconds of them without a fix. Everything is computed here; nothing is recorded or taken from elsewhere.
"""

from __future__ import annotations

import datetime
import math
import sys
import wave
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt

from firmware_bridge.ports import Plane, Samples
from hw_sim.devices import nmea
from hw_sim.devices.counter import plane_of
from hw_sim.devices.gnss_feed import walk
from hw_sim.devices.scene import Scene

FOLDER: Final = Path(__file__).parent
SEED: Final = 20191201  # the day the Hebei measures came into force
WIDTH: Final = 640
HEIGHT: Final = 360
FRAME_RATE: Final = 30
SECONDS: Final = 7
SOUND_RATE: Final = 16_000
WALK_S: Final = 120
NO_FIX_S: Final = range(71, 78)
WALK_BEGIN: Final = datetime.datetime(2026, 5, 18, 1, 30, 0, tzinfo=datetime.UTC)


def make_clip(path: Path) -> None:
    """A street with pedestrians, and a car in each direction."""
    scene = Scene(WIDTH, HEIGHT, SEED)
    picture = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    y, u, v = (plane_of(picture, index) for index in range(3))
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1  # with more, the same input gives another file each time
        stream.options = {"preset": "slow", "crf": "22", "x264-params": "keyint=60"}
        for n in range(FRAME_RATE * SECONDS):
            at_us = n * 1_000_000 // FRAME_RATE
            scene.draw(y, u, v, at_us, lux=200.0, covered=False)
            _car(y, u, v, at_us / 1e6, lane=0)
            _car(y, u, v, at_us / 1e6, lane=1)
            picture.pts, picture.time_base = n, Fraction(1, FRAME_RATE)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _car(y: Plane, u: Plane, v: Plane, t: float, lane: int) -> None:
    length, tall = 120, 36
    way = int((t + 1.3 * lane) * 190) % (WIDTH + length)
    left = (way - length if lane == 0 else WIDTH - way) & ~1
    top = 250 + 44 * lane
    begin, end = max(0, left), min(WIDTH, left + length)
    if begin >= end:
        return
    y[top : top + tall, begin:end] = 96 if lane == 0 else 140
    u[top // 2 : (top + tall) // 2, begin // 2 : end // 2] = 110 if lane == 0 else 170
    v[top // 2 : (top + tall) // 2, begin // 2 : end // 2] = 186 if lane == 0 else 104
    roof_begin, roof_end = max(0, left + 26), min(WIDTH, left + 92)
    if roof_begin < roof_end:
        y[top - 18 : top, roof_begin:roof_end] = 60
    for wheel in (left + 16, left + 88):
        wheel_begin, wheel_end = max(0, wheel), min(WIDTH, wheel + 18)
        if wheel_begin < wheel_end:
            y[top + tall - 8 : top + tall + 8, wheel_begin:wheel_end] = 24


def make_sound(path: Path) -> None:
    t = np.arange(SECONDS * SOUND_RATE) / SOUND_RATE
    random = np.random.default_rng(SEED)
    rumble = _smoothed(random.standard_normal(t.size), 24)
    passing = _smoothed(random.standard_normal(t.size), 5) * np.exp(-(((t - 3.4) / 0.8) ** 2))
    sound = 2200 * rumble + 5200 * passing + 7000 * _talk(t, 0.6, 2.2, 118.0) + 7500 * _talk(t, 4.6, 6.4, 205.0)
    fade = np.minimum(1.0, np.minimum(t, SECONDS - t) / 0.05)  # so that a loop does not click
    samples: Samples = np.rint((sound * fade).clip(-32_000, 32_000)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE)
        file.writeframes(samples.tobytes())


def _smoothed(noise: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float64]:
    out = np.convolve(noise, np.ones(width) / width, mode="same")
    return np.asarray(out / out.std(), np.float64)


def _talk(t: npt.NDArray[np.float64], begin_s: float, end_s: float, pitch_hz: float) -> npt.NDArray[np.float64]:
    """Harmonics under a vowel-like envelope, 4.5 syllables a second: nobody's words, but speech to a detector."""
    inside = (t >= begin_s) & (t < end_s)
    phase = 2 * math.pi * np.cumsum(pitch_hz * (1 + 0.06 * np.sin(2 * math.pi * 1.7 * t))) / SOUND_RATE
    voice = np.zeros_like(t)
    for harmonic in range(1, 18):
        frequency = harmonic * pitch_hz
        vowel = math.exp(-(((frequency - 650) / 300) ** 2)) + 0.5 * math.exp(-(((frequency - 1700) / 350) ** 2))
        voice += (0.06 + vowel) * np.sin(harmonic * phase)
    syllables = np.maximum(0.0, np.sin(2 * math.pi * 4.5 * (t - begin_s))) ** 0.6
    return np.asarray(np.where(inside, voice * syllables * 0.35, 0.0), np.float64)


def make_walk(path: Path) -> None:
    begin_us = int(WALK_BEGIN.timestamp()) * 1_000_000
    lines: list[str] = []
    for second in range(WALK_S):
        utc_us = begin_us + second * 1_000_000
        lines += nmea.no_fix_lines(utc_us) if second in NO_FIX_S else nmea.epoch_lines(_there_and_back(second), utc_us)
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode("ascii"))


def _there_and_back(second: int) -> nmea.Place:
    """Out for a minute and the same way home, so that the log can be looped without a jump."""
    half = WALK_S / 2
    place = walk(half - abs(second - half))
    return (
        place
        if second < half
        else nmea.Place(
            place.latitude, place.longitude, place.altitude_m, place.speed_mps, (place.course_deg + 180) % 360
        )
    )


def main(arguments: list[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    folder = Path(given[0]) if given else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    make_clip(folder / "clip.mp4")
    make_sound(folder / "street.wav")
    make_walk(folder / "walk.nmea")
    for name in ("clip.mp4", "street.wav", "walk.nmea"):
        sys.stdout.write(f"{folder / name}: {(folder / name).stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
