"""Row 1: the capture path beside the encoder, CPU, against ``ffmpeg -c copy -f segment``, ``age`` and ``sha256sum``.

The peer writes without ``fdatasync`` and signs nothing; ours does both. The judged peer hashes the sealed files once;
because ours gives digests of plain and sealed bytes, a second line shows the peer that gives both too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tools.bench.clocks import START_US, ShiftedClock
from tools.bench.footage import Shape, footage, repeated
from tools.bench.identity import recipients
from tools.bench.measure import Usage, program, run, sequence
from tools.bench.model import Limit, Line, MeasurementError, Spread
from tools.bench.pki import enrol
from tools.bench.workshop import Row, Workshop

BASE_S = 60
SHAPE = Shape(BASE_S, 1920, 1080, 7000)
FRAGMENTS = "movflags=+empty_moov+default_base_moof:frag_duration=500000"


def ours(shop: Workshop, packets: Path, times: int, *options: str) -> Usage:
    with shop.folder("ours") as out:
        enrol(out / "unit", out / "trust", ShiftedClock(shop.clock, START_US * 24))
        usage, answer = shop.job("capture", str(packets), str(out), "--times", str(times), *options)
        if times and answer["segments"] < times:
            raise MeasurementError(f"capture: {answer}: 片段太少 too few segments")
        return usage


def theirs(shop: Workshop, source: Path, *, both: bool) -> Usage:
    """``both``: digests of the plain files too."""
    keys = [word for recipient in recipients() for word in ("-r", recipient)]
    with shop.folder("peer") as out:
        command = [program("ffmpeg"), "-nostdin", "-v", "error", "-i", str(source), "-c", "copy", "-f", "segment"]
        command += ["-segment_time", str(BASE_S), "-reset_timestamps", "1", "-segment_format", "mp4"]
        total = run([*command, "-segment_format_options", FRAGMENTS, str(out / "%03d.mp4")], shop.clock)
        plain = sorted(out.glob("*.mp4"))
        if not plain or sum(path.stat().st_size for path in plain) < 0.9 * source.stat().st_size:
            raise MeasurementError(f"ffmpeg: {len(plain)} 段，数据不全 segments, data are missing")
        total += sequence(
            [[program("age"), *keys, "-o", f"{path}.age", str(path)] for path in plain],
            shop.clock,
        )
        total += run([program("sha256sum"), *(f"{path}.age" for path in plain)], shop.clock)
        if both:
            total += run([program("sha256sum"), *map(str, plain)], shop.clock)
        return total


def start_of_peers(shop: Workshop, files: int) -> float:
    """CPU seconds the peers need before their first byte."""
    programs = [["ffmpeg", "-version"], *([["age", "--version"]] * files), ["sha256sum", "--version"]]
    return sequence([[program(name), option] for name, option in programs], shop.clock).cpu_s


def measure(shop: Workshop) -> Sequence[Line]:
    times, count = shop.count(10, 5), shop.count(5, 2)
    stream = footage(shop, SHAPE)
    source = repeated(shop, stream, times)
    minutes = times * BASE_S / 60
    mine: list[float] = []
    strict: list[float] = []
    both: list[float] = []
    channel: list[float] = []
    start: list[float] = []
    start_peer: list[float] = []
    for _ in range(count):
        mine.append(ours(shop, stream.packets, times).cpu_s)
        strict.append(theirs(shop, source, both=False).cpu_s)
        channel.append(ours(shop, stream.packets, times, "--channel").cpu_s)
        both.append(theirs(shop, source, both=True).cpu_s)
        start.append(ours(shop, stream.packets, 0).cpu_s)
        start_peer.append(start_of_peers(shop, times))
    net, net_peer = Spread.of(start).median, Spread.of(start_peer).median

    note_zh = (
        f"1080p30、{SHAPE.kbps / 1000:g} Mbit/s + AAC，{minutes:g} min；对照不落盘同步、不签名，只对密封文件求摘要；"
        f"我方 Python 启动 {net:.2f} CPU-s"
    )
    note_en = (
        f"1080p30, {SHAPE.kbps / 1000:g} Mbit/s + AAC, {minutes:g} min; the peer neither syncs nor signs and hashes "
        f"only the sealed files; our Python's start {net:.2f} CPU-s"
    )

    def line(zh: str, en: str, a: list[float], b: list[float], less: tuple[float, float] | None) -> Line:
        """``less``: CPU seconds of the processes' start, taken off; None for whole processes, which is what is judged."""
        off, off_peer = less or (0.0, 0.0)
        ratio = Spread.of([(x - off) / (y - off_peer) for x, y in zip(a, b, strict=True)])
        return Line(
            "capture",
            zh,
            en,
            "×",
            ratio.median,
            ratio,
            f"{(Spread.of(a).median - off) / minutes:.2f} CPU-s/min",
            f"{(Spread.of(b).median - off_peer) / minutes:.2f} CPU-s/min",
            Limit("<=", 1.5) if less is None else None,
            Limit("<=", 1.0) if less is None else None,
            note_zh if less is None else "",
            note_en if less is None else "",
        )

    less = (net, net_peer)
    return [
        line("编码器以外的采集 CPU，整个进程", "capture beside the encoder, CPU, whole processes", mine, strict, None),
        line("同上，不计进程启动", "the same without the processes' start", mine, strict, less),
        line("不计启动，对照也求明文摘要", "without start, the peer hashing the plain files too", mine, both, less),
        line(
            "同上，并含进程间消息与索引",
            "the same, ours with the channel's messages and the index",
            channel,
            both,
            less,
        ),
    ]


ROW = Row("capture", "编码器以外的采集", "capture beside the encoder", measure)
