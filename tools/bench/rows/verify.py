"""Row 9: ``recorder verify`` without an identity, against hashing the same segment files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.bench.footage import Shape, footage
from tools.bench.measure import Usage, program, run
from tools.bench.model import Limit, Line, MeasurementError, Spread
from tools.bench.workshop import ROOT, Row, Workshop

SHAPE = Shape(60, 1920, 1080, 7000)
FINDINGS = 1


def verify(shop: Workshop, made: Path, segments: int) -> Usage:
    """Exit 1 is right: without a store's receipt nothing anchors the journal. The bytes have to be intact all the same."""
    command = [sys.executable, "-m", "recorder", "verify", str(made / "unit"), "--trust", str(made / "trust"), "--json"]
    usage = run(command, shop.clock, accept=(0, FINDINGS), cwd=ROOT)
    report = json.loads(usage.stdout)
    if report["axes"]["integrity"] != "intact" or report["axes"]["key"] != "trusted":
        raise MeasurementError(f"verify: {report['sentence_zh']} {report['sentence_en']}")
    found = sum(len(vault["segments"]) for vault in report["vaults"])
    if found != segments:
        raise MeasurementError(f"verify: {found} 个片段 segments, {segments} 个应有 expected")
    return usage


def measure(shop: Workshop) -> Sequence[Line]:
    times, count = 10, shop.count(5, 2)
    packets = footage(shop, SHAPE).packets
    with shop.folder("verify") as made:
        _, answer = shop.job("capture", str(packets), str(made), "--times", str(times))
        files = [str(path) for path in sorted((made / "unit" / "segments").rglob("*.age"))]
        size = answer["stored"]
        run([program("sha256sum"), *files], shop.clock)  # warms the page cache for all
        mine, coreutils, openssl = [], [], []
        for _ in range(count):
            mine.append(verify(shop, made, answer["segments"]))
            coreutils.append(run([program("sha256sum"), *files], shop.clock))
            openssl.append(run([program("openssl"), "dgst", "-sha256", *files], shop.clock))

    def line(zh: str, en: str, peers: list[Usage], *, judged: bool, note_zh: str = "", note_en: str = "") -> Line:
        ratio = Spread.of([peer.cpu_s / own.cpu_s for own, peer in zip(mine, peers, strict=True)])
        return Line(
            "verify",
            zh,
            en,
            "×",
            ratio.median,
            ratio,
            _speed(size, mine),
            _speed(size, peers),
            Limit(">=", 0.7) if judged else None,
            Limit(">=", 0.95) if judged else None,
            note_zh,
            note_en,
        )

    return [
        line(
            "核验速度，每核，对 sha256sum",
            "verifier's speed per core against sha256sum",
            coreutils,
            judged=True,
            note_zh=f"{size / 1e6:.0f} MB，{answer['segments']} 段，{answer['records']} 条记录，页缓存已热；整个进程，"
            "含 Python 启动与全部签名；coreutils 的 sha256sum 不用 SHA 指令",
            note_en=f"{size / 1e6:.0f} MB, {answer['segments']} segments, {answer['records']} records, warm cache; whole "
            "processes, Python's start and every signature included; coreutils' sha256sum uses no SHA instructions",
        ),
        line(
            "同上，对 openssl dgst（使用 SHA 指令）",
            "the same against openssl dgst, which uses SHA instructions",
            openssl,
            judged=False,
        ),
    ]


def _speed(size: int, usages: list[Usage]) -> str:
    cpu = Spread.of([usage.cpu_s for usage in usages]).median
    wall = Spread.of([usage.wall_s for usage in usages]).median
    return f"{size / cpu / 1e6:.0f} MB/s·core (wall {wall:.2f} s)"


ROW = Row("verify", "核验", "the verifier", measure)
