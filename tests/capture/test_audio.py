"""Sound beside the picture: flash and beep, drifting crystals, stalls, and a microphone that is not there."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_bridge.ports import AudioBlock, DeviceError, EncodedFrame
from recorder.capture.audio import FRAME, AudioCapture, AudioTrack
from recorder.capture.packets import AudioPacket, Packet
from tests.capture.doubles import ManualClock, Rig, capture_settings
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
        ends = [report.media_end_us for report in rig.reports if report.kind == "fragment"]
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


class Script:
    """A microphone that plays a list: a block, None for a timeout, or an error to raise. Then it ends the test."""

    def __init__(self, clock: ManualClock, script: Iterable[Step], done: threading.Event) -> None:
        self._clock = clock
        self._script = iter(script)
        self._done = done
        self.opened = 0

    def open(self, rate: int, block: int) -> None:
        self.opened += 1

    def read(self, timeout_s: float) -> AudioBlock | None:
        step = next(self._script, None)
        if step is None:
            self._done.set()
            threading.Event().wait(0.01)
            return None
        if isinstance(step, DeviceError):
            raise step
        if isinstance(step, int):
            self._clock.now_us += step
            return None
        self._clock.now_us = step.read_at_us
        return step

    def close(self) -> None:
        pass


def listen(script: Iterable[Step], clock: ManualClock) -> tuple[list[AudioPacket], list[Any], Script]:
    packets: list[AudioPacket] = []
    faults: list[Any] = []
    done = threading.Event()
    microphone = Script(clock, script, done)
    capture = AudioCapture(
        microphone, AudioTrack(RATE, 64_000), RATE, clock, packets.append, lambda *fault: faults.append(fault)
    )
    capture.start()
    assert done.wait(20)
    assert capture.stop()
    return packets, faults, microphone


def steady(count: int, start_us: int) -> list[AudioBlock]:
    return [AudioBlock(np.zeros(BLOCK, np.int16), start_us + (n + 1) * 20_000, False) for n in range(count)]


def check_continuous(packets: list[AudioPacket]) -> None:
    for before, after in itertools.pairwise(packets):
        assert abs(after.timestamp_us - before.timestamp_us - before.duration_us) < 2_500


def test_a_stall_becomes_counted_silence_and_one_fault() -> None:
    clock = ManualClock(1_000_000)
    script: list[Step] = [*steady(100, 1_000_000), *[50_000] * 10, *steady(250, 3_500_000)]
    packets, faults, _ = listen(script, clock)
    assert [fault[:2] for fault in faults] == [("microphone-fault", "onset"), ("microphone-fault", "end")]
    assert 400_000 < sum(packet.gap_us for packet in packets) < 600_000
    check_continuous(packets)


def test_lost_samples_are_made_up() -> None:
    clock = ManualClock(1_000_000)
    late = steady(300, 3_100_000)  # 100 ms never delivered, and no pause in the reads to tell
    packets, faults, _ = listen([*steady(100, 1_000_000), *late], clock)
    assert 80_000 < sum(packet.gap_us for packet in packets) < 120_000
    assert [fault[:2] for fault in faults] == [("microphone-fault", "onset"), ("microphone-fault", "end")]
    assert abs(packets[-1].timestamp_us - (3_100_000 + 300 * 20_000)) < 80_000


def test_an_unplugged_microphone_comes_back() -> None:
    class Ticking(ManualClock):
        """Time passes by itself while the device is gone."""

        gone = False

        def boottime_us(self) -> int:
            self.now_us += 40_000 if self.gone else 0
            return self.now_us

    clock = Ticking(1_000_000)

    def unplug() -> DeviceError:
        clock.gone = True
        return DeviceError("microphone", "gone", 19)

    def plug_in() -> int:
        clock.gone = False
        return 50_000

    def script() -> Iterator[Step]:
        yield from steady(100, 1_000_000)
        yield unplug()
        yield plug_in()
        yield from steady(200, clock.now_us)

    packets, faults, microphone = listen(script(), clock)
    assert microphone.opened == 2
    assert faults[0][:2] == ("microphone-fault", "onset") and faults[0][2]["errno"] == 19
    assert sum(packet.gap_us for packet in packets) > 500_000
    check_continuous(packets)


def test_a_device_that_cannot_even_be_closed_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unplugged device refuses everything, its closing too: that ended the audio thread, and all sound of the shift."""

    def refuse(self: Script) -> None:
        raise DeviceError("microphone", "gone", 19)

    monkeypatch.setattr(Script, "close", refuse)
    clock = ManualClock(1_000_000)
    # 1.1 s later it is there again.
    script: list[Step] = [*steady(100, 1_000_000), DeviceError("microphone", "gone", 19)]

    class Ticking(ManualClock):
        def boottime_us(self) -> int:
            self.now_us += 40_000 if self.now_us >= 3_000_000 else 0
            return self.now_us

    ticking = Ticking(clock.now_us)
    _, faults, microphone = listen([*script, *steady(5, 5_000_000)], ticking)
    assert microphone.opened == 2
    assert faults[0][:2] == ("microphone-fault", "onset") and "ended" not in faults[0][2]


def test_a_dead_capsule_is_a_fault() -> None:
    """Zeros for ten seconds: the device works and hears nothing, which no reading error will ever tell."""
    clock = ManualClock(1_000_000)
    noise = [
        AudioBlock(np.full(BLOCK, 3, np.int16), block.read_at_us + 11_000_000, False)
        for block in steady(200, 1_000_000)
    ]
    _, faults, _ = listen([*steady(550, 1_000_000), *noise], clock)
    assert [fault[:2] for fault in faults] == [("microphone-fault", "onset"), ("microphone-fault", "end")]
    assert "zeros" in faults[0][2]["error"]


def test_an_overflow_is_reported() -> None:
    clock = ManualClock(1_000_000)
    script: list[Step] = [*steady(50, 1_000_000)]
    script[20] = AudioBlock(np.zeros(BLOCK, np.int16), 1_000_000 + 21 * 20_000, True)
    _, faults, _ = listen(script, clock)
    assert faults[0][0] == "microphone-fault" and "overflow" in faults[0][2]["error"]


def test_a_driver_that_hangs_is_reported_from_outside() -> None:
    class Hung:
        let_go = threading.Event()

        def open(self, rate: int, block: int) -> None:
            pass

        def read(self, timeout_s: float) -> AudioBlock | None:
            self.let_go.wait(30)
            return None

        def close(self) -> None:
            pass

    clock = ManualClock(1_000_000)
    faults: list[Any] = []
    microphone = Hung()
    capture = AudioCapture(
        microphone, AudioTrack(RATE, 64_000), RATE, clock, lambda packet: None, lambda *fault: faults.append(fault)
    )
    capture.start()
    capture.watch(2_000_000)
    assert faults == []
    capture.watch(3_500_000)
    capture.watch(4_500_000)
    assert [fault[:2] for fault in faults] == [("microphone-fault", "onset")]
    assert not capture.stop(0.1)
    microphone.let_go.set()
    assert capture.stop()


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
