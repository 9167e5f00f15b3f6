"""Every interruption and how far it is settled, as the records alone say it (art. 23). Pure bookkeeping.

The journal's state and the interruption machine keep one each, so that a restart goes on with what was known before it.
Bounded: what is given up is only no longer asked about; the journal, the index and the verifier know every gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recorder.evidence.carried import GapState, Moment, SegmentTail

MAX_GAPS = 64
MAX_TAILS = 16

CANNOT_RESUME_EVENT = "cannot-resume"
"""``event`` that says of ``detail.gap_id`` that recording cannot go on (确实无法继续记录)."""

Payload = Mapping[str, Any]


@dataclass(slots=True)
class GapBook:
    """``states`` by gap id, ``tails`` by segment id in the order they were opened; oldest first."""

    states: dict[str, GapState] = field(default_factory=dict)
    tails: dict[str, SegmentTail] = field(default_factory=dict)

    @classmethod
    def of(cls, states: Iterable[GapState], tails: Iterable[SegmentTail]) -> GapBook:
        """As a checkpoint carried it."""
        return cls({state.gap_id: state for state in states}, {tail.segment_id: tail for tail in tails})

    def copy(self) -> GapBook:
        return GapBook(dict(self.states), dict(self.tails))

    def head(self, segment_id: str, first: int, digests: list[str]) -> None:
        """Entries ``first`` … of a segment are signed; ``digests`` of their stored bytes."""
        tail = self.tails.get(segment_id)
        if tail is None or not digests:
            return
        self.tails[segment_id] = tail.model_copy(update={"sha256": digests[-1]})
        if first <= 1 < first + len(digests):
            for state in list(self.states.values()):
                if state.segment_id == segment_id and state.after_sha256 is None:
                    self._change(state.gap_id, after_sha256=digests[1 - first])

    def apply(self, typ: str, p: Payload) -> None:
        """Take in any other record: its payload, with ``iat``, ``uptime_us`` and ``bootseed``. Raises KeyError for one
        that is not of its type's form."""
        match typ:
            case "segment-open" if p["role"] != "preroll":
                self._segment_open(p)
            case "interruption":
                self._interruption(p)
            case "resumption":
                self._resumption(p)
            case "explanation":
                self._explanation(p)
            case "statement":
                self._change(p["gap_id"], stated=True, legal_cause=p["legal_cause"])
            case "session-stop":
                for state in list(self.states.values()):
                    if state.session_id == p["session_id"]:
                        self._change(state.gap_id, over=True)
            case "event" if p["event"] == CANNOT_RESUME_EVENT:
                self._change(str(p["detail"].get("gap_id")), declared=True)

    def _segment_open(self, p: Payload) -> None:
        self.tails[p["segment_id"]] = SegmentTail(
            segment_id=p["segment_id"], session_id=p["session_id"], camera_id=p["camera_id"], sha256=None
        )
        if len(self.tails) > MAX_TAILS:
            del self.tails[next(iter(self.tails))]

    def _before(self, p: Payload) -> str | None:
        """The last signed entry before a gap: of its last segment, or, where nothing of that was signed, of the newest one
        of the same camera and session that was opened earlier."""
        found: str | None = None
        for tail in self.tails.values():
            if (tail.session_id, tail.camera_id) == (p["session_id"], p["camera_id"]):
                found = tail.sha256 or found
            if tail.segment_id == p["last_segment_id"]:
                return found
        return None

    def _interruption(self, p: Payload) -> None:
        same_boot = p["from_bootseed"] == p["bootseed"]
        self.states[p["gap_id"]] = GapState(
            gap_id=p["gap_id"],
            session_id=p["session_id"],
            camera_id=p["camera_id"],
            cause=p["cause"],
            from_us=p["from_us"],
            from_bootseed=p["from_bootseed"],
            from_wall=_wall(p["from_us"], p) if same_boot else None,
            before_sha256=self._before(p),
        )
        if len(self.states) > MAX_GAPS:
            settled = (gap_id for gap_id, state in self.states.items() if state.settled)
            del self.states[next(settled, next(iter(self.states)))]

    def _resumption(self, p: Payload) -> None:
        wall = _wall(p["to_us"], p)
        self._change(
            p["gap_id"],
            resumed=Moment(at_us=p["to_us"], bootseed=p["bootseed"], wall=wall),
            duration_us=p["duration_us"],
            segment_id=p["segment_id"],
            from_wall=wall - p["duration_us"] / 1e6,
        )

    def _explanation(self, p: Payload) -> None:
        changes: dict[str, Any] = {}
        if p["legal_cause"] is not None:
            changes["legal_cause"] = p["legal_cause"]
        if p["counts"]:
            changes["explained"] = True
        self._change(p["gap_id"], **changes)

    def _change(self, gap_id: str, **changes: Any) -> None:
        """An unknown gap is one that was given up, or that nobody recorded: nothing to keep."""
        state = self.states.get(gap_id)
        if state is not None and changes:
            self.states[gap_id] = state.model_copy(update=changes)


def _wall(at_us: int, p: Payload) -> float:
    return float(p["iat"] + (at_us - p["uptime_us"]) / 1e6)
