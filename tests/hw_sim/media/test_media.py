"""The shipped material: small, playable, and what its generator makes."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest

from firmware_bridge.ports import GnssCounters
from firmware_bridge.raspberry_pi.gnss_trust import Plausibility
from firmware_bridge.raspberry_pi.nmea import NmeaEpochs
from hw_sim.devices import nmea
from hw_sim.devices.gnss_feed import LogFeed, split_epochs
from hw_sim.media import make_media, make_voices

MEDIA = make_media.FOLDER


def samples(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def test_the_clip_is_short_small_and_plays() -> None:
    path = MEDIA / "clip.mp4"
    assert path.stat().st_size <= 1_500_000
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 640, 360)
        assert sum(1 for _ in container.decode(stream)) == 210


def test_the_clip_is_what_its_generator_makes(tmp_path: Path) -> None:
    make_media.make_clip(tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as made, av.open(str(MEDIA / "clip.mp4")) as shipped:
        for mine, theirs in zip(made.decode(video=0), shipped.decode(video=0), strict=True):
            difference = np.abs(mine.to_ndarray().astype(np.int16) - theirs.to_ndarray())
            assert mine.pts == theirs.pts and difference.mean() < 2.0


def test_the_sound_is_what_its_generator_makes(tmp_path: Path) -> None:
    assert (MEDIA / "street.wav").stat().st_size <= 300_000
    make_media.make_sound(tmp_path / "street.wav")
    made, shipped = samples(tmp_path / "street.wav"), samples(MEDIA / "street.wav")
    assert np.abs(made.astype(np.int32) - shipped).max() <= 1  # the last bit of sin() is the C library's
    assert np.abs(shipped).max() > 8_000 and abs(int(shipped[0])) < 50 > abs(int(shipped[-1]))


def test_the_walk_is_what_its_generator_makes(tmp_path: Path) -> None:
    make_media.make_walk(tmp_path / "walk.nmea")
    assert (tmp_path / "walk.nmea").read_bytes() == (MEDIA / "walk.nmea").read_bytes()


def test_the_walk_is_believed_also_when_looped() -> None:
    lines = (MEDIA / "walk.nmea").read_text("ascii").splitlines()
    assert all(nmea.has_valid_checksum(line) for line in lines)
    assert len(split_epochs(lines)) == 120
    feed, counters, trust = LogFeed(lines, "loop", retime=True), GnssCounters(), Plausibility(10)
    epochs, believed = NmeaEpochs(counters), 0
    for n in range(300):
        at_us = round(feed.due_s(n) * 1e6)
        for line in feed.lines(n, 1_780_000_000_000_000 + at_us):
            for reading in epochs.line(line.encode(), at_us):
                assert trust.believes(reading.fix)
                believed += 1
    assert counters == GnssCounters(sentences=600, no_fix=28)
    assert believed == 300 - 14


def test_main_names_what_it_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_media, "make_clip", lambda path: path.write_bytes(b"x"))
    assert make_media.main([str(tmp_path / "m")]) == 0
    assert {path.name for path in (tmp_path / "m").iterdir()} == {"clip.mp4", "street.wav", "walk.nmea"}
    assert "clip.mp4: 1 bytes" in capsys.readouterr().out


@pytest.mark.parametrize("line", make_voices.LINES, ids=lambda line: line.name)
def test_a_voice_is_shipped_trimmed_and_at_its_level(line: make_voices.Line) -> None:
    voice = samples(MEDIA / f"{line.name}.wav").astype(np.float64) / 32768
    assert 1 < voice.size / 16_000 < 8
    loud = voice[np.abs(voice) > 0.02 * np.abs(voice).max()]
    assert 20 * np.log10(np.sqrt(np.mean(loud**2))) == pytest.approx(-20, abs=0.5)
    assert np.abs(voice).max() < 0.98 and abs(voice[0]) < 0.02 > abs(voice[-1])
