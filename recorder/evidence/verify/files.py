"""The stored files of a vault against the ledger: every named file is there and right, every file there is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from recorder.evidence import formatting
from recorder.evidence.age import Identity
from recorder.evidence.records import Entry
from recorder.evidence.verify import tree
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.opened import Opened, read_segment
from recorder.evidence.verify.receipts import ReceiptBook
from recorder.evidence.verify.state import Ledger, Segment
from recorder.evidence.verify.stored import EntryResult, Piece, Whole, check_entries, digest_file

FileState = Literal["present", "released", "missing", "none"]
MEDIA_TOLERANCE_US = 100_000
"""Video duration by the boxes against media time by the journal: ticks are rounded, the last frame's length is nominal."""

Entries = Callable[[Segment], Sequence[Entry]]


@dataclass(slots=True)
class FileCheck:
    """Checks one vault's files. ``entries`` reads a segment's signed entries from the journal again (rarely needed)."""

    vault: Path
    kind: str
    ledger: Ledger
    receipts: ReceiptBook
    findings: Findings
    identities: Sequence[Identity]
    entries: Entries
    journal_rest: Sequence[tree.Node] = ()
    """What lies in the journal's folder besides its files."""
    progress: Callable[[int], None] | None = None
    states: dict[str, FileState] = field(default_factory=dict)
    opened: dict[str, bool] = field(default_factory=dict)
    unopened: int = 0
    _nodes: dict[str, tree.Node] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """All segments, then what is left over. Raises CannotRead for a folder that cannot be listed."""
        folder = self.vault / "segments"
        self._nodes = {f"journal/{node.name}": node for node in self.journal_rest}
        if tree.is_folder(folder):
            self._nodes |= {f"segments/{node.name}": node for node in tree.walk(folder, 2)}
        self._digests = {s.sha256: s.segment_id for s in self.ledger.segments.values() if s.sha256 is not None}
        for segment in self.ledger.segments.values():
            self.states[segment.segment_id] = self._segment(segment)
        self._torn_tails()
        for name, node in self._nodes.items():
            self._unnamed(name, node)

    # --- one segment ---

    def _segment(self, segment: Segment) -> FileState:
        name, node = self._take(segment)
        if node is None:
            return self._absent(segment)
        if not node.regular:
            self.findings.add("file-not-regular", f"segment {segment.segment_id}", file=name, what=node.kind)
            return self._absent(segment)
        try:
            self._check(segment, self.vault / name)
        except OSError as error:
            reason = error.strerror or str(error)
            self.findings.add("file-unreadable", f"segment {segment.segment_id}", file=name, reason=reason)
            return "missing"
        if self.progress is not None:
            self.progress(node.size)
        return "present"

    def _take(self, segment: Segment) -> tuple[str, tree.Node | None]:
        name = segment.file_name
        node = self._nodes.pop(name, None)
        if node is None and segment.role == "orphan":
            # Its opening never reached the journal, so nothing says whether it is sealed but its name.
            plain = name.removesuffix(".age")
            node = self._nodes.pop(plain, None)
            if node is not None:
                segment.sealed = False
                name = plain
        return name, node

    def _absent(self, segment: Segment) -> FileState:
        if segment.state in ("empty", "lost") or (segment.state == "open" and segment.entries == 0):
            return "none"  # empty: nothing was ever durable; lost: found with its recovery record
        if segment.release is not None and self.kind == "unit":
            if self._held(segment):
                return "released"
            why = ("已释放，但没有可信的回执", "it was released, but no believable receipt covers it")
        elif segment.state == "recovered" and segment.size == 0:
            return "none"
        elif self.kind == "store":
            why = ("机关存储没有它（尚未上传或已丢失）", "the store does not have it (not uploaded yet, or lost)")
        else:
            why = ("日志记有此片段，且没有释放记录", "the journal names it and no release record lets it go")
        self.findings.add(
            "segment-missing", f"segment {segment.segment_id}", segment=segment.segment_id, why_zh=why[0], why_en=why[1]
        )
        return "missing"

    def _held(self, segment: Segment) -> bool:
        return any(
            held.sha256 == segment.sha256 and held.size == segment.size
            for held in self.receipts.held.get(segment.segment_id, ())
        )

    def _check(self, segment: Segment, path: Path) -> None:
        whole: Whole | None = None
        if self.identities:
            entries = (lambda: self.entries(segment)) if segment.plain_sha256 is None else None
            opened = read_segment(path, segment.sealed, self.identities, entries)
            whole = opened.whole
        elif segment.sha256 is not None:
            opened, whole = None, digest_file(path)
        else:
            opened = None
        sound = segment.sha256 is not None and whole == Whole(segment.size, segment.sha256)
        if sound and segment.size >= segment.signed_end:
            if opened is not None and segment.size > 0:  # a full card leaves empty files: nothing in them to decrypt
                self._inside(segment, opened)
            if segment.state == "recovered":
                # Its digest was taken at the recovery, of whatever lay there then: what was signed before must still be it.
                result = check_entries(path, self.entries(segment), segment.start_us)
                self._report_pieces(segment, "segment-altered", result.altered)
            return
        self._locate(segment, path, whole)

    def _locate(self, segment: Segment, path: Path, whole: Whole | None) -> None:
        """The digest of the whole does not match, or there is none: name the entries."""
        other = self._digests.get(whole.sha256) if whole is not None else None
        if other is not None and other != segment.segment_id:
            self.findings.add(
                "segment-swapped", f"segment {segment.segment_id}", segment=segment.segment_id, other=other
            )
            return
        result = check_entries(path, self.entries(segment), segment.start_us)
        self._report_pieces(segment, "segment-altered", result.altered)
        self._report_pieces(segment, "segment-truncated", result.cut)
        if segment.state == "open":
            self.findings.add(
                "segment-open",
                f"segment {segment.segment_id}",
                segment=segment.segment_id,
                entries=segment.entries,
                bytes=result.signed_end,
                extra=result.extra,
            )
        elif not result.altered and not result.cut:
            self._report_rest(segment, result)

    def _report_rest(self, segment: Segment, result: EntryResult) -> None:
        """Every signed entry is right and the whole is not: something else is in the file, or was behind them."""
        if result.size > segment.size:
            self.findings.add(
                "segment-extended",
                f"segment {segment.segment_id}",
                segment=segment.segment_id,
                extra=result.size - segment.size,
            )
            return
        piece = Piece(
            segment.entries, result.signed_end, max(segment.size, result.size), segment.end_us, segment.end_us
        )
        code = "segment-truncated" if result.size < segment.size else "segment-altered"
        self._report_pieces(segment, code, [piece])

    def _report_pieces(self, segment: Segment, code: str, pieces: list[Piece]) -> None:
        """One finding per run of adjacent entries."""
        for run in _runs(pieces):
            first, last = run[0], run[-1]
            start = self.ledger.boots[segment.boot].wall(first.from_us)
            end = self.ledger.boots[segment.boot].wall(last.to_us)
            self.findings.add(
                code,
                f"segment {segment.segment_id}",
                segment=segment.segment_id,
                entries=formatting.ranges([piece.entry for piece in run]),
                bytes=f"{first.offset}–{last.end}",
                times=f"{formatting.wall(start)} – {formatting.wall(end)}",
            )

    # --- inside, with an identity ---

    def _inside(self, segment: Segment, opened: Opened) -> None:
        if opened.outcome == "no-identity":
            self.unopened += 1
            return
        subject = f"segment {segment.segment_id}"
        self.opened[segment.segment_id] = False
        if opened.outcome == "failed":
            self.findings.add("segment-unopened", subject, segment=segment.segment_id, reason=opened.reason)
            return
        closed = segment.state == "closed"
        reasons = self._plain_reasons(segment, opened) if closed else []
        if opened.altered:
            reasons.append(f"entries {formatting.ranges(opened.altered)}")
        for reason in reasons:
            self.findings.add("segment-plaintext", subject, segment=segment.segment_id, reason=reason)
        opened.boxes.finish(torn=not closed)
        problems = [*opened.boxes.problems, *(_media_problems(segment, opened) if closed else ())]
        lacking = _video_lacking(segment, opened)
        for from_us, to_us in lacking:
            self._video_lacks(segment, from_us, to_us)
        for problem in problems:
            self.findings.add("segment-media", subject, segment=segment.segment_id, reason=problem)
        self.opened[segment.segment_id] = not reasons and not problems and not lacking

    def _video_lacks(self, segment: Segment, from_us: int, to_us: int) -> None:
        boot = self.ledger.boots[segment.boot]
        self.findings.add(
            "video-lacking",
            f"segment {segment.segment_id}",
            segment=segment.segment_id,
            camera=segment.camera_id,
            length=formatting.length(to_us - from_us),
            times=f"{formatting.wall(boot.wall(from_us))} – {formatting.wall(boot.wall(to_us))}",
        )

    def _plain_reasons(self, segment: Segment, opened: Opened) -> list[str]:
        if not opened.complete:
            return ["the final age chunk is lacking"]
        if opened.plain_size != segment.plain_size:
            return [f"{opened.plain_size} bytes instead of {segment.plain_size}"]
        return ["SHA-256 differs"] if opened.plain_sha256 != segment.plain_sha256 else []

    # --- the rest ---

    def _torn_tails(self) -> None:
        """Tails a recovery cut off. Only names the vault's own listing has are opened, whatever a record says."""
        for torn in self.ledger.torn:
            node = self._nodes.pop(torn.file, None)
            if node is None or not node.regular:
                self.findings.add("torn-absent", f"record {torn.seq}", seq=torn.seq, file=torn.file)
                continue
            try:
                matches = torn.digest is not None and digest_file(self.vault / torn.file).sha256 == torn.digest
            except OSError as error:
                reason = error.strerror or str(error)
                self.findings.add("file-unreadable", f"file {torn.file}", file=torn.file, reason=reason)
                continue
            if not matches:
                self.findings.add("torn-altered", f"file {torn.file}", file=torn.file, seq=torn.seq)

    def _unnamed(self, name: str, node: tree.Node) -> None:
        if not node.regular:
            self.findings.add("file-not-regular", f"file {name}", file=name, what=node.kind)
            return
        copy = self._digests.get(self._digest(self.vault / name, node.size) or "")
        self.findings.add(
            "file-unsigned",
            f"file {name}",
            file=name,
            size=node.size,
            copy_zh=f"；内容同片段 {copy}" if copy else "",
            copy_en=f"; it is a copy of segment {copy}" if copy else "",
        )

    def _digest(self, path: Path, size: int) -> str | None:
        if all(size != segment.size for segment in self.ledger.segments.values()):
            return None  # no segment has this size: no need to read it
        try:
            return digest_file(path).sha256
        except OSError:
            return None  # it is found as unsigned in any case


