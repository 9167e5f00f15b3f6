"""The report's table of scenes: who, what, in which mode, which points of arts. 9 and 22 were marked, why it ended."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TypeVar

from recorder.evidence.verify.report import SceneReport, VaultReport
from recorder.export.cells import both, code, table
from recorder.session.context import KINDS, MODES, STAGES
from recorder.session.marks import CHECKLIST, MARKS

T = TypeVar("T", bound=str)

_FIELDS = {
    "item": ("执法事项", "item"),
    "entrusting_agency": ("委托机关", "entrusting agency"),
    "documents": ("文书", "documents"),
}
_STATED_BY = {"choice": ("所选", "chosen"), "text": ("自述", "in own words"), "speech": ("语音说明", "spoken")}


def scenes(vault: VaultReport) -> str:
    head = (
        ("录制", "session"),
        ("执法人员", "officers"),
        ("方式", "mode (art. 20)"),
        ("类别与环节", "kind, stages"),
        ("事项", "matter"),
        ("记录要点", "points (arts. 9, 22)"),
        ("停止原因", "reason to stop"),
    )
    rows = (
        (
            code(session.session_id),
            _officers(session.scene),
            _word(session.scene.mode, MODES),
            "<br>".join([_word(session.scene.kind, KINDS), *(_word(stage, STAGES) for stage in session.scene.stages)]),
            _matter(session.scene),
            _points(session.scene),
            _reason(session.scene),
        )
        for session in vault.sessions
    )
    return table("现场", "scenes", head, rows)


def _word(word: str | None, words: Mapping[T, str]) -> str:
    if word is None:
        return "—"
    english = next((english for known, english in words.items() if known == word), "")
    return both((word, english))


def _officers(scene: SceneReport) -> str:
    least, most = scene.officers_least, scene.officers_most
    text = f"{most}" if least == most else f"{least}–{most}"
    return text if most >= 2 else f'<span class="bad">{text}</span>'


def _matter(scene: SceneReport) -> str:
    lines = []
    for name in scene.sealed:
        value = escape(scene.matter[name]) if name in scene.matter else "（密封 <em>sealed</em>）"
        lines.append(f"{both(_FIELDS[name])}：{value}")
    return "<br>".join(lines) or "—"


def _points(scene: SceneReport) -> str:
    """The coverage, then each point: ✓ marked, ✗ not. A missing one is a hint, not a verdict."""
    lines = [f"{len(scene.covered)} / {len(CHECKLIST)}"]
    for kind in CHECKLIST:
        sign = "✓" if kind in scene.covered else "✗"
        lines.append(f"{sign} {escape(MARKS[kind].zh)} <em>{escape(MARKS[kind].en)}</em>")
    return "<br>".join(lines)


def _reason(scene: SceneReport) -> str:
    if scene.stated_by is None:
        return "—"
    said = "（密封 <em>sealed</em>）" if scene.stated is None else escape(scene.stated)
    return f"{both(_STATED_BY[scene.stated_by])}：{said}"
