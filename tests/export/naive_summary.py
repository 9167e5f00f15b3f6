"""The statistics of art. 28 once more, by other means: raw JSON lines, every moment a number, brute force over them.

Nothing of ``recorder`` is used. What both agree on follows from docs/formats.md §11 and not from one piece of code.
"""

from __future__ import annotations

import base64
import datetime
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

MIDNIGHT_OFFSET = 8 * 3_600_000_000
DAY = 86_400_000_000
HOLE = 500_000
BEST_FIRST = ("recorded", "gap", "standby", "off")

Json = dict[str, Any]


def raw_records(folder: Path) -> list[Json]:
    """Payloads with ``typ``, in order; repeated lines dropped."""
    found: dict[int, Json] = {}
    for path in sorted((folder / "journal").glob("*.jws")):
        for line in path.read_text().splitlines():
            header, payload, _ = line.split(".")
            record = decoded(payload) | {"typ": decoded(header)["typ"]}
            found[record["seq"]] = record
    return [found[seq] for seq in sorted(found)]


def decoded(text: str) -> Json:
    value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert isinstance(value, dict)
    return value


class Naive:
    """``rows`` by shift or by day."""

    def __init__(self, records: list[Json]) -> None:
        self.records = records
        self.seeds = list(dict.fromkeys(record["bootseed"] for record in records))
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.offset: dict[str, int] = {}
        for record in records:
            seed, us = record["bootseed"], record["uptime_us"]
            self.first.setdefault(seed, us)
            self.last[seed] = max(us, self.last.get(seed, us))
            self.offset[seed] = round(record["iat"] * 1e6) - us
        self.ends = {record["gap_id"]: record for record in self.of("resumption")}
        self.stops = {record["session_id"]: record for record in self.of("session-stop")}
        self.finish = (self.seeds[-1], self.last[self.seeds[-1]])

    def of(self, typ: str) -> list[Json]:
        return [record for record in self.records if record["typ"] == typ]

    # --- windows, each with a line of its own ---

    def windows(self) -> list[Json]:
        shift_ends = {record["shift_id"]: record for record in self.of("shift-end")}
        found = []
        for record in self.of("shift-start"):
            end = shift_ends.get(record["shift_id"])
            found.append(
                {
                    "start": (record["bootseed"], record["uptime_us"]),
                    "end": (end["bootseed"], end["uptime_us"]) if end else self.finish,
                    "open": end is None,
                }
            )
        for record in self.of("session-start"):
            if record["shift_id"] is None:
                stop = self.stops.get(record["session_id"])
                found.append(
                    {
                        "start": (record["bootseed"], record["at_us"]),
                        "end": (stop["bootseed"], stop["at_us"]) if stop else self.finish,
                        "open": stop is None,
                    }
                )
        return found

    def place(self, window: Json, moment: tuple[str, int]) -> int:
        """µs from the window's start, clamped to the window."""
        first, last = self.seeds.index(window["start"][0]), self.seeds.index(window["end"][0])
        boot = self.seeds.index(moment[0])
        if boot < first:
            return 0
        if boot > last:
            return self.length(window)
        at = 0
        for number in range(first, boot + 1):
            low, high = self.limits(window, number)
            if number > first:
                at += self.pause(number)
            at += min(max(moment[1], low), high) - low if number == boot else high - low
        return at

    def limits(self, window: Json, boot: int) -> tuple[int, int]:
        seed = self.seeds[boot]
        low = window["start"][1] if seed == window["start"][0] else self.first[seed]
        high = window["end"][1] if seed == window["end"][0] else self.last[seed]
        return low, max(low, high)

    def pause(self, boot: int) -> int:
        """Between this boot and the one before, by their wall clocks."""
        seed, before = self.seeds[boot], self.seeds[boot - 1]
        return max(0, self.first[seed] + self.offset[seed] - self.last[before] - self.offset[before])

    def length(self, window: Json) -> int:
        return self.place(window, window["end"])

    def midnights(self, window: Json) -> list[tuple[int, int, str]]:
        """(from, to, day) pieces of the window."""
        pieces = []
        first, last = self.seeds.index(window["start"][0]), self.seeds.index(window["end"][0])
        for number in range(first, last + 1):
            seed = self.seeds[number]
            low, high = self.limits(window, number)
            at = self.place(window, (seed, low))
            pieces += split_days(at, at + high - low, low + self.offset[seed])
            if number < last:
                at = self.place(window, (seed, high))
                pieces += split_days(at, at + self.pause(number + 1), high + self.offset[seed])
        return pieces

    # --- intervals of the whole journal ---

    def intervals(self) -> list[tuple[str, tuple[str, int], tuple[str, int]]]:
        found: list[tuple[str, tuple[str, int], tuple[str, int]]] = []
        for start, end in self.media().values():
            found.append(("recorded", start, end))
        for gap in self.of("interruption"):
            found.append(("gap", *self.gap_limits(gap)))
        for record in self.of("standby"):
            found.append(("standby", (record["bootseed"], record["from_us"]), (record["bootseed"], record["to_us"])))
        for record in self.of("event"):
            detail = record["detail"]
            if record["event"] == "unit-down":
                found.append(
                    ("off", (detail["from_bootseed"], detail["from_us"]), (record["bootseed"], detail["to_us"]))
                )
        return found

    def media(self) -> dict[str, tuple[tuple[str, int], tuple[str, int]]]:
        found: dict[str, tuple[tuple[str, int], tuple[str, int]]] = {}
        heads: dict[str, int] = {}
        for record in self.of("head"):
            end = max(entry[4] for entry in record["entries"])
            heads[record["segment_id"]] = max(end, heads.get(record["segment_id"], 0))
        closed: dict[str, int] = {record["segment_id"]: record["media_end_us"] for record in self.of("segment-close")}
        for record in self.of("segment-open"):
            key, seed = record["segment_id"], record["bootseed"]
            start: int = record["media_start_us"]
            end = closed.get(key, heads.get(key, start))
            found[key] = ((seed, start), (seed, end))
        return found

    def gap_limits(self, gap: Json) -> tuple[tuple[str, int], tuple[str, int]]:
        start = (gap["from_bootseed"], gap["from_us"])
        if gap["gap_id"] in self.ends:
            resumed = self.ends[gap["gap_id"]]
            return start, (resumed["bootseed"], resumed["to_us"])
        stop = self.stops.get(gap["session_id"])
        return start, (stop["bootseed"], stop["at_us"]) if stop else self.finish

    # --- rows ---

    def rows(self, by: str) -> list[Json]:
        groups: dict[str, list[tuple[Json, int, int]]] = {}
        for number, window in enumerate(self.windows()):
            if by == "shift":
                groups[f"{number:06}"] = [(window, 0, self.length(window))]
            else:
                for start, end, day in self.midnights(window):
                    groups.setdefault(day, []).append((window, start, end))
        return [self.row(groups[key]) for key in sorted(groups)]

    def row(self, pieces: list[tuple[Json, int, int]]) -> Json:
        kinds = dict.fromkeys((*BEST_FIRST, "seam", "pending", "unaccounted"), 0)
        for window, start, end in pieces:
            for kind, low, high in self.laid_out(window):
                kinds[kind] += max(0, min(high, end) - max(low, start))
        sessions = [s for s in self.of("session-start") if self.inside(pieces, (s["bootseed"], s["at_us"]))]
        return {
            "on_shift_s": seconds(sum(end - start for _, start, end in pieces)),
            **{f"{kind}_s": seconds(us) for kind, us in kinds.items()},
            "sessions": len(sessions),
            "officers": self.officers(pieces),
            "gaps": self.gaps(pieces),
            "faults": self.faults(pieces),
            "gnss": self.gnss(pieces),
            "marks": self.marks(pieces, sessions),
        }

    def laid_out(self, window: Json) -> list[tuple[str, int, int]]:
        """Every elementary stretch between two moments of anything, by the best kind that covers it."""
        length = self.length(window)
        spans = [(kind, self.place(window, start), self.place(window, end)) for kind, start, end in self.intervals()]
        edges = sorted({0, length, *(edge for _, low, high in spans for edge in (low, high))})
        stretches: list[tuple[str, int, int]] = []
        for low, high in pairwise(edges):
            covering = {kind for kind, start, end in spans if start <= low and high <= end}
            kind = next((kind for kind in BEST_FIRST if kind in covering), "hole")
            if stretches and stretches[-1][0] == kind == "hole":
                stretches[-1] = ("hole", stretches[-1][1], high)
            else:
                stretches.append((kind, low, high))

        def named(kind: str, low: int, high: int) -> str:
            if kind != "hole":
                return kind
            if window["open"] and high == length:
                return "pending"
            return "seam" if high - low <= HOLE else "unaccounted"

        return [(named(kind, low, high), low, high) for kind, low, high in stretches]

    def inside(self, pieces: list[tuple[Json, int, int]], moment: tuple[str, int]) -> bool:
        def order(at: tuple[str, int]) -> tuple[int, int]:
            return self.seeds.index(at[0]), at[1]

        for window, start, end in pieces:
            if order(window["start"]) <= order(moment) <= order(window["end"]):
                at = self.place(window, moment)
                if start <= at < end or at == end == self.length(window):
                    return True
        return False

    def common(self, pieces: list[tuple[Json, int, int]], start: tuple[str, int], end: tuple[str, int]) -> int:
        total = 0
        for window, low, high in pieces:
            total += max(0, min(high, self.place(window, end)) - max(low, self.place(window, start)))
        return total

    def officers(self, pieces: list[tuple[Json, int, int]]) -> int:
        present = set()
        for record in self.of("officer-sign-in"):
            start, end = (record["bootseed"], record["uptime_us"]), self.finish
            for later in self.records[record["seq"] + 1 - self.records[0]["seq"] :]:
                out = later["typ"] == "officer-sign-out" and later["officer_ref"] == record["officer_ref"]
                if out or (later["typ"] == "shift-end" and later["shift_id"] == record["shift_id"]):
                    end = (later["bootseed"], later["uptime_us"])
                    break
            if self.inside(pieces, start) or self.common(pieces, start, end):
                present.add(record["officer_ref"])
        return len(present)

    def gaps(self, pieces: list[tuple[Json, int, int]]) -> Json:
        explained = {r["gap_id"] for r in self.of("explanation") if r["counts"]} & set(self.ends)
        stated = {record["gap_id"] for record in self.of("statement") if len(record["signers"]) >= 2}
        causes: dict[str, Json] = {}
        total, begun = 0, []
        for gap in self.of("interruption"):
            start, end = self.gap_limits(gap)
            length, here = self.common(pieces, start, end), self.inside(pieces, start)
            if here:
                begun.append(gap)
            if here or length:
                entry = causes.setdefault(gap["cause"], {"count": 0, "us": 0})
                entry["count"] += here
                entry["us"] += length
                total += length
        known = [gap for gap in begun if gap["gap_id"] in explained | stated]
        owed = [
            gap
            for gap in begun
            if gap["gap_id"] not in self.ends and gap["gap_id"] not in stated and gap["session_id"] in self.stops
        ]
        return {
            "count": len(begun),
            "seconds": seconds(total),
            "by_cause": {
                cause: {"count": entry["count"], "seconds": seconds(entry["us"])} for cause, entry in causes.items()
            },
            "resumed": sum(gap["gap_id"] in self.ends for gap in begun),
            "explained": len(known),
            "explained_share": round(len(known) / len(begun), 4) if begun else None,
            "statements_owed": len(owed),
            "statements_signed": sum(gap["gap_id"] in stated for gap in begun),
        }

    def faults(self, pieces: list[tuple[Json, int, int]]) -> Json:
        ends = {record["fault_id"]: record for record in self.of("fault") if record["phase"] == "end"}
        found: dict[str, Json] = {}
        for record in self.of("fault"):
            if record["phase"] != "onset":
                continue
            seed, start = record["bootseed"], (record["bootseed"], record["onset_us"])
            end = ends.get(record["fault_id"])
            until = end["uptime_us"] if end is not None and end["bootseed"] == seed else self.last[seed]
            here, length = self.inside(pieces, start), self.common(pieces, start, (seed, until))
            if here or length:
                entry = found.setdefault(record["code"], {"count": 0, "us": 0, "open": 0})
                entry["count"] += here
                entry["us"] += length
                entry["open"] += here and end is None
        return {
            code: {"count": entry["count"], "seconds": seconds(entry["us"]), "open": entry["open"]}
            for code, entry in found.items()
        }

    def gnss(self, pieces: list[tuple[Json, int, int]]) -> Json:
        media = self.media()
        closed = [
            (record["fix_seconds"], *media[record["segment_id"]])
            for record in self.of("segment-close")
            if self.inside(pieces, media[record["segment_id"]][0])
        ]
        fixes, us = sum(fix for fix, _, _ in closed), sum(end[1] - start[1] for _, start, end in closed)
        return {
            "fix_s": fixes,
            "media_s": seconds(us),
            "coverage": min(1.0, round(fixes * 1e6 / us, 4)) if us else None,
        }

    def marks(self, pieces: list[tuple[Json, int, int]], sessions: list[Json]) -> Json:
        kinds = [mark["kind"] for mark in self.of("mark") if self.inside(pieces, (mark["bootseed"], mark["at_us"]))]
        covered = 0
        for session in sessions:
            own = {m["kind"] for m in self.of("mark") if m["session_id"] == session["session_id"]}
            covered += min(6, sum(kind.startswith("art22-") for kind in own))
        return {
            "count": len(kinds),
            "by_kind": {kind: kinds.count(kind) for kind in kinds},
            "checklist_covered": covered,
            "checklist_of": 6 * len(sessions),
            "checklist_share": round(covered / (6 * len(sessions)), 4) if sessions else None,
        }


