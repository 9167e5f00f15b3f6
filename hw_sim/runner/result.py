"""``result.json``: what one run did, as numbers anybody can compare, and which expectations it met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hw_sim.runner.av_lag import AvLag
from hw_sim.runner.frame_audit import FrameAudit
from hw_sim.runner.journal_view import GapView, JournalView
from hw_sim.scenario import Expectation, Scenario, evaluate


@dataclass(frozen=True, slots=True)
class Kill:
    """One SIGKILL or power cut: which process, in which boot, at which simulated boot-time."""

    process: str
    boot: str
    at_us: int


@dataclass(slots=True)
class Notes:
    """What the script met with. ``unmet``: what it waited for in vain, or should have been refused; such a run has not
    passed. ``refused``: reasons of what had to be refused and was. ``deleted``: files somebody removed, below the unit's
    data folder."""

    unmet: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


FRAME_US = 33_334


def media_lost_s(kill: Kill, earlier: list[Kill], view: JournalView, frames: FrameAudit) -> float | None:
    """Seconds between a kill and the end of the last frame before it that is in a file.

    None when the kill met nothing: the unit was in standby, or still in the gap of an earlier kill.
    """
    live = [s for s in view.segments.values() if s.boot == kill.boot and s.role != "preroll"]
    running = [s for s in live if s.media_start_us <= kill.at_us]
    if not running:
        return None
    last = max(running, key=lambda s: s.media_start_us)
    end_us = frames.last_frame_us.get(last.segment_id, last.media_start_us - FRAME_US) + FRAME_US
    if end_us >= kill.at_us:
        return 0.0
    gap = next((gap for gap in view.gaps.values() if gap.last_segment_id == last.segment_id), None)
    if gap is None or any(last.media_start_us <= other.at_us < kill.at_us for other in earlier if hits(other, kill)):
        return None
    return (kill.at_us - end_us) / 1e6


def hits(other: Kill, kill: Kill) -> bool:
    """Did the earlier kill of this boot end the capture itself? Store, broker and uplink do not."""
    return other.boot == kill.boot and other.process in ("unit", "worker", "all")


def collect(
    scenario: Scenario,
    view: JournalView,
    frames: FrameAudit,
    kills: list[Kill],
    verify: dict[str, dict[str, Any]],
    wall_s: float,
    notes: Notes | None = None,
    av_lag: AvLag | None = None,
) -> dict[str, Any]:
    """All numbers of a run, without the expectations."""
    unit, notes = verify["unit"], notes or Notes()
    recorded = [s for s in view.segments.values() if s.state in ("closed", "recovered")]
    losses = (media_lost_s(kill, kills[:number], view, frames) for number, kill in enumerate(kills))
    lost = [value for value in losses if value is not None]
    return {
        "scenario": scenario.name,
        "wall_s": round(wall_s, 1),
        "recorded_s": unit.get("recorded_s", 0.0),
        "standby_s": unit.get("standby_s", 0.0),
        "gap_s": unit.get("gap_s", 0.0),
        "unaccounted_s": unit.get("unaccounted_s"),
        "segments": len(view.segments),
        "fragments": sum(segment.entries for segment in view.segments.values()),
        "bytes": sum(segment.size for segment in recorded),
        "frames_captured": frames.captured,
        "frames_in_files": frames.in_files,
        "frames_dropped": frames.declared_dropped,
        "frames_missing": frames.missing,
        "frames_repeated": frames.repeated,
        "frames_unreadable": frames.unreadable,
        "frames_unlike_sensor": frames.unlike_sensor,
        "av_lag_beeps": 0 if av_lag is None else av_lag.beeps,
        "av_lag_furthest_ms": None if av_lag is None else av_lag.furthest_ms,
        "av_lag_mean_ms": None if av_lag is None else av_lag.mean_ms,
        "segments_unopened": list(frames.unopened),
        "gaps": [gap_facts(gap, view) for gap in view.gaps.values()],
        "gaps_open": sum(gap.to_us is None for gap in view.gaps.values()),
        "gaps_by_cause": dict(Counter(gap.cause for gap in view.gaps.values())),
        "boots": len(view.boots),
        "marks": view.marks,
        "sign_ins": view.sign_ins,
        "assignments_refused": view.assignments_refused,
        "stops_stated": view.stops_stated,
        "night_switches": view.night_switches,
        "faults": dict(Counter(view.faults)),
        **view.happened.summary(),
        "script_unmet": notes.unmet,
        "refused": notes.refused,
        "files_deleted": notes.deleted,
        "files_deleted_found": deleted_found(notes.deleted, view),
        "records": view.records,
        "kills": [{"process": kill.process, "at_us": kill.at_us} for kill in kills],
        "media_lost_per_kill_s": [round(value, 3) for value in lost],
        "media_lost_per_kill_max_s": round(max(lost, default=0.0), 3),
        "uploaded": len(view.receipted & view.uploadable),
        "receipted": len(view.receipted),
        "all_receipted": view.uploadable <= view.receipted and bool(view.uploadable),
        "released": len(view.released),
        "verify": verify,
    }


def gap_facts(gap: GapView, view: JournalView) -> dict[str, Any]:
    """One interruption with what became of it: state, legal class, how it was explained."""
    state = view.happened.gap(gap.gap_id)
    return {
        "gap_id": gap.gap_id,
        "cause": gap.cause,
        "duration_s": gap.duration_s,
        "state": None if state is None else state.phase,
        "legal_cause": None if state is None else state.legal_cause,
        "confirmed": [e["confirmed"] for e in view.happened.explanations if e["gap_id"] == gap.gap_id],
    }


def deleted_found(deleted: list[str], view: JournalView) -> int:
    """How many of the removed files a recorded fault names."""
    named = [str(fault.evidence) for fault in view.happened.faults.values() if fault.code == "evidence-deleted"]
    return sum(any(path in text for text in named) for path in deleted)


class Expecting(Protocol):
    """A scenario or a story."""

    @property
    def expect(self) -> Sequence[Expectation]: ...


def judge(scenario: Expecting, result: dict[str, Any], interrupted: bool) -> dict[str, Any]:
    """``result`` with ``expectations`` and ``passed``. A run that was interrupted has not passed."""
    expectations = []
    for expectation in scenario.expect:
        met, actual = evaluate(expectation, result)
        expectations.append(
            {
                "field": expectation.field,
                "op": expectation.op,
                "expected": expectation.value,
                "actual": actual,
                "met": met,
                "why": expectation.why,
            }
        )
    met = all(item["met"] for item in expectations) and bool(expectations)
    passed = met and not result.get("script_unmet") and not interrupted
    return {"passed": passed, "interrupted": interrupted, "expectations": expectations, **result}


def render(result: dict[str, Any], title: str, out: Path, language: str) -> str:
    """The short table a newcomer reads at the end."""
    zh = language != "en"

    def row(label_zh: str, label_en: str, value: str) -> str:
        label = label_zh if zh else label_en
        pad = 26 - sum(2 if ord(character) > 0x2E80 else 1 for character in label)
        return f"  {label}{' ' * max(1, pad)}{value}"

    lines = ["", title, "-" * 72]
    lines.append(row("录制时长", "recorded", f"{result['recorded_s']:.1f} s"))
    lines.append(
        row("片段 / 分片", "segments / fragments", f"{result['segments']} / {result['fragments']}")
        + f"   {result['bytes'] / 1e6:.1f} MB"
    )
    lines.append(
        row(
            "帧：拍摄 / 在文件中",
            "frames: captured / in files",
            f"{result['frames_captured']} / {result['frames_in_files']}"
            + (f"   缺失 missing {result['frames_missing']}" if result["frames_missing"] else ""),
        )
    )
    gaps = ", ".join(f"{cause} ×{count}" for cause, count in result["gaps_by_cause"].items()) or "0"
    lines.append(row("中断", "gaps", gaps))
    unaccounted = result["unaccounted_s"]
    lines.append(
        row("无法说明的时间", "unaccounted time", "不详 unknown" if unaccounted is None else f"{unaccounted:.1f} s")
    )
    lines.append(
        row(
            "已上传 / 有回执 / 已释放",
            "stored / receipted / released",
            f"{result['uploaded']} / {result['receipted']} / {result['released']}",
        )
    )
    for where, label_zh, label_en in (
        ("unit", "核验：设备", "verified: unit"),
        ("store", "核验：机关", "verified: store"),
    ):
        verdict = result["verify"][where]
        lines.append(row(label_zh, label_en, str(verdict.get("sentence_zh" if zh else "sentence_en", ""))))
    lines.append("-" * 72)
    for item in result["expectations"]:
        if not item["met"]:
            lines.append(
                f"  ✗ {item['field']} {item['op']} {item['expected']!r}: {item['actual']!r}"
                + (f"   ({item['why']})" if item["why"] else "")
            )
    lines += [f"  ✗ {unmet}" for unmet in result.get("script_unmet", ())]
    if result["interrupted"]:
        lines.append("  ✗ interrupted" if not zh else "  ✗ 被中断")
    met = sum(item["met"] for item in result["expectations"])
    total = len(result["expectations"])
    lines.append(row("预期", "expectations", f"{met} / {total}" + ("  ✓" if result["passed"] else "  ✗")))
    lines.append(row("报告", "report", str(out / "report.html")))
    lines.append(row("全部结果", "all of it", str(out)))
    return "\n".join(lines)
