"""Is every explanation and voice note what the fragments say it is? Recomputed from the ``head`` records alone
(docs/formats.md §5.29). An explanation that does not hold explains nothing. Pure, apart from looking entries up again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from recorder.evidence.encoding import sha256_of_digests
from recorder.evidence.records import Entry, SpeechSpan
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.state import At, Gap, Ledger, Segment, Spoken

ECHO_US = 500_000
"""A prompt and so long behind it is the unit's own voice."""

LEAST_US = 3_000_000
"""An explanation has so much speech in all."""

CACHED = 8

Entries = Callable[[Segment], Sequence[Entry]]
Problem = tuple[str, str, str]
"""Code of the finding, and the reason in Chinese and English."""


def judge_speech(ledger: Ledger, entries: Entries, findings: Findings) -> None:
    """Adds the findings; sets ``explained``, ``confirmed`` and ``counted`` of the gaps by what holds. Call when the files
    have been checked, before the gaps are judged."""
    judge = _Judge(ledger, entries)
    damaged = _damaged(findings)
    for spoken in ledger.spoken:
        problems = list(judge.problems(spoken))
        for code, zh, en in problems:
            subject = f"gap {spoken.gap_id}" if spoken.gap_id else f"record {spoken.seq}"
            findings.add(code, subject, seq=spoken.seq, why_zh=zh, why_en=en)
        for segment_id in sorted({span.segment_id for span in spoken.speech} & damaged):
            findings.add("speech-damaged", f"segment {segment_id}", seq=spoken.seq, segment=segment_id)
        gap = ledger.gaps.get(spoken.gap_id or "")
        if gap is not None and not problems:
            _take(gap, spoken)


def _take(gap: Gap, spoken: Spoken) -> None:
    """The best of a gap's explanations speaks for it: one that counts, then one in which something was said."""
    counts = spoken.counts and spoken.confirmed in ("button", "speech")
    if counts or (not gap.explained and (spoken.speech or gap.confirmed is None)):
        gap.confirmed = spoken.confirmed
        gap.speech_us = _total(spoken.speech)
    gap.explained = gap.explained or counts


def _damaged(findings: Findings) -> set[str]:
    """Segments whose bytes are not, or not all, what was signed."""
    damaged = [f for f in findings.findings if f.axis == "integrity" and f.value in ("altered", "missing")]
    return {f.subject.removeprefix("segment ") for f in damaged if f.subject.startswith("segment ")}


