"""Row 11: the unit on the path through picamera2: processor and memory with and without libx264, and a frame's overlay."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from tools.bench.footage import Shape, footage
from tools.bench.model import Limit, Line, MeasurementError, Spread, Unavailable
from tools.bench.pki import enrol
from tools.bench.processes import Memory, cpu_s, descendants, memory, resident, role
from tools.bench.unit_run import configuration, running, short_folder
from tools.bench.workshop import Row, Workshop

STREAM = Shape(60, 1920, 1080, 6000)
WARM_S = 6.0
WORKER = "capture-worker"
PROCESSES = ("run", WORKER)
ENCODERS = ("libx264", "libx265", "libvpx", "libSvtAv1Enc")
"""Video encoders that PyAV's package brings with it and loads, used or not."""

BOARD = "tools.bench.picamera2_board"


@dataclass(frozen=True, slots=True)
class Cost:
    """``cores``: processor time over time, per process; ``worker``: its memory at the largest resident set seen;
    ``encoders``: what of it are the pages of :data:`ENCODERS`."""

    cores: dict[str, float]
    worker: Memory
    encoders: int

    @property
    def rss_mb(self) -> float:
        """Without the frames' buffers: they are the camera's (dma-buf) on a unit, and memfd, mapped twice, here."""
        return (self.worker.rss - self.worker.shared) / 1e6


def recording(shop: Workshop, encoder: str) -> Cost:
    """A unit that records 1080p30 through picamera2 for a while."""
    seen: list[Memory] = []
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
                seen.append(memory(pids[WORKER]))
                pause.wait(0.5)
            took_s = (shop.clock.boottime_us() - begin_us) / 1e6
            cores = {name: (cpu_s(pid) - before[name]) / took_s for name, pid in pids.items()}
            encoders = resident(pids[WORKER], ENCODERS)
        if not list((folder / "unit" / "segments").rglob("*.age")):
            raise MeasurementError("camera: 没有录制 nothing was recorded")
    return Cost(cores, max(seen, key=lambda each: each.rss - each.shared), encoders)


def processor(zh: str, en: str, cost: Cost, note_zh: str, note_en: str) -> Line:
    total = sum(cost.cores.values()) * 60
    parts = ", ".join(f"{name} {cores * 60:.1f}" for name, cores in cost.cores.items())
    return Line(
        "camera",
        f"处理器，{zh}",
        f"processor, {en}",
        "CPU-s/min",
        total,
        ours=parts,
        note_zh=note_zh,
        note_en=note_en,
    )


def parts_of(cost: Cost) -> str:
    """The pages of program files are there once for two workers, and can be read again when they are needed."""
    files = cost.worker.rss - cost.worker.shared - cost.worker.anonymous
    return (
        f"全部 whole {cost.rss_mb:.1f} MB: 匿名 anonymous {cost.worker.anonymous / 1e6:.0f}, "
        f"程序文件 program files {files / 1e6:.0f}, 其中视频编码库 of these video encoders {cost.encoders / 1e6:.1f}"
    )


def memory_lines(bare: Cost, full: Cost) -> list[Line]:
    """Design §10 holds the worker "encoder and pre-roll apart". Here no encoder runs in it and there is no pre-roll; what
    is left of encoders is the pages of their libraries, which are taken off. The whole is said beside it, and what libx264
    adds when it runs below."""
    return [
        Line(
            "camera",
            "采集进程内存（不含编码器与预录）",
            "worker's RSS (encoder and pre-roll apart)",
            "MB",
            bare.rss_mb - bare.encoders / 1e6,
            ours=parts_of(bare),
            hold=Limit("<=", 80),
            aim=Limit("<=", 60),
            note_zh="无预录，没有视频编码器在运行（如同硬件编码），减去 PyAV 带来的视频编码库的页面，不含帧缓冲；"
            "含 picamera2、AAC 编码、语音检测、二维码识别、水印、密封；libcamera 是替身，没有 PortAudio",
            note_en="no pre-roll, no video encoder runs (as with a hardware one), the pages of the encoders' libraries "
            "that come with PyAV taken off, the frames' buffers apart; picamera2, AAC, speech detector, QR reader, "
            "watermark and sealing are in it; libcamera is a stand-in, PortAudio is not there",
        ),
        Line(
            "camera",
            "仅供参考：同上，加 libx264，全部",
            "for information: the same and libx264, the whole",
            "MB",
            full.rss_mb,
            ours=parts_of(full),
            note_zh="多出的是编码器的：参考帧、线程、程序；另有替身的画面",
            note_en="what it has more is the encoder's: reference frames, threads, program; and the stand-in's picture",
        ),
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
        processor(
            "不含编码器",
            "without the encoder",
            bare,
            "1080p30、6 Mbit/s、AAC，真 picamera2，编码器以现成的码流代替（如同硬件）；各进程的 CPU-s/min",
            "1080p30, 6 Mbit/s, AAC, real picamera2, ready packets in place of the encoder as if it were hardware; "
            "CPU-s/min of each process",
        ),
        processor(
            "含 libx264",
            "with libx264",
            full,
            "同上，libx264 ultrafast 两线程；仿真画面每帧一次复制，在内",
            "the same with libx264 ultrafast in two threads; the made-up picture, one copy a frame, is in it",
        ),
        *memory_lines(bare, full),
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