def split_days(start: int, end: int, wall: int) -> list[tuple[int, int, str]]:
    pieces = []
    while start < end:
        number = (wall + MIDNIGHT_OFFSET) // DAY
        step = min(end - start, (number + 1) * DAY - MIDNIGHT_OFFSET - wall)
        day = (datetime.date(1970, 1, 1) + datetime.timedelta(days=number)).isoformat()
        pieces.append((start, start + step, day))
        start, wall = start + step, wall + step
    return pieces


def seconds(us: int) -> float:
    return round(us / 1e6, 3)


def differences(summary: Json, records: list[Json]) -> list[str]:
    """Where a summary and this module disagree; one millisecond for rounding."""
    rows = Naive(records).rows(summary["by"])
    if len(rows) != len(summary["rows"]):
        return [f"{len(summary['rows'])} rows instead of {len(rows)}"]
    found: list[str] = []
    for number, (row, own) in enumerate(zip(summary["rows"], rows, strict=True)):
        for name, value in own.items():
            found += _compare(f"row {number}: {name}", row[name], value)
    return found


def _compare(place: str, said: Any, own: Any) -> list[str]:
    if isinstance(own, dict):
        if set(said) != set(own):
            return [f"{place}: {sorted(said)} instead of {sorted(own)}"]
        return [line for key in own for line in _compare(f"{place}.{key}", said[key], own[key])]
    if isinstance(own, float) and isinstance(said, float):
        return [] if abs(said - own) <= 0.002 else [f"{place}: {said} instead of {own}"]
    return [] if said == own else [f"{place}: {said} instead of {own}"]
