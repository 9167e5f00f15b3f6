"""Row 2: resident memory of the three processes while recording.

Unit process and uplink: a simulated shift with agency, uploads and MQTT. Worker: its camera delivers packets that are
encoded already and there is no pre-roll, so neither an encoder nor a ring is in it; sound is encoded, as on a unit.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence

from tools.bench.footage import Shape, footage
from tools.bench.measure import program
from tools.bench.model import Limit, Line, MeasurementError, Spread
from tools.bench.pki import enrol
from tools.bench.processes import Memory, descendants, memory, role
from tools.bench.simulation import scenario, simulate, unit
from tools.bench.unit_run import configuration, running, short_folder
from tools.bench.workshop import Row, Workshop

STREAM = Shape(60, 1920, 1080, 6000)
WARM_S = 6.0
LEAST_SAMPLES = 15


class Sampler:
    """Memory of a process tree's recorder processes, by command."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Memory]] = defaultdict(list)

    def look(self, root: int) -> None:
        for pid in [root, *descendants(root)]:
            command = role(pid)
            if command is None:
                continue
            try:
                self.samples[command].append(memory(pid))
            except (OSError, KeyError):
                continue  # it ended while we looked


def shift(shop: Workshop) -> Sampler:
    """A simulated shift with uploads all along and the two officers of art. 9, whose sign-in takes memory for a moment."""
    record_s = shop.count(40, 12)
    actions = [
        {"at_s": 2.0, "do": "sign-in", "name": "张三", "cert_no": "13010020190001"},
        {"at_s": 3.0, "do": "sign-in", "name": "李四", "cert_no": "13010020190002"},
        {"at_s": 4.0, "do": "press", "button": "record"},
        {"at_s": 4.0 + record_s, "do": "press", "button": "record", "hold_s": 2.0},
    ]
    text = scenario(
        "bench-memory",
        8.0 + record_s,
        actions,
        unit(segment_s=5, pre_event_s=3, post_event_s=0),
        {"lux": 200.0},
    )
    sampler = Sampler()
    with shop.folder("memory") as folder:
        simulate(shop, folder, text, sampler.look)
    return sampler


def alone(shop: Workshop) -> Sampler:
    """A unit whose camera is an encoder already, recording 1080p at 6 Mbit/s."""
    packets = footage(shop, STREAM).packets
    sampler = Sampler()
    with shop.folder("memory") as folder, short_folder() as run:
        enrol(folder / "unit", folder / "trust", shop.clock)
        options = {"packets": str(packets), "press_s": "2"}
        config = run / "unit.toml"
        text = configuration(
            folder / "unit", folder / "trust", run, "tools.bench.packet_board", options, pre_event_s=0, segment_s=10
        )
        config.write_text(text, encoding="utf-8")
        with running(config, run, shop.clock) as process:
            pause = threading.Event()
            pause.wait(WARM_S)
            for _ in range(shop.count(60, 20)):
                sampler.look(process.pid)
                pause.wait(0.5)
        if not list((folder / "unit" / "segments").rglob("*.age")):
            raise MeasurementError("memory: 没有录制 nothing was recorded")
    return sampler


def line(
    zh: str, en: str, samples: list[Memory], hold: float | None, aim: float | None, note_zh: str = "", note_en: str = ""
) -> Line:
    """Judged: the largest resident set seen. Few samples are no measurement: an uplink that had changed its name was once
    caught a single time, before it had loaded anything, and looked four times smaller than it was."""
    if len(samples) < LEAST_SAMPLES:
        raise MeasurementError(f"memory: {en}: 采样太少 only {len(samples)} samples, {LEAST_SAMPLES} needed")
    rss = Spread.of([sample.rss / 1e6 for sample in samples])
    pss = Spread.of([sample.pss / 1e6 for sample in samples])
    own = Spread.of([sample.anonymous / 1e6 for sample in samples])
    return Line(
        "memory",
        zh,
        en,
        "MB",
        rss.high,
        rss,
        f"PSS {pss.high:.0f} MB, 匿名 anonymous {own.high:.0f} MB",
        "",
        Limit("<=", hold) if hold is not None else None,
        Limit("<=", aim) if aim is not None else None,
        note_zh,
        note_en,
    )


def measure(shop: Workshop) -> Sequence[Line]:
    program("mosquitto")
    whole, bare = shift(shop), alone(shop)
    return [
        line(
            "内存 RSS：记录单元",
            "RSS, unit process",
            whole.samples["run"],
            64,
            45,
            "仿真班次中每 0.5 s 取样，判最大值；含仿真板自身",
            "sampled twice a second during a simulated shift, the largest is judged; the simulator's board is in it",
        ),
        line(
            "内存 RSS：采集进程（不含编码器与预录）",
            "RSS, worker (encoder and pre-roll apart)",
            bare.samples["capture-worker"],
            80,
            60,
            "采集进程：摄像头直接给出已编码的 1080p 6 Mbit/s，无预录，含 AAC 编码",
            "the worker's camera delivers encoded packets (1080p, 6 Mbit/s), no pre-roll, AAC is encoded",
        ),
        line("内存 RSS：上传进程", "RSS, uplink", whole.samples["uplink"], 40, 25),
        line(
            "仅供参考：仿真采集进程（含场景、x264、预录 3 s）",
            "for information: the simulated worker (scene, x264, 3 s pre-roll)",
            whole.samples["capture-worker"],
            None,
            None,
        ),
    ]


ROW = Row("memory", "内存", "memory", measure)
