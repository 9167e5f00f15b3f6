"""Who spoke when, in which signed fragments, and when the unit itself spoke. Pure.

Feed records, the workers' speech spans and the prompts' intervals; ask what was heard in an interval, and bind it: what is
bound lies in fragments that a ``head`` has signed, so that it cannot be changed, or be said to have been, afterwards.
Bounded: nothing older than ``keep_us`` is remembered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from recorder.evidence.encoding import sha256_of_digests
from recorder.evidence.records import Entry, Head, SegmentOpen, SpeechSpan

ECHO_US = 500_000
"""So long after a prompt the room still answers: left out with the prompt itself."""

PROMPT_US = 20_000_000
"""A prompt that began and whose end is not reported counts as being spoken for so long (the longest lasts 12 s)."""

EXPECT_US = 3_000_000
"""A prompt that was asked for begins within this or not at all: others are cut off by it, a repeated one is left out."""

GROWING_US = 1_500_000
"""A span that goes on is reported each second: one that was reported so lately may still be growing."""

EVERY_DBFS = float("-inf")
"""Every voice, however faint."""

MAX_FRAGMENTS = 2_000
MAX_SPANS = 200

Interval = tuple[int, int]
"""``(from_us, to_us)``, boot-time."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One signed entry: bytes ``offset`` … ``end`` of the stored file, media ``start_us`` … ``end_us``."""

    segment_id: str
    number: int
    offset: int
    end: int
    start_us: int
    end_us: int
    sha256: str


@dataclass(slots=True)
class _Span:
    end_us: int
    heard_us: int
    """When it was last reported."""
    final: bool
    level_dbfs: float


@dataclass(slots=True)
class _Segment:
    camera_id: str
    session_id: str
    end_us: int


