"""Encoded test streams, made once: libx264 and AAC as a recorder's encoders give them, as MP4 and as bare packets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.bench.measure import program, run
from tools.bench.workshop import Workshop

AUDIO_RATE = 48_000
FRAME_RATE = 30


@dataclass(frozen=True, slots=True)
class Shape:
    """``kbps`` of the video; sound is 64 kbit/s mono AAC-LC always."""

    seconds: int
    width: int
    height: int
    kbps: int

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height}-{self.kbps}k-{self.seconds}s"


@dataclass(frozen=True, slots=True)
class Footage:
    """``mp4`` for the peers; ``packets`` (:mod:`tools.bench.packet_file`) for ours."""

    mp4: Path
    packets: Path


def footage(shop: Workshop, shape: Shape) -> Footage:
    """Make the stream, or take the one made before. Raises Unavailable without ffmpeg."""
    mp4 = shop.cache / f"{shape.name}.mp4"
    packets = shop.cache / f"{shape.name}.packets"
    if not mp4.exists():
        shop.cache.mkdir(parents=True, exist_ok=True)
        shop.say(f"编码测试流 encoding {shape.name}")
        unfinished = mp4.with_suffix(".part.mp4")
        run(_encode(shape, unfinished), shop.clock)
        unfinished.rename(mp4)
    if not packets.exists():
        unfinished = packets.with_suffix(".part")
        shop.job("dump", str(mp4), str(unfinished))
        unfinished.rename(packets)
    return Footage(mp4, packets)


def repeated(shop: Workshop, base: Footage, times: int) -> Path:
    """The stream ``times`` over as one MP4, without encoding it again."""
    path = base.mp4.with_name(f"{base.mp4.stem}-x{times}.mp4")
    if not path.exists():
        unfinished = path.with_suffix(".part.mp4")
        command = [program("ffmpeg"), "-nostdin", "-v", "error", "-y", "-stream_loop", str(times - 1)]
        run([*command, "-i", str(base.mp4), "-c", "copy", str(unfinished)], shop.clock)
        unfinished.rename(path)
    return path


def _encode(shape: Shape, out: Path) -> list[str]:
    noise = "noise=alls=14:allf=t"
    return [
        *(program("ffmpeg"), "-nostdin", "-v", "error", "-y"),
        *("-f", "lavfi", "-i", f"testsrc2=size={shape.width}x{shape.height}:rate={FRAME_RATE},{noise}"),
        *("-f", "lavfi", "-i", f"anoisesrc=color=pink:amplitude=0.2:sample_rate={AUDIO_RATE}"),
        *("-t", str(shape.seconds), "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"),
        *("-pix_fmt", "yuv420p", "-b:v", f"{shape.kbps}k", "-maxrate", f"{shape.kbps}k"),
        *("-bufsize", f"{shape.kbps}k"),
        *("-x264-params", f"keyint={FRAME_RATE}:min-keyint={FRAME_RATE}:scenecut=0:repeat-headers=1"),
        *("-c:a", "aac", "-b:a", "64k", "-ac", "1", str(out)),
    ]
