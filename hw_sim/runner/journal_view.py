"""What a finished run's journal says, read plainly for ``result.json``: counts and intervals, no verdicts.

The verdict is the verifier's; this reader only needs the numbers a person wants to see beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw_sim.runner.happenings import Happenings
from recorder.evidence import jws


@dataclass(slots=True)
class SegmentView:
    segment_id: str
    session_id: str
    camera_id: str
    role: str
    sealed: bool
    boot: str
    media_start_us: int
    media_end_us: int
    entries: int = 0
    size: int = 0
    sha256: str = ""
    state: str = "open"
    dropped_frames: int = 0
    fix_seconds: int = 0


@dataclass(slots=True)
class GapView:
    gap_id: str
    cause: str
    from_us: int
    from_boot: str
    to_us: int | None = None
    duration_s: float | None = None
    last_segment_id: str | None = None


@dataclass(slots=True)
class JournalView:
    segments: dict[str, SegmentView] = field(default_factory=dict)
    orphans: dict[str, int] = field(default_factory=dict)
    """Bytes kept of each file that no ``segment-open`` names: its unit process died before it heard of it."""
    gaps: dict[str, GapView] = field(default_factory=dict)
    receipted: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    boots: list[str] = field(default_factory=list)
    marks: int = 0
    night_switches: int = 0
    sign_ins: dict[str, int] = field(default_factory=dict)
    """By method: ``command remote qr``."""
    assignments_refused: int = 0
    stops_stated: list[str] = field(default_factory=list)
    """How each reason to stop was given: ``choice text speech``."""
    faults: list[str] = field(default_factory=list)
    records: int = 0
    next_seq: int = 0
    happened: Happenings = field(default_factory=Happenings)

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of every finished segment file: closed, or recovered with something kept."""
        finished = (s for s in self.segments.values() if s.state in ("closed", "recovered") and s.size > 0)
        return self.orphans | {segment.segment_id: segment.size for segment in finished}

    @property
    def uploadable(self) -> set[str]:
        """Segments with bytes worth storing."""
        return set(self.sizes)


def lines(journal_dir: Path) -> Iterator[str]:
    """Complete lines of all journal files in order."""
    for path in sorted(journal_dir.glob("*.jws")):
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line[:-1].decode("ascii")


def view(journal_dir: Path) -> JournalView:
    """Read the whole journal of a unit or of a store's vault."""
    result = JournalView()
    for line in lines(journal_dir):
        parts = jws.split(line)
        _apply(result, parts.typ, parts.payload)
    return result


def _apply(view: JournalView, typ: str, p: dict[str, Any]) -> None:
    view.records += 1
    view.next_seq = p["seq"] + 1
    view.happened.apply(typ, p)
    if typ == "boot":
        if p["bootseed"] not in view.boots:
            view.boots.append(p["bootseed"])
    elif typ == "segment-open":
        start = p["media_start_us"]
        view.segments[p["segment_id"]] = SegmentView(
            segment_id=p["segment_id"],
            session_id=p["session_id"],
            camera_id=p["camera_id"],
            role=p["role"],
            sealed=p["encryption"]["format"] != "none",
            boot=p["bootseed"],
            media_start_us=start,
            media_end_us=start,
        )
    elif typ == "head":
        segment = view.segments[p["segment_id"]]
        segment.entries += len(p["entries"])
        segment.media_end_us = max(segment.media_end_us, *(entry[4] for entry in p["entries"]))
    elif typ == "segment-close":
        segment = view.segments[p["segment_id"]]
        segment.state = "closed"
        segment.size, segment.sha256 = p["size"], p["sha256"]
        segment.media_end_us = p["media_end_us"]
        segment.dropped_frames = p["dropped_frames"]
        segment.fix_seconds = p.get("fix_seconds", 0)
    elif typ == "recovery" and p["subject"] == "segment":
        if p["segment_id"] not in view.segments:
            if p["outcome"] == "kept":
                view.orphans[p["segment_id"]] = p["kept_bytes"]
            return
        segment = view.segments[p["segment_id"]]
        segment.state = "recovered" if p["outcome"] == "kept" else p["outcome"]
        segment.size, segment.sha256 = p["kept_bytes"], p["sha256"] or ""
    elif typ == "interruption":
        view.gaps[p["gap_id"]] = GapView(
            gap_id=p["gap_id"],
            cause=p["cause"],
            from_us=p["from_us"],
            from_boot=p["from_bootseed"],
            last_segment_id=p["last_segment_id"],
        )
    elif typ == "resumption":
        gap = view.gaps[p["gap_id"]]
        gap.to_us, gap.duration_s = p["to_us"], p["duration_us"] / 1e6
    elif typ == "receipt":
        receipt = jws.split(p["jws"]).payload
        view.receipted.update(segment["segment_id"] for segment in receipt["segments"])
    elif typ == "release":
        view.released.add(p["segment_id"])
    elif typ == "mark":
        view.marks += 1
    elif typ == "officer-sign-in":
        view.sign_ins[p["method"]] = view.sign_ins.get(p["method"], 0) + 1
    elif typ == "command" and p["name"] == "assign":
        view.assignments_refused += p["result"] == "refused"
    elif typ == "session-stop" and p["stated"] is not None:
        view.stops_stated.append(p["stated"]["by"])
    elif typ == "event" and p["event"] in ("night-on", "night-off"):
        view.night_switches += 1
    elif typ == "fault" and p["phase"] == "onset":
        view.faults.append(p["code"])
