"""Row 3: what the pre-event ring costs over its payload, and the padding of sealed segments over theirs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recorder.capture.boxes import walk
from tools.bench.footage import Shape, footage
from tools.bench.model import Limit, Line, MeasurementError, Spread
from tools.bench.workshop import Row, Workshop

RING = Shape(60, 1920, 1080, 7000)
STREAMS = (
    Shape(60, 1920, 1080, 8000),
    Shape(60, 1920, 1080, 6000),
    Shape(60, 1280, 720, 2000),
    Shape(60, 640, 360, 1500),
)
JUDGED_KBPS = 6000
"""The hold is for what a recorder is set to: half-second fragments at 6 Mbit/s and more (design §5). Below, fragments would
have to be longer to waste less, and more would be lost at a power cut: there it is information."""


def ring(shop: Workshop) -> Line:
    packets = str(footage(shop, RING).packets)
    overhead: list[float] = []
    payload = 0
    for _ in range(shop.count(5, 2)):
        _, answer = shop.job("preroll", packets, "--pre-s", "30", "--turns", "3")
        payload = answer["payload"]
        overhead.append((answer["grown"] / payload - 1) * 100)
    spread = Spread.of(overhead)
    return Line(
        "preroll",
        "预录内存超出码流的部分",
        "pre-roll memory over payload",
        "%",
        spread.median,
        spread,
        f"{payload * (1 + spread.median / 100) / 1e6:.1f} MB",
        f"{payload / 1e6:.1f} MB 码流 payload",
        Limit("<=", 2),
        Limit("<=", 1),
        "30 s、7 Mbit/s；环形缓冲轮转六遍以后 VmRSS 的增量",
        "30 s, 7 Mbit/s; growth of VmRSS after the ring has turned over six times",
    )


def padding_of(plain: bytes) -> tuple[int, int]:
    """(bytes of ``free`` boxes, all other bytes) of a plain segment."""
    free = rest = 0
    for box in walk(plain):
        if box.kind == b"free":
            free += box.size
        else:
            rest += box.size
    return free, rest


def padding(shop: Workshop, shape: Shape) -> Line:
    packets = footage(shop, shape).packets
    free = rest = fragments = 0
    with shop.folder("padding") as out:
        size = ["--size", str(shape.width), str(shape.height)]
        _, answer = shop.job("capture", str(packets), str(out), "--plain", *size)
        for path in _segments(out):
            more_free, more_rest = padding_of(path.read_bytes())
            free += more_free
            rest += more_rest
        fragments = answer["entries"] - 2 * answer["segments"]
    percent = free / rest * 100
    judged = shape.kbps >= JUDGED_KBPS
    return Line(
        "preroll",
        f"填充，{shape.kbps / 1000:g} Mbit/s",
        f"padding over payload at {shape.kbps / 1000:g} Mbit/s",
        "%",
        percent,
        None,
        f"{free / 1e3:.0f} kB / {rest / 1e6:.1f} MB",
        "",
        Limit("<=", 7) if judged else None,
        Limit("<=", 4) if judged else None,
        f"{shape.kbps / 1000:g} Mbit/s（{shape.width}×{shape.height}）：分片平均 {shape.seconds / fragments:.2f} s",
        f"{shape.kbps / 1000:g} Mbit/s ({shape.width}×{shape.height}): mean fragment {shape.seconds / fragments:.2f} s",
    )


def _segments(out: Path) -> list[Path]:
    paths = sorted((out / "unit" / "segments").rglob("*.mp4"))
    if not paths:
        raise MeasurementError("padding: 没有片段 no segments")
    return paths


def measure(shop: Workshop) -> Sequence[Line]:
    return [ring(shop), *(padding(shop, shape) for shape in STREAMS)]


ROW = Row("preroll", "预录内存与填充", "pre-roll memory and padding", measure)
