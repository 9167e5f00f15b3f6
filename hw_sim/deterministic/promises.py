"""The five promises, judged after a shift against what truly happened. Nothing here asks the recorder how it went."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw_sim.deterministic.account import Account, Line, merged, overlap, uncovered, union_us
from hw_sim.deterministic.camera import FRAME_US, GOP_US
from hw_sim.deterministic.signing import agency
from hw_sim.deterministic.store import SimulatedStore
from hw_sim.deterministic.timeline import SECOND
from hw_sim.deterministic.truth import DurableEntry, Span, Truth
from hw_sim.deterministic.worker import MARK
from recorder.evidence.encoding import b64u

RECOVERY_US = 16 * SECOND
"""After a fault that excuses: the longest pause between restarts, a start of unit process and worker, the first frame."""

PATIENCE_US = 2_500_000
"""Without any excuse durable media may lag so much behind the camera and no more: a fragment, a look, a slow sync."""

LOSS_US = GOP_US + 4 * FRAME_US
NEAR_US = 60_000
"""Two clocks read one after the other."""


LAST_LINES = 8
"""The end of a journal may still be on its way when a shift is over."""

CARD_TROUBLES = ("card-errors", "write-errors", "journal-errors", "card-full", "card-slow")


@dataclass(frozen=True, slots=True)
class Violation:
    """``promise`` 1 to 5, or 0 for an error of the recorder's own code."""

    promise: int
    text: str

    def __str__(self) -> str:
        return f"promise {self.promise}: {self.text}" if self.promise else self.text


def seconds(span: Span) -> str:
    return f"{span[0] / SECOND:.3f}–{span[1] / SECOND:.3f} s"


# --- 1: recording goes on ------------------------------------------------------------------------------------------


def recording_goes_on(truth: Truth, said: Account, cameras: Sequence[str], end_us: int) -> list[Violation]:
    """Wherever a recording was wanted and nothing serious stood in its way, there is durable media. (A start the card
    refused to take into the journal is forgotten by a power cut; the light has shown standby all the time.)"""
    sessions = [span for span, _ in said.sessions]
    found: list[Violation] = []
    down = _complement(truth.running, end_us)
    for camera_id in cameras:
        segments = [s for s in truth.segments.values() if s.camera_id == camera_id and s.role != "preroll"]
        media = merged([entry.media for segment in segments for entry in segment.entries])
        excuses = [(begin - SECOND, end + RECOVERY_US) for begin, end, _ in truth.excused.get(camera_id, ())]
        excuses += [(begin - SECOND, end + RECOVERY_US) for begin, end in down]
        for wanted in truth.wanted:
            for hole in uncovered(wanted, [*media, *excuses]):
                forgotten = _excused(truth, camera_id, wanted[0]) and overlap([wanted], sessions) <= 0
                if hole[1] - hole[0] > PATIENCE_US and not forgotten:
                    found.append(Violation(1, f"{camera_id} did not record {seconds(hole)} without a serious reason"))
    return found


def _complement(spans: Sequence[Span], end_us: int) -> list[Span]:
    return uncovered((0, end_us), spans)


# --- 2: nothing recorded is lost -----------------------------------------------------------------------------------


def nothing_is_lost(truth: Truth, lines: Sequence[Line], segments_dir: Path) -> list[Violation]:
    """Durable lines are in the journal, durable media is on the card or was released after its receipt, and a cut cost at
    most the fragment being written."""
    found = [Violation(2, f"cut into durable media: {text}") for text in truth.overcut]
    by_seq = {line.seq: line.digest for line in lines}
    for seq, digest in truth.durable_lines.items():
        if by_seq.get(seq) != digest:
            found.append(Violation(2, f"record {seq} was durable and is {'another' if seq in by_seq else 'gone'}"))
    for at_us, segment_id, covered in truth.removed:
        if not covered:
            found.append(
                Violation(2, f"{segment_id} was deleted at {at_us / SECOND:.3f} s without a receipt for its bytes")
            )
    signed = _signed_entries(lines)
    released = {segment_id for _, segment_id, _ in truth.removed}
    for segment in truth.segments.values():
        unsigned = [e.entry for e in segment.entries if e.acked and e.entry >= signed.get(segment.segment_id, 0)]
        if unsigned:
            found.append(
                Violation(2, f"entries {unsigned} of {segment.segment_id} were acknowledged and no record signs them")
            )
        if segment.segment_id in released or not segment.entries:
            continue
        suffix = ".mp4.age" if segment.sealed else ".mp4"
        path = segments_dir / segment.session_id / f"{segment.segment_id}{suffix}"
        found += _entries_kept(segment.entries, path, truth.rotten.get(segment.segment_id, ()))
    for loss in truth.losses:
        lost = loss.frames_us - loss.until_us
        if lost > LOSS_US + loss.slow_us and not _excused(truth, loss.camera_id, loss.at_us):
            found.append(
                Violation(2, f"a power cut at {loss.at_us / SECOND:.3f} s cost {lost / SECOND:.3f} s of media")
            )
    return found


