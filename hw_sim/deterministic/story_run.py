"""Runs a story, proves it and leaves what ``hw-sim run`` leaves: ``unit/ store/ trust/ report.html result.json``."""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hw_sim.deterministic.account import journal_lines
from hw_sim.deterministic.signing import agency
from hw_sim.deterministic.story import Story, StoryShift
from hw_sim.runner.layout import Layout
from hw_sim.runner.result import judge
from recorder.evidence.verify.command import verify
from recorder.evidence.verify.report import Report
from recorder.export.journal_source import read_facts
from recorder.export.report import render_html
from recorder.export.summary import summarise


def run_story(story: Story, layout: Layout, say: Callable[[str], None]) -> dict[str, Any]:
    """``result.json`` as a value. Raises OSError."""
    work = layout.run / "story"
    logging.disable(logging.CRITICAL)  # the recorder's own log of three days is nobody's reading here
    try:
        shift = StoryShift(story, work, say)
        shift.run()
    finally:
        logging.disable(logging.NOTSET)
    shift.store.write_vault(work / "store")
    for name, target in (("unit", layout.unit), ("store", layout.store), ("trust", layout.trust)):
        shutil.copytree(work / name, target, dirs_exist_ok=True)
    (layout.unit / "keys" / "device-key.pem").unlink()  # made once a process and of no use to anybody afterwards
    layout.identity.write_text(f"{agency().identities[0].text}\n", encoding="ascii")
    # The media of this tier are stand-ins: sealed as real ones are, but no film, so nothing is opened.
    unit, store = (verify(folder, layout.trust, None) for folder in (layout.unit, layout.store))
    result = result_of(story, shift, layout, unit, store)
    layout.report.write_text(render_html(unit), encoding="utf-8")
    layout.result.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return result


def _stores(layout: Layout) -> dict[str, int]:
    """What the statistics of art. 28 say of storing, over all shifts: a second reading of the same journal."""
    found: Counter[str] = Counter()
    facts = read_facts(layout.unit, lambda problem: None)
    for row in summarise(facts, "shift")["rows"]:
        found.update(row["stores"])
    return {key: count for key, count in found.items() if count}


def result_of(story: Story, shift: StoryShift, layout: Layout, unit: Report, store: Report) -> dict[str, Any]:
    vault = unit.vaults[0]
    lines = list(journal_lines(shift.data_dir / "journal"))
    events = [line.payload for line in lines if line.typ == "event"]
    covered = {segment.segment_id for receipt, _ in shift.store.receipts for segment in receipt.segments}
    media = [segment for segment in vault.segments if segment.state in ("closed", "recovered")]
    summary = unit.summary()
    result = {
        "scenario": story.name,
        "tier": "deterministic",
        "simulated_h": round(shift.timeline.now_us / 3.6e9, 1),
        "answers": shift.answers,
        "refused": shift.refused,
        "internal_errors": shift.truth.internal,
        "boots": shift.truth.counts.get("unit-start", 0),
        "sessions": len(vault.sessions),
        "segments": len(vault.segments),
        "gaps": len(vault.gaps),
        "recorded_s": summary["recorded_s"],
        "standby_s": summary["standby_s"],
        "unaccounted_s": summary["unaccounted_s"],
        "bases": [line.payload["basis"] for line in lines if line.typ == "deadline-basis"],
        "deadline_warnings": [e["detail"]["level"] for e in events if e["event"] == "deadline-warning"],
        "prompts": dict(Counter(e["detail"].get("id") for e in events if e["event"] == "prompt")),
        "storage": dict(Counter(item.state for item in vault.storage)),
        "summary_stores": _stores(layout),
        "all_receipted": {segment.segment_id for segment in media} <= covered,
        "verify": summary,
        "verify_store": store.summary(),
    }
    return judge(story, result, interrupted=False)


def render(result: dict[str, Any], title: str, out: Path, language: str) -> str:
    """The short table at the end."""
    zh = language != "en"
    met = sum(item["met"] for item in result["expectations"])
    rows = [
        ("仿真时长" if zh else "simulated", f"{result['simulated_h']} h"),
        ("录制" if zh else "recorded", f"{result['recorded_s']:.0f} s, {result['sessions']} / {result['segments']}"),
        ("储存" if zh else "storing", ", ".join(f"{key} {count}" for key, count in result["storage"].items())),
        ("无法说明的时间" if zh else "unaccounted", f"{result['unaccounted_s']} s"),
        ("核验" if zh else "verdict", result["verify"]["sentence_zh" if zh else "sentence_en"]),
        (
            "预期" if zh else "expectations",
            f"{met} / {len(result['expectations'])}" + (" ✓" if result["passed"] else " ✗"),
        ),
    ]
    lines = ["", title, "-" * 72, *(f"  {label}  {value}" for label, value in rows)]
    lines += [
        f"  ✗ {item['field']} {item['op']} {item['expected']!r}: {item['actual']!r}"
        for item in result["expectations"]
        if not item["met"]
    ]
    return "\n".join([*lines, f"  {out / 'report.html'}"])