@dataclass(slots=True)
class SpeechLog:
    """Times in boot-time of this boot. ``keep_us``: how far back anything may be asked."""

    keep_us: int
    _segments: dict[str, _Segment] = field(default_factory=dict)
    _away: set[str] = field(default_factory=set)
    _fragments: dict[str, deque[Fragment]] = field(default_factory=dict)
    _spans: dict[str, dict[int, _Span]] = field(default_factory=dict)
    _spoken: deque[Interval] = field(default_factory=lambda: deque(maxlen=MAX_SPANS))
    _notes: deque[Interval] = field(default_factory=lambda: deque(maxlen=MAX_SPANS))
    _note_us: int | None = None
    _speaking_us: int | None = None
    _expected_us: int | None = None

    # --- what happened -----------------------------------------------------------------------------------------------

    def opened(self, record: SegmentOpen) -> None:
        if record.role != "preroll":
            self._segments[record.segment_id] = _Segment(record.camera_id, record.session_id, record.media_start_us)

    def signed(self, record: Head) -> None:
        """Entries stand in a ``head``."""
        segment = self._segments.get(record.segment_id)
        if segment is None:
            return
        fragments = self._fragments.setdefault(segment.camera_id, deque(maxlen=MAX_FRAGMENTS))
        for number, entry in enumerate(record.entries, record.first):
            fragments.append(_fragment(record.segment_id, number, entry, segment.end_us))
            segment.end_us = max(segment.end_us, entry[4])

    def interrupted(self, camera_id: str) -> None:
        """A gap of this camera begins."""
        self._away.add(camera_id)

    def resumed(self, camera_id: str) -> None:
        """The gap has ended, or the session it was in."""
        self._away.discard(camera_id)

    def closed(self, segment_id: str) -> None:
        """Closed or recovered: no more entries."""
        self._segments.pop(segment_id, None)

    def speech(
        self, camera_id: str, start_us: int, end_us: int, final: bool, now_us: int, level_dbfs: float = 0.0
    ) -> None:
        """A span of the camera's microphone; a later report of the same start takes the place of the earlier."""
        spans = self._spans.setdefault(camera_id, {})
        spans[start_us] = _Span(max(start_us, end_us), now_us, final, level_dbfs)
        if len(spans) > MAX_SPANS:
            del spans[min(spans)]

    def silent(self, camera_id: str) -> None:
        """The worker is gone: no span of it goes on."""
        for span in self._spans.get(camera_id, {}).values():
            span.final = True

    def prompt_expected(self, now_us: int) -> None:
        """A prompt was asked for: until it is known when it was spoken, nothing heard from here on counts."""
        if self._expected_us is None:
            self._expected_us = now_us

    def prompt_started(self, at_us: int) -> None:
        self._speaking_us, self._expected_us = at_us, None

    def prompt_ended(self, from_us: int, to_us: int) -> None:
        """Spoken, silenced, cut or dropped: then it ends where it began."""
        if to_us > from_us:
            self._spoken.append((from_us, to_us + ECHO_US))
        if self._speaking_us == from_us:
            self._speaking_us = None
        if self._speaking_us is None:
            self._expected_us = None

    def note_began(self, at_us: int) -> None:
        """What is said from here on is a voice note and no explanation."""
        self._note_us = at_us

    def note_ended(self, at_us: int) -> None:
        if self._note_us is not None:
            self._notes.append((self._note_us, at_us))
            self._note_us = None

    def forget(self, now_us: int) -> None:
        """Time passes."""
        horizon = now_us - self.keep_us
        for fragments in self._fragments.values():
            while fragments and fragments[0].end_us < horizon:
                fragments.popleft()
        for spans in self._spans.values():
            for start_us in [start for start, span in spans.items() if span.end_us < horizon]:
                del spans[start_us]
        for past in (self._spoken, self._notes):
            while past and past[0][1] < horizon:
                past.popleft()
        if self._expected_us is not None and now_us - self._expected_us > EXPECT_US:
            self._expected_us = None
        if self._speaking_us is not None and now_us - self._speaking_us > PROMPT_US:
            self._speaking_us = None

    # --- what was heard ----------------------------------------------------------------------------------------------

    @property
    def prompting(self) -> bool:
        """A prompt is being spoken, or about to be."""
        return self._expected_us is not None or self._speaking_us is not None

    def open_segments(self, session_id: str) -> tuple[str, ...]:
        return tuple(name for name, segment in self._segments.items() if segment.session_id == session_id)

    def recording(self, session_id: str) -> bool:
        """Media of the session is being written. A file that was opened in a gap is none before the gap has ended."""
        return any(s.session_id == session_id and s.camera_id not in self._away for s in self._segments.values())

    def heard(
        self,
        camera_id: str,
        within: Interval,
        *,
        note: bool = False,
        now_us: int = 0,
        least_dbfs: float = EVERY_DBFS,
    ) -> list[Interval]:
        """Speech of one microphone in an interval, without the unit's own and, unless ``note``, without voice notes.
        ``now_us``: with what a span that goes on has presumably grown by since its last report. ``least_dbfs``: without
        fainter voices."""
        blocked = list(self._spoken)
        open_ends = [at for at in (self._expected_us, self._speaking_us) if at is not None]
        if not note:
            blocked += self._notes
            open_ends += [self._note_us] if self._note_us is not None else []
        if open_ends:
            blocked.append((min(open_ends), max(within[1], min(open_ends))))
        found: list[Interval] = []
        for start_us, span in sorted(self._spans.get(camera_id, {}).items()):
            if span.level_dbfs < least_dbfs:
                continue
            growing = not span.final and now_us - span.heard_us <= GROWING_US
            end_us = max(span.end_us, now_us) if growing else span.end_us
            found += without((max(start_us, within[0]), min(end_us, within[1])), blocked)
        return found

    def longest_us(self, within: Interval, now_us: int, least_dbfs: float = EVERY_DBFS) -> int:
        """How much speech one microphone heard, of the one that heard most."""
        heard = (self.heard(camera, within, now_us=now_us, least_dbfs=least_dbfs) for camera in self._spans)
        return max(map(length, heard), default=0)

    def last_heard_us(self, least_dbfs: float = EVERY_DBFS) -> int:
        """End of the last speech any microphone heard (0: none)."""
        every = (span for spans in self._spans.values() for span in spans.values())
        return max((span.end_us for span in every if span.level_dbfs >= least_dbfs), default=0)

    # --- binding -----------------------------------------------------------------------------------------------------

    def signed_until_us(self) -> int:
        """Media of every camera that records and heard anything is signed up to here."""
        recording = {segment.camera_id for segment in self._segments.values()} & self._spans.keys()
        return min((self._fragments[c][-1].end_us for c in recording if self._fragments.get(c)), default=0)

    def answer(
        self,
        within: Interval,
        prefer: str | None,
        least_us: int,
        *,
        note: bool = False,
        least_dbfs: float = EVERY_DBFS,
    ) -> tuple[SpeechSpan, ...]:
        """The speech of an interval, bound: by the microphone of ``prefer`` if it heard enough, else by the one that heard
        most. Empty when none heard ``least_us``."""
        answers: dict[str, tuple[SpeechSpan, ...]] = {}
        for camera_id in self._spans:
            bound = self.bind(camera_id, self.heard(camera_id, within, note=note, least_dbfs=least_dbfs))
            if bound and spoken_us(bound) >= least_us:
                answers[camera_id] = bound
        if prefer in answers:
            return answers[prefer]
        return max(answers.values(), key=spoken_us, default=())

    def bind(self, camera_id: str, speech: Iterable[Interval]) -> tuple[SpeechSpan, ...]:
        """The spans with the signed fragments that hold them, one for each segment they touch. What no signed fragment
        holds is left out."""
        bound: list[SpeechSpan] = []
        for span in speech:
            by_segment: dict[str, list[Fragment]] = {}
            for fragment in self._fragments.get(camera_id, ()):
                if max(fragment.start_us, span[0]) < min(fragment.end_us, span[1]):
                    by_segment.setdefault(fragment.segment_id, []).append(fragment)
            bound += [_bound(span, fragments) for fragments in by_segment.values()]
        return tuple(bound)


def _fragment(segment_id: str, number: int, entry: Entry, start_us: int) -> Fragment:
    offset, length, sha256, _, media_end_us = entry
    return Fragment(segment_id, number, offset, offset + length, start_us, max(start_us, media_end_us), sha256)


def _bound(span: Interval, fragments: list[Fragment]) -> SpeechSpan:
    first, last = fragments[0], fragments[-1]
    return SpeechSpan(
        segment_id=first.segment_id,
        start_us=max(span[0], first.start_us),
        end_us=min(span[1], last.end_us),
        first=first.number,
        last=last.number,
        start_offset=first.offset,
        end_offset=last.end,
        sha256=sha256_of_digests(fragment.sha256 for fragment in fragments),
    )


def without(whole: Interval, blocked: Iterable[Interval]) -> list[Interval]:
    """What is left of an interval outside the blocked ones, in order."""
    left = [whole] if whole[1] > whole[0] else []
    for begin, end in blocked:
        left = [
            piece
            for from_us, to_us in left
            for piece in ((from_us, min(to_us, begin)), (max(from_us, end), to_us))
            if piece[1] > piece[0]
        ]
    return left


def length(intervals: Iterable[Interval]) -> int:
    return sum(to_us - from_us for from_us, to_us in intervals)


def spoken_us(speech: Iterable[SpeechSpan]) -> int:
    """How long somebody spoke in all."""
    return sum(span.end_us - span.start_us for span in speech)
