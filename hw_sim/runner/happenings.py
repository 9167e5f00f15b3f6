"""What happened to people in a shift, read from the journal for ``result.json`` and for whoever waits for it: prompts,
faults from onset to end, explanations, statements, the clock. Numbers and words, no verdicts: those are the verifier's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hw_sim.awaited import Awaited
from recorder.evidence.carried import GapState
from recorder.evidence.gap_book import GapBook


@dataclass(slots=True)
class FaultView:
    """``onset_us``/``end_us``: boot-time. ``ended_by``: empty when it just ceased, ``restart`` when the unit did."""

    code: str
    component: str
    onset_us: int
    evidence: dict[str, Any]
    end_us: int | None = None
    ended_by: str = ""

    @property
    def seconds(self) -> float | None:
        """None while it lasts, and when its end belongs to another boot."""
        return None if self.end_us is None or self.ended_by else (self.end_us - self.onset_us) / 1e6


@dataclass(frozen=True, slots=True)
class Happening:
    """One record in the words of ``wait``."""

    seq: int
    kind: str
    what: str


@dataclass(slots=True)
class Happenings:
    faults: dict[str, FaultView] = field(default_factory=dict)
    """By fault id, in the order of their onset."""
    heard: Counter[str] = field(default_factory=Counter)
    """Prompts spoken to the end, by id."""
    unheard: Counter[str] = field(default_factory=Counter)
    """Prompts cut or dropped, by id."""
    explanations: list[dict[str, Any]] = field(default_factory=list)
    statements: list[dict[str, Any]] = field(default_factory=list)
    clock_sources: list[str] = field(default_factory=list)
    """The wall clock's source as the records name it, each change once."""
    clock_steps_s: list[float] = field(default_factory=list)
    log: list[Happening] = field(default_factory=list)
    book: GapBook = field(default_factory=GapBook)

    def apply(self, typ: str, p: dict[str, Any]) -> None:
        """Take in any record: its payload."""
        if not self.clock_sources or self.clock_sources[-1] != p["clock"]["source"]:
            self.clock_sources.append(p["clock"]["source"])
        self.log.append(Happening(p["seq"], "record", typ))
        if typ == "head":
            self.book.head(p["segment_id"], p["first"], [entry[2] for entry in p["entries"]])
            return
        self.book.apply(typ, p)
        if typ == "fault":
            self._fault(p)
        elif typ == "event":
            self._event(p)
        elif typ == "explanation":
            spoken_us = sum(span["end_us"] - span["start_us"] for span in p["speech"])
            self.explanations.append(
                {
                    "gap_id": p["gap_id"],
                    "confirmed": p["confirmed"],
                    "counts": p["counts"],
                    "legal_cause": p["legal_cause"],
                    "speech_s": round(spoken_us / 1e6, 2),
                }
            )
        elif typ == "statement":
            self.statements.append(
                {"gap_id": p["gap_id"], "legal_cause": p["legal_cause"], "signers": len(p["signers"])}
            )

    def _fault(self, p: dict[str, Any]) -> None:
        if p["phase"] == "onset":
            self.faults[p["fault_id"]] = FaultView(p["code"], p["component"], p["onset_us"], p["evidence"])
        elif (fault := self.faults.get(p["fault_id"])) is not None:
            fault.end_us = p["evidence"].get("to_us", p["uptime_us"])
            fault.ended_by = str(p["evidence"].get("ended_by", ""))
        self.log.append(Happening(p["seq"], "fault" if p["phase"] == "onset" else "fault-end", p["code"]))

    def _event(self, p: dict[str, Any]) -> None:
        detail = p["detail"]
        if p["event"] == "prompt":
            spoken = detail["outcome"] == "spoken"
            (self.heard if spoken else self.unheard)[detail["id"]] += 1
            if spoken:
                self.log.append(Happening(p["seq"], "prompt", detail["id"]))
        elif p["event"] == "clock-step":
            self.clock_steps_s.append(round((detail["new_offset_us"] - detail["old_offset_us"]) / 1e6, 1))

    # --- waiting -----------------------------------------------------------------------------------------------------

    def when(self, awaited: Awaited, after_seq: int) -> int | None:
        """``seq`` of the first record behind ``after_seq`` that says so, None while there is none. A gap's state is that of
        the latest one, whenever it came to it."""
        if awaited.kind == "gap":
            states = list(self.book.states.values())
            return after_seq if states and states[-1].phase == awaited.what else None
        for happening in self.log:
            if happening.seq > after_seq and (happening.kind, happening.what) == (awaited.kind, awaited.what):
                return happening.seq
        return None

    @property
    def last_seq(self) -> int:
        return self.log[-1].seq if self.log else -1

    # --- result.json ---------------------------------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        return {
            "gaps_by_state": dict(Counter(state.phase for state in self.book.states.values())),
            "gaps_unexplained": sum(not state.settled for state in self.book.states.values()),
            "legal_causes": [state.legal_cause for state in self.book.states.values() if state.legal_cause],
            "explanations": self.explanations,
            "explained_by": dict(Counter(e["confirmed"] for e in self.explanations if e["counts"])),
            "statements": self.statements,
            "fault_details": fault_details(self.faults.values()),
            "prompts": dict(self.heard),
            "prompts_unheard": dict(self.unheard),
            "clock_sources": self.clock_sources,
            "clock_steps_s": self.clock_steps_s,
        }

    def gap(self, gap_id: str) -> GapState | None:
        return self.book.states.get(gap_id)


def fault_details(faults: Iterable[FaultView]) -> dict[str, Any]:
    """By code: how many, how many lasted to the end of the journal, the longest, and the evidence of the first onset."""
    found: dict[str, Any] = {}
    for fault in faults:
        entry = found.setdefault(
            fault.code,
            {"count": 0, "open": 0, "longest_s": 0.0, "components": [], "evidence": fault.evidence},
        )
        entry["count"] += 1
        entry["open"] += fault.end_us is None
        entry["longest_s"] = max(entry["longest_s"], round(fault.seconds or 0.0, 2))
        if fault.component not in entry["components"]:
            entry["components"].append(fault.component)
    return found