@dataclass(slots=True)
class _Judge:
    ledger: Ledger
    entries: Entries
    _cache: dict[str, Sequence[Entry]] = field(default_factory=dict)

    def problems(self, spoken: Spoken) -> Iterator[Problem]:
        """Everything that is wrong. Where lines of the journal are missing nothing can be held against a record."""
        if not spoken.whole:
            return
        for span in spoken.speech:
            yield from self._span(spoken, span)
        ordered = sorted(spoken.speech, key=lambda span: (span.start_us, span.end_us))
        if any(one.end_us > other.start_us for one, other in pairwise(ordered)):
            yield "speech-misplaced", "语音区间互相重叠", "its spans overlap"
        if spoken.gap_id is not None:
            yield from self._explanation(spoken, self.ledger.gaps[spoken.gap_id])
        elif any(span.start_us < spoken.from_us or span.end_us > spoken.to_us for span in spoken.speech):
            yield "speech-misplaced", "语音在备注的起止之外", "speech outside the note's beginning and end"

    def _span(self, spoken: Spoken, span: SpeechSpan) -> Iterator[Problem]:
        segment = self.ledger.segments.get(span.segment_id)
        name = span.segment_id
        if segment is None or segment.session_id != spoken.session_id or segment.boot != spoken.boot:
            yield (
                "speech-misplaced",
                f"片段 {name} 不属于该次录制",
                f"segment {name} is none of that recording",
            )
            return
        held = self._entries(segment)[: spoken.signed.get(name, 0)]
        found = _overlapping(held, segment.start_us, span)
        if found is None:
            yield (
                "speech-misplaced",
                f"片段 {name} 在当时已签名的各项之外",
                f"outside the entries of segment {name} that were signed then",
            )
        elif found != (span.first, span.last):
            yield (
                "speech-altered",
                f"片段 {name} 中该时间属于第 {found[0]}–{found[1]} 项，记录为第 {span.first}–{span.last} 项",
                f"in segment {name} that time is entries {found[0]}-{found[1]}, not {span.first}-{span.last}",
            )
        elif (span.start_offset, span.end_offset) != (held[span.first][0], held[span.last][0] + held[span.last][1]):
            yield (
                "speech-altered",
                f"片段 {name} 的字节位置不符",
                f"other bytes of segment {name} than its entries have",
            )
        elif sha256_of_digests(entry[2] for entry in held[span.first : span.last + 1]) != span.sha256:
            yield (
                "speech-altered",
                f"片段 {name} 第 {span.first}–{span.last} 项的摘要不符",
                f"another digest than entries {span.first}-{span.last} of segment {name} have",
            )
        for begin, end in self.ledger.prompts.get(spoken.boot, ()):
            if max(begin, span.start_us) < min(end + ECHO_US, span.end_us):
                yield "speech-own-voice", f"片段 {name}", f"segment {name}"
                break

    def _explanation(self, spoken: Spoken, gap: Gap) -> Iterator[Problem]:
        if spoken.before != self._before(gap):
            yield "explanation-sides", "中断之前", "before it"
        if spoken.after != self._after(spoken, gap):
            yield "explanation-sides", "恢复之后", "after it"
        # In a later boot is as good: a power cut came between the question and its answer.
        first = At(spoken.boot, min((span.start_us for span in spoken.speech), default=0))
        if spoken.speech and not (gap.resumed and gap.end is not None and first >= gap.end):
            yield "speech-misplaced", "语音在恢复录制之前", "speech from before the recording resumed"
        if (spoken.counts or spoken.speech) and _total(spoken.speech) < LEAST_US:
            yield "explanation-unfounded", "语音不足三秒", "less than three seconds of speech"
        if spoken.confirmed == "choice" and (spoken.counts or spoken.speech):
            yield "explanation-unfounded", "只选了类别", "only a class was chosen"
        if spoken.confirmed == "button" and (
            spoken.pressed is None
            or spoken.pressed.boot != spoken.boot
            or any(span.end_us > spoken.pressed.us for span in spoken.speech)
        ):
            yield "explanation-unfounded", "没有说话之后按键的记录", "no record of a press after it was said"

    def _before(self, gap: Gap) -> str | None:
        if gap.before is None:
            return None
        segment_id, count = gap.before
        entries = self._entries(self.ledger.segments[segment_id])
        return entries[count - 1][2] if len(entries) >= count else None

    def _after(self, spoken: Spoken, gap: Gap) -> str | None:
        if not spoken.after_signed or gap.segment_id is None:
            return None
        entries = self._entries(self.ledger.segments[gap.segment_id])
        return entries[1][2] if len(entries) > 1 else None

    def _entries(self, segment: Segment) -> Sequence[Entry]:
        if segment.segment_id not in self._cache:
            if len(self._cache) >= CACHED:
                del self._cache[next(iter(self._cache))]
            self._cache[segment.segment_id] = self.entries(segment)
        return self._cache[segment.segment_id]


def _overlapping(entries: Sequence[Entry], start_us: int, span: SpeechSpan) -> tuple[int, int] | None:
    """First and last entry whose media overlaps the span; None when the span is not wholly within these entries."""
    found: list[int] = []
    begin = start_us
    for number, entry in enumerate(entries):
        end = max(begin, entry[4])
        if max(begin, span.start_us) < min(end, span.end_us):
            found.append(number)
        begin = end
    if not found or span.start_us < start_us or span.end_us > begin:
        return None
    return found[0], found[-1]


def _total(speech: Sequence[SpeechSpan]) -> int:
    return sum(span.end_us - span.start_us for span in speech)
