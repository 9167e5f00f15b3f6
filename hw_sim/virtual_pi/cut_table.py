"""What a series of power cuts cost, as numbers: pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Phase = Literal["recording", "splitting", "uploading", "releasing"]
PHASES: tuple[Phase, ...] = ("recording", "splitting", "uploading", "releasing")


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut and what was found after it. Times in seconds.

    ``lost_s``: from the last media that was signed and durable to the cut, None when no gap for it was found (a failure).
    ``recording_again_s``: from switching on to the first media of the resumed recording, ``boot_s`` of it before the agent
    spoke. ``altered``: files of finished segments whose bytes are no longer those that were signed. ``verdict``: integrity
    as ``recorder verify`` says it of the disk as the cut left it, before any recovery; ``holds``: it is what was promised.
    """

    number: int
    phase: Phase
    journal_replayed: bool
    file_system: Literal["clean", "errors"]
    segments: int
    altered: tuple[str, ...]
    verdict: str
    holds: bool
    lost_s: float | None = None
    boot_s: float | None = None
    recording_again_s: float | None = None

    @property
    def good(self) -> bool:
        return self.file_system == "clean" and self.holds

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def hold_problem(cut: Cut, hold_s: float) -> str:
    """What is wrong with the times of a cut, "" when nothing is. ``hold_s``: so much media may be lost, seconds.

    A loss of nothing or less is no measurement: the newest frame is never durable at the moment it is taken."""
    if cut.lost_s is None:
        return "没有记入中断 no gap for it"
    if cut.lost_s <= 0:
        return f"丢失量不可信 not a measurement: lost {cut.lost_s:.2f} s"
    if cut.lost_s > hold_s:
        return f"丢失 lost {cut.lost_s:.2f} s，上限 bound {hold_s:.2f} s"
    if cut.recording_again_s is None:
        return "没有再次录制 it did not record again"
    return ""


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of them do not exceed (nearest rank). Of no values: nan."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def table(cuts: Sequence[Cut]) -> str:
    """Markdown: a row for each phase and one for all; p50 / p99 / max."""
    lines = [
        "| 断电时 cut while | 次数 n | 丢失 lost s: p50 / p99 / max | 再次录制 recording again s: p50 / p99 / max "
        "| 文件系统不净 not clean | 已完成片段被改 altered | 核验 verify |",
        "|---|---|---|---|---|---|---|",
    ]
    for phase in (*PHASES, "all"):
        chosen = [cut for cut in cuts if phase in (cut.phase, "all")]
        if not chosen:
            continue
        lost = [cut.lost_s for cut in chosen if cut.lost_s is not None]
        again = [cut.recording_again_s for cut in chosen if cut.recording_again_s is not None]
        verdicts = sorted({cut.verdict for cut in chosen})
        lines.append(
            f"| {phase} | {len(chosen)} | {_three(lost)} | {_three(again)} "
            f"| {sum(cut.file_system != 'clean' for cut in chosen)} | {sum(len(cut.altered) for cut in chosen)} "
            f"| {', '.join(verdicts)} |"
        )
    return "\n".join(lines)


def _three(values: Sequence[float]) -> str:
    return " / ".join(f"{quantile(values, share):.2f}" for share in (0.5, 0.99, 1.0))