def nobody_is_accused(lines: Sequence[Line]) -> list[Violation]:
    """Nobody touched the evidence behind the unit's back (bits rot without anybody noticing), so it must not say so; and no
    duty of the unit process may have failed."""
    wrong = {"evidence-deleted": 4, "evidence-altered": 4, "duty-fault": 0}
    return [
        Violation(wrong[code], f"record {line.seq} says {code}: {line.payload['component']} {line.payload['evidence']}")
        for line in lines
        if line.typ == "fault" and line.payload["phase"] == "onset" and (code := line.payload["code"]) in wrong
    ]


def the_store_has_it(store: SimulatedStore, lines: Sequence[Line], truth: Truth) -> list[Violation]:
    """With line and store well again the whole journal and every whole segment get there, and no line was ever another.

    Garbage a power cut left may be posted before the unit has cut it: the store refuses it, and it passes."""
    forks = dict.fromkeys(refusal.reason for refusal in store.refusals if refusal.kind != "invalid")
    found = [Violation(2, f"the store refused the journal: {reason}") for reason in forks]
    if len(store.lines) < len(lines) - LAST_LINES:
        refused = f", which refused: {store.refusals[-1].reason}" if store.refusals else ""
        found.append(Violation(2, f"{len(lines) - len(store.lines)} lines did not get to the store{refused}"))
    covered = {segment.segment_id for receipt, _ in store.receipts for segment in receipt.segments}
    for segment_id in sorted(store.named.keys() - covered - truth.rotten.keys()):
        found.append(Violation(2, f"segment {segment_id} did not get to the store"))
    return found


def _signed_entries(lines: Sequence[Line]) -> dict[str, int]:
    """How many entries of each segment stand in heads."""
    signed: dict[str, int] = {}
    for line in lines:
        if line.typ == "head":
            signed[line.payload["segment_id"]] = line.payload["first"] + len(line.payload["entries"])
    return signed


def _entries_kept(entries: Sequence[DurableEntry], path: Path, rotten: Sequence[int]) -> list[Violation]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [Violation(2, f"{path.name} was durable and is gone")]
    for entry in entries:
        end = entry.offset + entry.length
        digest = b64u(hashlib.sha256(data[entry.offset : end]).digest())
        if digest != entry.sha256 and not any(entry.offset <= offset < end for offset in rotten):
            what = "acknowledged" if entry.acked else "durable"
            return [Violation(2, f"entry {entry.entry} of {path.name} was {what} and is not there")]
    return []


def _excused(truth: Truth, camera_id: str, at_us: int) -> bool:
    return any(begin - SECOND <= at_us <= end + RECOVERY_US for begin, end, _ in truth.excused.get(camera_id, ()))


# --- 3: every second is accounted for ------------------------------------------------------------------------------


def every_second(
    truth: Truth, said: Account, report: dict[str, Any], cameras: Sequence[str], rhythm_us: int, end_us: int
) -> list[Violation]:
    """No hole, nothing said that was not so, and the verifier counts what an independent reader counts."""
    found: list[Violation] = []
    for camera_id in cameras:
        found += [Violation(3, f"{camera_id}: nobody speaks for {seconds(hole)}") for hole in said.holes(camera_id)]
        found += _media_is_true(truth, said, camera_id)
    dead = _complement(truth.running, end_us)
    if (wrong := overlap(said.standby, dead)) > NEAR_US:
        found.append(Violation(3, f"standby was signed for {wrong / SECOND:.3f} s in which no unit process ran"))
    refused = any(kind in truth.counts for kind in CARD_TROUBLES)  # then the last standby signed may be long ago
    if not refused and (wrong := overlap(said.down, truth.running)) > rhythm_us + 2 * SECOND:
        found.append(Violation(3, f"unit-down covers {wrong / SECOND:.3f} s in which the unit ran"))
    return found + _verifier_agrees(said, report, cameras)


