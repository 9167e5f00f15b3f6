"""Sound beside the picture: flash and beep, drifting crystals, stalls, and a microphone that is not there."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.ports import AudioBlock, DeviceError, EncodedFrame
from recorder.capture.audio import FRAME, AudioTrack
from recorder.capture.packets import AudioPacket, Packet
from recorder.channel.messages import EntryWritten
from tests.capture.doubles import Rig, capture_settings
from tests.capture.footage import FLASH_EVERY, film, pictures, sound

RATE = 48_000
BLOCK = 960

Step = AudioBlock | DeviceError | int


def blocks(frames: tuple[EncodedFrame, ...], ppm: float, lateness_us: int = 8_000) -> list[AudioBlock]:
    """What a microphone whose crystal is off by ``ppm`` hears: 50 ms of 1 kHz at every flash, reads late at random."""
    rate = RATE * (1 + ppm * 1e-6)
    start_us = frames[0].timestamp_us - 400_000
    flashes = [frame.timestamp_us for frame in frames[::FLASH_EVERY]]
    count = int((frames[-1].timestamp_us + 200_000 - start_us) * rate / 1e6) // BLOCK * BLOCK
    heard_us = start_us + np.arange(count) * 1e6 / rate
    samples = np.zeros(count)
    for flash_us in flashes:
        beep = (heard_us >= flash_us) & (heard_us < flash_us + 50_000)
        samples[beep] = 12_000 * np.cos(2 * np.pi * 1000 * (heard_us[beep] - flash_us) / 1e6)
    chance = random.Random(3)
    found = []
    for first in range(0, count, BLOCK):
        read_at = int(heard_us[first] + BLOCK * 1e6 / rate) + chance.randint(0, lateness_us)
        found.append(AudioBlock(samples[first : first + BLOCK].astype(np.int16), read_at, False))
    return found


def arrivals(frames: tuple[EncodedFrame, ...], heard: list[AudioBlock], track: AudioTrack) -> list[Packet]:
    """Frames 30 ms after exposure and audio packets when their block was read, in the order they really come."""
    coming: list[tuple[int, Packet]] = [(frame.timestamp_us + 30_000, frame) for frame in frames]
    for block in heard:
        coming += [(block.read_at_us, packet) for packet in track.block(block)[0]]
    return [packet for _, packet in sorted(coming, key=lambda each: each[0])]


def record(rig: Rig, coming: list[Packet], frames: tuple[EncodedFrame, ...]) -> None:
    first = coming.index(frames[0])
    rig.push(coming[: first + 1])
    rig.start(frames[0].timestamp_us + 1)
    rig.push(coming[first + 1 :])
    rig.finish(frames[-1].timestamp_us + 1)


def lags_us(path: Path) -> list[float]:
    """Onset of each beep minus the time of its flash."""
    starts, samples = sound(path, RATE)
    lags = []
    times = np.concatenate([start + np.arange(FRAME) * 1e6 / RATE for start in starts])
    loud = np.abs(samples.reshape(-1)) > 0.15
    for picture in pictures(path):
        if picture.number is not None and picture.number % FLASH_EVERY == 0 and picture.time_us > 100_000:
            near = times[loud & (np.abs(times - picture.time_us) < 100_000)]
            lags.append(float(near[0] - picture.time_us))
    return lags


@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_flash_and_beep_in_every_segment(tmp_path: Path, ppm: int) -> None:
    frames = film(1800, flash=True)
    track = AudioTrack(RATE, 64_000)
    rig = Rig(tmp_path, capture_settings(segment_s=10), audio=track.stream)
    record(rig, arrivals(frames, blocks(frames, ppm), track), frames)
    lags = []
    for opened in rig.opened:
        found = lags_us(rig.path(opened))
        assert len(found) >= 4
        lags += found
    assert max(abs(lag) for lag in lags) < 5_000
    assert not rig.faults
    assert all(closed.audio_gaps_us == 0 for closed in rig.closed)
    numbers = [picture.number for opened in rig.opened for picture in pictures(rig.path(opened))]
    assert numbers == list(range(1800))


def test_sound_is_divided_at_the_boundary_without_loss(tmp_path: Path) -> None:
    frames = film(1000)
    track = AudioTrack(RATE, 64_000)
    rig = Rig(tmp_path, capture_settings(segment_s=10), audio=track.stream)
    coming = arrivals(frames, blocks(frames, 0), track)
    record(rig, coming, frames)
    first_us, end_us = rig.opened[0].media_start_us, rig.closed[-1].media_end_us
    expected = [p.timestamp_us for p in coming if isinstance(p, AudioPacket) and first_us <= p.timestamp_us < end_us]
    written: list[int] = []
    for opened, closed in zip(rig.opened, rig.closed, strict=True):
        starts, _ = sound(rig.path(opened), RATE)
        written += [opened.media_start_us + start for start in starts]
        assert opened.media_start_us <= written[-len(starts)] < opened.media_start_us + 22_000
        assert written[-1] < closed.media_end_us
    assert len(written) == pytest.approx(len(expected), abs=4)  # the last packets were still in the encoder at the stop
    # Within a file libavformat adds up durations; a tick of the sample rate each way is rounding.
    assert all(abs(a - b) <= 25 for a, b in zip(written, expected, strict=False))


def test_a_silent_microphone_never_withholds_video(tmp_path: Path) -> None:
    """T8: libavformat would hold video back for 10 s. Here a frame waits 0.2 s at most."""
    frames = film(200)
    track = AudioTrack(RATE, 64_000)
    rig = Rig(tmp_path, capture_settings(segment_s=60), audio=track.stream)
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    for frame in frames[1:]:
        rig.push([frame])
        durable_us = rig.entries(rig.opened[0].segment_id)[-1].media_end_us if rig.opened else frames[0].timestamp_us
        assert frame.timestamp_us - durable_us <= 1_000_000
    rig.finish(frames[-1].timestamp_us + 1)
    assert rig.closed[-1].frames == 200


def test_media_not_yet_durable_stays_below_a_second(tmp_path: Path) -> None:
    frames = film(900)
    track = AudioTrack(RATE, 64_000)
    rig = Rig(tmp_path, capture_settings(segment_s=10), audio=track.stream)
    coming = arrivals(frames, blocks(frames, 0), track)
    first = coming.index(frames[0])
    rig.push(coming[: first + 1])
    rig.start(frames[0].timestamp_us + 1)
    worst = 0
    for packet in coming[first + 1 :]:
        rig.push([packet])
        ends = [report.media_end_us for report in rig.reports if isinstance(report, EntryWritten)]
        worst = max(worst, packet.timestamp_us - max(ends, default=frames[0].timestamp_us))
    rig.finish(frames[-1].timestamp_us + 1)
    assert worst <= 850_000


def test_preroll_has_sound_only_when_the_agency_says_so(tmp_path: Path) -> None:
    frames = film(400)
    for wanted in (False, True):
        track = AudioTrack(RATE, 64_000)
        settings = capture_settings(pre_event_s=5, segment_s=60, pre_event_audio=wanted)
        rig = Rig(tmp_path / str(wanted), settings, audio=track.stream)
        coming = arrivals(frames, blocks(frames, 0), track)
        pressed = coming.index(frames[314])
        rig.push(coming[: pressed + 1])
        rig.start(frames[314].timestamp_us + 1, preroll=True)
        rig.push(coming[pressed + 1 :])
        rig.finish(frames[-1].timestamp_us + 1)
        preroll, live = rig.opened
        assert (preroll.audio_rate, live.audio_rate) == (RATE if wanted else None, RATE)
        if wanted:
            starts, _ = sound(rig.path(preroll), RATE)
            last_us = preroll.media_start_us + starts[-1]
            assert live.media_start_us - last_us < 22_000  # up to the very boundary, although sound trails


def test_missing_sound_is_counted_in_its_segment(tmp_path: Path) -> None:
    frames = film(200)
    rig = Rig(tmp_path, capture_settings(segment_s=60), audio=AudioTrack(RATE, 64_000).stream)
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    rig.push(frames[1:])
    rig.finish(frames[-1].timestamp_us + 1)
    closed = rig.closed[0]
    assert closed.audio_gaps_us == closed.media_end_us - closed.media_start_us


def test_sound_without_picture_covers_nothing(tmp_path: Path) -> None:
    """A hung camera with a running microphone: once, the signed coverage ran on with the sound and hid 1.5 s of gap."""
    frames = film(200)
    track = AudioTrack(RATE, 64_000)
    rig = Rig(tmp_path, capture_settings(segment_s=60), audio=track.stream)
    last_us = frames[90].timestamp_us
    coming = arrivals(frames, blocks(frames, 0), track)
    record(
        rig, [packet for packet in coming if isinstance(packet, AudioPacket) or packet.timestamp_us <= last_us], frames
    )
    (closed,) = rig.closed
    entries = rig.entries(closed.segment_id)
    assert entries[-1].at_us > last_us + 1_000_000, "the sound went on being written"
    assert closed.media_end_us <= last_us + 40_000
    assert max(entry.media_end_us for entry in entries) <= last_us + 40_000
