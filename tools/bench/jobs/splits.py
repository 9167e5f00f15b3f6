"""A long synthetic recording with jitter and a drifting microphone, then every frame and tone read back from its files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import click
import numpy as np

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import EncodedFrame
from recorder.capture.audio import AudioTrack
from recorder.capture.packets import Packet
from recorder.capture.stream import Report
from recorder.channel.messages import Closed
from recorder.evidence.files import Files, OsFiles
from tools.bench.clocks import START_US, SetClock
from tools.bench.counted import TONE_S, CountedFrames, DriftingMicrophone, number_of, tone_centres
from tools.bench.footage import AUDIO_RATE, FRAME_RATE
from tools.bench.packet_file import read
from tools.bench.recording import Recording, Setting, camera
from tools.bench.unit_side import new_id

JITTER_US = 300
LATE_US = (200, 4000)


@dataclass(slots=True)
class Closings:
    """The reports of closed segments, in order."""

    closed: list[Closed] = field(default_factory=list)

    def __call__(self, report: Report) -> None:
        if isinstance(report, Closed):
            self.closed.append(report)


def packets(source: CountedFrames, seconds: int, ppm: float, rng: np.random.Generator) -> Iterator[Packet]:
    """Frames and sound in the order in which they would become available."""
    count = seconds * FRAME_RATE
    jitter = rng.integers(-JITTER_US, JITTER_US + 1, count)
    late = rng.integers(*LATE_US, 4096)
    track = AudioTrack(AUDIO_RATE, 64_000)
    blocks = DriftingMicrophone(AUDIO_RATE, ppm).blocks(START_US, seconds, late)
    block = next(blocks, None)
    for number in range(count):
        at_us = START_US + number * 1_000_000 // FRAME_RATE + int(jitter[number])
        while block is not None and block.read_at_us <= at_us:
            yield from track.block(block)[0]
            block = next(blocks, None)
        yield source.frame(number, at_us)


def stamped(stream: Iterator[Packet], clock: SetClock) -> Iterator[Packet]:
    """The clock follows the frames."""
    for packet in stream:
        if isinstance(packet, EncodedFrame):
            clock.now_us = packet.timestamp_us
        yield packet


@dataclass(slots=True)
class Read:
    """What stands in the files: the frames' numbers in order; how far each tone is from where it belongs, in seconds, for
    a player that follows the time stamps (``stamped``) and for one that plays the samples of a segment without ever looking
    at them again (``straight``); frames without a number."""

    numbers: list[int] = field(default_factory=list)
    stamped: list[float] = field(default_factory=list)
    straight: list[float] = field(default_factory=list)
    unnumbered: int = 0

    def segment(self, path: Path, base_us: int) -> None:
        with av.open(str(path)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size:
                    number = number_of(bytes(packet))
                    if number is None:
                        self.unnumbered += 1
                    else:
                        self.numbers.append(number)
        pieces, times = [], []
        with av.open(str(path)) as container:
            for frame in container.decode(container.streams.audio[0]):
                if frame.pts is not None and frame.time_base is not None:
                    times.append((base_us - START_US) / 1e6 + float(frame.pts * frame.time_base))
                    pieces.append(frame.to_ndarray()[0])
        if not pieces:
            self.stamped.append(math.inf)
            return
        unit = len(pieces[0])
        for number, centre in tone_centres(np.concatenate(pieces), AUDIO_RATE, times[0]):
            belongs_s = number * TONE_S
            if math.isinf(centre):
                self.stamped.append(math.inf)
                continue
            whole = int(centre) // unit
            self.straight.append(times[0] + centre / AUDIO_RATE - belongs_s)
            self.stamped.append(times[whole] + (centre - whole * unit) / AUDIO_RATE - belongs_s)


@click.command()
@click.argument("stream", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seconds", default=600)
@click.option("--ppm", default=200.0)
def main(stream: Path, out: Path, seconds: int, ppm: float) -> None:
    real = SystemClock()
    clock = SetClock(real.wall_us(), real.boot_id())
    closings = Closings()
    session_id = new_id()
    files: Files = OsFiles()
    recording = Recording(Setting(out, camera(320, 180, 500), ()), clock, files, closings, session_id)
    source = CountedFrames(list(read(stream)))
    recording.feed(stamped(packets(source, seconds, ppm, np.random.default_rng(20191201)), clock))
    recording.finish()
    found = Read()
    for closed in closings.closed:
        found.segment(out / "segments" / session_id / f"{closed.segment_id}.mp4", closed.media_start_us)
    steps = np.diff(np.array(found.numbers))
    click.echo(
        json.dumps(
            {
                "fed": seconds * FRAME_RATE,
                "in_files": len(found.numbers),
                "missing": seconds * FRAME_RATE - len(set(found.numbers)) + found.unnumbered,
                "repeated": len(found.numbers) - len(set(found.numbers)),
                "out_of_order": int((steps != 1).sum()),
                "segments": len(closings.closed),
                "tones": len(found.stamped),
                "lost_tones": sum(math.isinf(error) for error in found.stamped),
                "stamped_ms": max(abs(error) for error in found.stamped) * 1000,
                "straight_ms": max(abs(error) for error in found.straight) * 1000,
            }
        )
    )


if __name__ == "__main__":
    main()