def _media_is_true(truth: Truth, said: Account, camera_id: str) -> list[Violation]:
    found: list[Violation] = []
    camera = said.cameras.get(camera_id)
    signed = [] if camera is None else camera.media
    segments = [segment for segment in truth.segments.values() if segment.camera_id == camera_id]
    true = merged([entry.media for segment in segments for entry in segment.entries])
    for span in signed:
        for hole in uncovered(span, true):
            if hole[1] - hole[0] > NEAR_US:
                found.append(Violation(3, f"{camera_id}: media was signed for {seconds(hole)} and never was"))
    acked = merged([e.media for s in segments if s.role != "preroll" for e in s.entries if e.acked])
    for span in acked:
        for hole in uncovered(span, merged(signed)):
            if hole[1] - hole[0] > NEAR_US:
                found.append(Violation(3, f"{camera_id}: acknowledged media of {seconds(hole)} is in no record"))
    in_time = [
        e.media for s in segments if s.role != "preroll" and s.segment_id not in said.late for e in s.entries if e.acked
    ]
    if camera is not None and (wrong := overlap(camera.gaps, merged(in_time))) > NEAR_US:
        found.append(Violation(3, f"{camera_id}: a gap lies over {wrong / SECOND:.3f} s of acknowledged media"))
    return found


def _verifier_agrees(said: Account, report: dict[str, Any], cameras: Sequence[str]) -> list[Violation]:
    found: list[Violation] = []
    if report["unaccounted_s"]:
        found.append(Violation(3, f"the verifier finds {report['unaccounted_s']} s unaccounted for"))
    counted = 0
    for camera_id in cameras:
        camera = said.cameras.get(camera_id)
        if camera is not None:
            counted += sum(union_us(_within(camera.media, shift)) for shift in said.shifts)
    difference = abs(counted / SECOND - report["recorded_s"])
    if difference > 0.5:
        found.append(
            Violation(
                3, f"recorded: the verifier counts {report['recorded_s']} s, the journal says {counted / SECOND:.3f} s"
            )
        )
    return found


GAP_FINDINGS = ("gap-explained", "gap-unexplained", "statement-owed")


def every_gap_shows(truth: Truth, lines: Sequence[Line], named: set[tuple[str, str]]) -> list[Violation]:
    """Each interruption is explained, owed or visibly unexplained, and nobody is said to have spoken who did not."""
    found: list[Violation] = []
    shown = {subject for code, subject in named if code in GAP_FINDINGS}
    for line in lines:
        if line.typ == "interruption" and f"gap {line.payload['gap_id']}" not in shown:
            found.append(Violation(3, f"gap {line.payload['gap_id']} is neither explained nor owed nor unexplained"))
        if line.typ == "resumption" and not _has_media(truth, line.payload["segment_id"]):
            found.append(Violation(3, f"gap {line.payload['gap_id']} is said to have ended, and nothing was recorded"))
        if line.typ in ("explanation", "note"):
            for span in line.payload["speech"]:
                boot = span.get("bootseed") or line.payload["bootseed"]
                heard = truth.true_of(boot, span["start_us"]), truth.true_of(boot, span["end_us"])
                if any(end - begin > NEAR_US for begin, end in uncovered(heard, truth.speech)):
                    found.append(Violation(3, f"record {line.seq} binds speech of {seconds(heard)} nobody spoke"))
    return found


def _has_media(truth: Truth, segment_id: str) -> bool:
    segment = truth.segments.get(segment_id)
    return segment is not None and any(end > begin for begin, end in (entry.media for entry in segment.entries))


def _within(spans: Sequence[Span], window: Span) -> list[Span]:
    cut = [(max(begin, window[0]), min(end, window[1])) for begin, end in spans]
    return [(begin, end) for begin, end in cut if end > begin]


# --- 5: a lost unit leaks nothing ----------------------------------------------------------------------------------


def nothing_leaks(folder: Path, sealed: bool, names: Sequence[str], lines: Sequence[Line]) -> list[Violation]:
    """No media, name or key stands readable in any file of the unit outside ``keys/``."""
    words: list[tuple[str, bytes]] = [("key material", secret) for secret in agency().secrets]
    officer_key = folder / "keys" / "officer-ref.key"
    if officer_key.exists():
        words.append(("key material", officer_key.read_bytes()))
    if sealed:
        words.append(("plain media", MARK))
        words += [("a personal name or number", name.encode()) for name in names]
    found: list[Violation] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.parent.name != "keys":
            found += _leaks(str(path.relative_to(folder)), path.read_bytes(), words)
    for line in lines:
        found += _leaks(f"record {line.seq} ({line.typ})", repr(line.payload).encode(), words)
    return found


def _leaks(where: str, data: bytes, words: Sequence[tuple[str, bytes]]) -> list[Violation]:
    return [Violation(5, f"{where}: {what} stands there readable") for what, word in words if word in data]