def _runs(pieces: list[Piece]) -> Iterator[list[Piece]]:
    run: list[Piece] = []
    for piece in pieces:
        if run and piece.entry != run[-1].entry + 1:
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _media_problems(segment: Segment, opened: Opened) -> list[str]:
    problems = []
    frames, video_us = opened.boxes.frames, opened.boxes.video_us
    if segment.frames is not None and frames != segment.frames:
        problems.append(f"{frames} frames instead of {segment.frames}")
    length = segment.end_us - segment.start_us
    if video_us is not None and video_us - length > MEDIA_TOLERANCE_US:
        problems.append(f"{video_us / 1e6:.3f} s of video instead of {length / 1e6:.3f} s")
    return problems


def _video_lacking(segment: Segment, opened: Opened) -> list[tuple[int, int]]:
    """Stretches (boot-time in µs) signed as media of the segment in which there is no moving picture: a frame that stands
    still, or sound that goes on after the last frame. Loss of the picture alone is an interruption too (art. 23)."""
    video_us = opened.boxes.video_us
    if video_us is None or segment.role == "orphan":
        return []
    lacking = [(segment.start_us + at, segment.start_us + at + length) for at, length in opened.boxes.freezes]
    if segment.end_us - segment.start_us - video_us > MEDIA_TOLERANCE_US:
        lacking.append((segment.start_us + video_us, segment.end_us))
    return lacking
