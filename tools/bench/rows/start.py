"""Row 10: ``recorder run`` from the start of its process to READY=1, with a long journal."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tools.bench.model import Limit, Line, Spread
from tools.bench.unit_run import configuration, running, short_folder
from tools.bench.workshop import ROOT, Row, Workshop


def journal(shop: Workshop, segments: int) -> Path:
    """Make the journal, or take the one made before by the same code: a minute of signing."""
    made = shop.cache / f"journal-{segments}-{_code()[:12]}"
    if not (made / "facts.json").exists():
        for old in shop.cache.glob(f"journal-{segments}-*"):
            shutil.rmtree(old)
        shop.say(f"生成日志 making a journal of {segments} segments")
        _, facts = shop.job("journal", str(made), "--segments", str(segments))
        (made / "facts.json").write_text(json.dumps(facts))
    return made


def _code() -> str:
    """Digest of what decides how a journal looks: an old one must not stand in for a new one."""
    digest = hashlib.sha256()
    for folder in (ROOT / "recorder" / "evidence", ROOT / "tools" / "bench" / "jobs"):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def start_s(shop: Workshop, config: Path, run: Path) -> float:
    with running(config, run, shop.clock) as unit:
        return unit.ready_s


def measure(shop: Workshop) -> Sequence[Line]:
    segments, count = shop.count(10_000, 500), shop.count(7, 3)
    made = journal(shop, segments)
    facts = json.loads((made / "facts.json").read_text())
    with short_folder() as run:
        config = run / "unit.toml"
        text = configuration(made / "unit", made / "trust", run, "tools.bench.bare_board", {})
        config.write_text(text, encoding="utf-8")
        for path in (made / "unit").glob("index.db*"):
            path.unlink()
        rebuilt = start_s(shop, config, run)
        seconds = Spread.of([start_s(shop, config, run) for _ in range(count)])
    return [
        Line(
            "start",
            f"启动到待机，日志中 {segments} 段",
            f"start to standby, {segments} segments in the journal",
            "s",
            seconds.median,
            seconds,
            f"{facts['records']} 条记录 records, {facts['bytes'] / 1e6:.0f} MB, {facts['files']} 文件 files",
            "",
            Limit("<=", 2.0),
            Limit("<=", 0.7),
            "从进程启动到 READY=1，含 Python 启动；页缓存已热；各段都仍在设备上",
            "from exec to READY=1, Python's start included, warm cache; every segment still held by the unit",
        ),
        Line(
            "start",
            "同上，索引被删除后第一次启动",
            "the same, first start after the index was deleted",
            "s",
            rebuilt,
            note_zh="索引可以在 READY=1 之后继续追赶，追赶的时间不在此数中",
            note_en="the index may go on catching up after READY=1; that time is not in this number",
        ),
    ]


ROW = Row("start", "启动", "start", measure)
