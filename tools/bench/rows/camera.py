"""Row 11: the unit on the path through picamera2: processor and memory with and without libx264, and a frame's overlay."""

from __future__ import annotations

import importlib.util
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tools.bench.footage import Shape, footage
from tools.bench.model import Line, MeasurementError, Spread, Unavailable
from tools.bench.pki import enrol
from tools.bench.processes import cpu_s, descendants, memory, role
from tools.bench.unit_run import configuration, running, short_folder
from tools.bench.workshop import Row, Workshop

STREAM = Shape(60, 1920, 1080, 6000)
WARM_S = 6.0
PROCESSES = ("run", "capture-worker")
BOARD = "tools.bench.picamera2_board"


@dataclass(frozen=True, slots=True)
class Cost:
    """``cores``: processor time over time, per process; ``rss_mb`` the largest seen, the frames' buffers apart: they are
    the camera's (dma-buf) on a unit, and memfd, mapped twice, here."""

    cores: dict[str, float]
    rss_mb: dict[str, float]


def recording(shop: Workshop, encoder: str) -> Cost:
    """A unit that records 1080p30 through picamera2 for a while."""
    rss: dict[str, float] = defaultdict(float)
    with shop.folder("camera") as folder, short_folder() as run:
        enrol(folder / "unit", folder / "trust", shop.clock)
        options = {"encoder": encoder, "press_s": "2"}
        text = configuration(folder / "unit", folder / "trust", run, BOARD, options, pre_event_s=0, segment_s=10)
        config = run / "unit.toml"
        config.write_text(text, encoding="utf-8")
        with running(config, run, shop.clock) as unit:
            pause = threading.Event()
            pause.wait(WARM_S)
            pids = {name: pid for pid in (unit.pid, *descendants(unit.pid)) if (name := role(pid)) in PROCESSES}
            if len(pids) != len(PROCESSES):
                raise MeasurementError(f"camera: 进程不全 processes are missing: {sorted(pids)}")
            before, begin_us = {name: cpu_s(pid) for name, pid in pids.items()}, shop.clock.boottime_us()
            for _ in range(shop.count(40, 10)):
                for name, pid in pids.items():
                    now = memory(pid)
                    rss[name] = max(rss[name], (now.rss - now.shared) / 1e6)
                pause.wait(0.5)
            took_s = (shop.clock.boottime_us() - begin_us) / 1e6
            cores = {name: (cpu_s(pid) - before[name]) / took_s for name, pid in pids.items()}
        if not list((folder / "unit" / "segments").rglob("*.age")):
            raise MeasurementError("camera: 没有录制 nothing was recorded")
    return Cost(cores, dict(rss))


def lines_of(zh: str, en: str, cost: Cost, note_zh: str = "", note_en: str = "") -> list[Line]:
    total = sum(cost.cores.values()) * 60
    parts = ", ".join(f"{name} {cores * 60:.1f}" for name, cores in cost.cores.items())
    worker = cost.rss_mb["capture-worker"]
    return [
        Line(
            "camera",
            f"处理器，{zh}",
            f"processor, {en}",
            "CPU-s/min",
            total,
            ours=parts,
            note_zh=note_zh,
            note_en=note_en,
        ),
        Line("camera", f"采集进程内存，{zh}", f"worker's RSS, {en}", "MB", worker),
    ]


def measure(shop: Workshop) -> Sequence[Line]:
    if importlib.util.find_spec("picamera2") is None:
        raise Unavailable("没有模块 missing module: picamera2 (./dev setup)", "picamera2")
    bare = recording(shop, str(footage(shop, STREAM).packets))
    full = recording(shop, "libx264")
    _, answer = shop.job("overlay", "--seconds", str(shop.count(20, 3)))
    without, with_mark = Spread.of(answer["bare_us"]), Spread.of(answer["marked_us"])
    high = answer["marked_us"][round(0.99 * (len(answer["marked_us"]) - 1))]
    return [
        *lines_of(
            "不含编码器",
            "without the encoder",
            bare,
            "1080p30、6 Mbit/s、AAC，真 picamera2，编码器以现成的码流代替（如同硬件）；各进程的 CPU-s/min；内存不含帧缓冲",
            "1080p30, 6 Mbit/s, AAC, real picamera2, ready packets in place of the encoder as if it were hardware; "
            "CPU-s/min of each process; memory without the frames' buffers",
        ),
        *lines_of(
            "含 libx264",
            "with libx264",
            full,
            "同上，libx264 ultrafast 两线程；仿真画面每帧一次复制，在内",
            "the same with libx264 ultrafast in two threads; the made-up picture, one copy a frame, is in it",
        ),
        Line(
            "camera",
            "水印，每帧",
            "overlay, a frame",
            "µs",
            with_mark.median - without.median,
            ours=f"{with_mark.median:.0f} µs, p99 {high} µs",
            peer=f"{without.median:.0f} µs 不画 unpainted",
            note_zh="pre_callback 的中位数之差，1080p；这里没有 DMA_BUF_SYNC 的代价",
            note_en="difference of the medians of pre_callback, 1080p; DMA_BUF_SYNC costs nothing here",
        ),
    ]


ROW = Row("camera", "经 picamera2 的采集", "capture through picamera2", measure)
