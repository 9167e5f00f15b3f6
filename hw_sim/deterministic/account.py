"""An independent reader of a unit's journal: every signed interval, brought onto the true axis of time.

It shares nothing with the verifier. Lines are only split and decoded: whether they verify is the verifier's question.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw_sim.deterministic.truth import Span, Truth

HOLE_US = 500_000
"""Records are written a little after the moment they speak of, a fragment is up to a second: shorter holes are seams."""


@dataclass(frozen=True, slots=True)
class Line:
    """``digest``: SHA-256 of the whole line, base64url."""

    seq: int
    typ: str
    payload: dict[str, Any]
    digest: str


def journal_lines(directory: Path) -> Iterator[Line]:
    """Every line that counts: of a file given up after a disk error, those the next one repeats do not."""
    paths = sorted(path for path in directory.iterdir() if path.suffix == ".jws")
    for index, path in enumerate(paths):
        limit = int(paths[index + 1].stem) if index + 1 < len(paths) else None
        for raw in path.read_bytes().split(b"\n"):
            line = _line(raw)
            if line is not None and (limit is None or line.seq < limit):
                yield line


def _line(raw: bytes) -> Line | None:
    """None for what a write that failed left behind."""
    try:
        header, payload, _ = raw.split(b".")
        typ = json.loads(_decode(header))["typ"]
        value = json.loads(_decode(payload))
        digest = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
        return Line(int(value["seq"]), str(typ), value, digest)
    except (ValueError, KeyError, TypeError):
        return None


def _decode(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


@dataclass(slots=True)
class Camera:
    """What the journal says of one camera."""

    media: list[Span] = field(default_factory=list)
    gaps: list[Span] = field(default_factory=list)


@dataclass(slots=True)
class Account:
    """Spans of true time. ``standby`` and ``down`` hold for every camera."""

    shifts: list[Span] = field(default_factory=list)
    standby: list[Span] = field(default_factory=list)
    down: list[Span] = field(default_factory=list)
    sessions: list[tuple[Span, tuple[str, ...]]] = field(default_factory=list)
    cameras: dict[str, Camera] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)
    """Segments that came when their session was over: kept all the same, and the gap before the stop stands."""

    def of(self, camera_id: str) -> list[Span]:
        """Everything that speaks for this camera."""
        camera = self.cameras.get(camera_id, Camera())
        idle = [span for span, cameras in self.sessions if camera_id not in cameras]
        return sorted([*self.standby, *self.down, *camera.media, *camera.gaps, *idle])

    def holes(self, camera_id: str) -> list[Span]:
        """Spans of shifts nothing speaks for."""
        found: list[Span] = []
        for begin, end in self.shifts:
            found += [hole for hole in uncovered((begin, end), self.of(camera_id)) if hole[1] - hole[0] > HOLE_US]
        return found


def uncovered(whole: Span, spans: Sequence[Span]) -> list[Span]:
    """The pieces of ``whole`` that no span covers."""
    pieces: list[Span] = []
    at = whole[0]
    for begin, end in sorted(spans):
        if begin > at and at < whole[1]:
            pieces.append((at, min(begin, whole[1])))
        at = max(at, end)
    return pieces if at >= whole[1] else [*pieces, (at, whole[1])]


def merged(spans: Sequence[Span]) -> list[Span]:
    """The same time as few spans."""
    result: list[Span] = []
    for begin, end in sorted(spans):
        if result and begin <= result[-1][1]:
            result[-1] = result[-1][0], max(result[-1][1], end)
        else:
            result.append((begin, end))
    return result


def overlap(one: Sequence[Span], other: Sequence[Span]) -> int:
    """The longest common piece of any two spans."""
    return max((min(b, d) - max(a, c) for a, b in one for c, d in other), default=0)


def union_us(spans: Sequence[Span]) -> int:
    """How much time the spans cover together."""
    total, reach = 0, None
    for begin, end in sorted(spans):
        if reach is None or begin > reach:
            total, reach = total + end - begin, end
        elif end > reach:
            total, reach = total + end - reach, end
    return total


def account(lines: Sequence[Line], truth: Truth) -> Account:
    """Read the journal once, in order."""
    reader = _Reader(truth)
    for line in lines:
        reader.feed(line)
    return reader.finish()


class _Reader:
    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._account = Account()
        self._boot = ""
        self._last = 0
        self._shift: int | None = None
        self._session: tuple[str, int, tuple[str, ...]] | None = None
        self._segments: dict[str, tuple[str, str, int]] = {}
        self._media: dict[str, int] = {}
        self._gaps: dict[str, tuple[str, int, str]] = {}

    def feed(self, line: Line) -> None:
        p = line.payload
        self._boot = p["bootseed"]
        self._last = max(self._last, self._at(p["uptime_us"]))
        handler = getattr(self, f"_on_{line.typ.replace('-', '_')}", None)
        if handler is not None:
            handler(p)

    def _at(self, at_us: int, boot: str | None = None) -> int:
        return self._truth.true_of(boot or self._boot, at_us)

    def _camera(self, camera_id: str) -> Camera:
        return self._account.cameras.setdefault(camera_id, Camera())

    def finish(self) -> Account:
        if self._shift is not None:
            self._account.shifts.append((self._shift, self._last))
        if self._session is not None:
            self._account.sessions.append(((self._session[1], self._last), self._session[2]))
        for camera_id, begin, _ in self._gaps.values():
            self._camera(camera_id).gaps.append((begin, self._last))
        for segment_id, end in self._media.items():
            camera_id, _, start = self._segments[segment_id]
            self._camera(camera_id).media.append((start, end))
        return self._account

    def _on_shift_start(self, p: dict[str, Any]) -> None:
        self._shift = self._at(p["uptime_us"])

    def _on_shift_end(self, p: dict[str, Any]) -> None:
        if self._shift is not None:
            self._account.shifts.append((self._shift, self._at(p["uptime_us"])))
        self._shift = None

    def _on_standby(self, p: dict[str, Any]) -> None:
        self._account.standby.append((self._at(p["from_us"]), self._at(p["to_us"])))

    def _on_event(self, p: dict[str, Any]) -> None:
        if p["event"] == "unit-down":
            detail = p["detail"]
            self._account.down.append((self._at(detail["from_us"], detail["from_bootseed"]), self._at(detail["to_us"])))

    def _on_session_start(self, p: dict[str, Any]) -> None:
        self._session = p["session_id"], self._at(p["at_us"]), tuple(p["cameras"])

    def _on_session_stop(self, p: dict[str, Any]) -> None:
        end = self._at(p["at_us"])
        if self._session is not None and self._session[0] == p["session_id"]:
            self._account.sessions.append(((self._session[1], end), self._session[2]))
            self._session = None
        for gap_id, (camera_id, begin, session_id) in list(self._gaps.items()):
            if session_id == p["session_id"]:
                del self._gaps[gap_id]
                self._camera(camera_id).gaps.append((begin, max(begin, end)))

    def _on_segment_open(self, p: dict[str, Any]) -> None:
        start = self._at(p["media_start_us"])
        if self._session is None or self._session[0] != p["session_id"]:
            self._account.late.add(p["segment_id"])
        self._segments[p["segment_id"]] = p["camera_id"], p["role"], start
        self._media[p["segment_id"]] = start

    def _on_head(self, p: dict[str, Any]) -> None:
        end = self._at(max(entry[4] for entry in p["entries"]))
        self._media[p["segment_id"]] = max(self._media[p["segment_id"]], end)

    def _on_interruption(self, p: dict[str, Any]) -> None:
        begin = self._at(p["from_us"], p["from_bootseed"])
        self._gaps[p["gap_id"]] = p["camera_id"], begin, p["session_id"]

    def _on_resumption(self, p: dict[str, Any]) -> None:
        camera_id, begin, _ = self._gaps.pop(p["gap_id"])
        self._camera(camera_id).gaps.append((begin, self._at(p["to_us"])))
