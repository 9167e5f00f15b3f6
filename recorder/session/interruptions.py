"""The interruption machine (art. 23): from every gap to its spoken reason, or to the statement that is owed for it. Pure.

What a gap's state is, the records alone say (``evidence.gap_book``); this machine decides what follows: when recording
cannot go on, which gaps to ask about; ``questions`` does the asking. It writes ``event`` (``cannot-resume``) records and
never touches the recording. ``docs/interruptions.md`` has every transition. Feed it each record in the order of the
journal, its own included, and a tick each turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

from recorder.evidence.carried import GapState
from recorder.evidence.gap_book import CANNOT_RESUME_EVENT, GapBook
from recorder.evidence.records import (
    Event,
    Head,
    Interruption,
    LegalCause,
    Record,
    Resumption,
    SessionStart,
    SessionStop,
    ShiftEnd,
    ShiftStart,
)
from recorder.session.asking import CLASS_KEYS, AskingSettings, Output, Refuse, Say, Write, chosen, spoken_cause
from recorder.session.events import Moment
from recorder.session.questions import Questions
from recorder.session.speech_log import SpeechLog

ANNOUNCE_US = 1_500_000
"""An interruption is spoken of when it lasts; one that is over when it is noticed is not."""

CannotReason = Literal["restarts", "declared", "session-end"]


class Interruptions:
    """``new_id`` makes lower-case UUIDs. ``book``: the gaps as the journal has them. One per start of the unit process."""

    def __init__(self, settings: AskingSettings, log: SpeechLog, new_id: Callable[[], str], bootseed: str) -> None:
        self.book = GapBook()
        self._settings = settings
        self._log = log
        self._questions = Questions(settings, log, new_id, bootseed)
        self._boot = bootseed
        self._session_id: str | None = None
        self._announce: dict[str, int] = {}
        self._failures: dict[str, deque[int]] = {}
        self._left_over: list[str] = []

    # --- what others may look at -------------------------------------------------------------------------------------

    @property
    def asking(self) -> bool:
        """A question is open: the officer may answer and confirm now."""
        return self._questions.open

    def open_gaps(self, camera_id: str | None = None) -> list[GapState]:
        """Gaps of the running session whose recording has not resumed."""
        return [
            state
            for state in self.book.states.values()
            if state.phase in ("interrupted", "cannot-resume") and camera_id in (None, state.camera_id)
        ]

    def owed(self) -> int:
        """Statements nobody has signed yet: due when the work on the scene is over."""
        return sum(state.phase in ("owed", "cannot-resume") for state in self.book.states.values())

    # --- what happened -----------------------------------------------------------------------------------------------

    def started(self, book: GapBook, session_id: str | None, now: Moment) -> None:
        """The unit process starts. Gaps of the session that goes on are asked about again; those a power cut left between
        the end of their session and the record that a statement is owed get that record now."""
        self.book = book.copy()
        self._session_id = session_id
        for state in self.open_gaps():
            self._log.interrupted(state.camera_id)
        self._questions.started(self.book, session_id, now)
        self._left_over += [
            state.gap_id for state in self.book.states.values() if state.phase == "owed" and not state.declared
        ]

    def observe(self, record: Record, now: Moment) -> list[Output]:
        """A record was written."""
        if isinstance(record, Head):
            self.book.head(record.segment_id, record.first, [entry[2] for entry in record.entries])
            return []
        outputs: list[Output] = []
        if isinstance(record, SessionStop):
            outputs += self._questions.flush(now)
        payload = {"iat": now.wall_us / 1e6, "uptime_us": now.at_us, "bootseed": self._boot}
        self.book.apply(record.TYP, record.model_dump() | payload)
        match record:
            case SessionStart():
                self._session_id = record.session_id
            case SessionStop():
                outputs += self._session_stopped(record, now)
            case Interruption():
                outputs += self._interrupted(record, now)
            case Resumption():
                self._resumed(record, now)
            case ShiftStart() | ShiftEnd():
                outputs += self.remind(now)
        self._questions.tidy()
        return outputs

    def remind(self, now: Moment) -> list[Output]:
        """At the beginning and at the end of a shift."""
        count = self.owed()
        return [self._questions.say(Say("statements-pending", {"count": count}), now)] if count else []

    def _session_stopped(self, record: SessionStop, now: Moment) -> list[Output]:
        self._session_id = None
        self._questions.session_stopped(record.session_id)
        for state in self.book.states.values():
            if state.session_id == record.session_id:
                self._log.resumed(state.camera_id)
        owed = [s for s in self.book.states.values() if s.session_id == record.session_id and s.phase == "owed"]
        outputs: list[Output] = [self._cannot(state, "session-end", now) for state in owed if not state.declared]
        return [*outputs, self._questions.say(Say("cannot-resume"), now)] if owed else outputs

    def _interrupted(self, record: Interruption, now: Moment) -> list[Output]:
        self._log.interrupted(record.camera_id)
        self._announce[record.gap_id] = now.at_us + ANNOUNCE_US
        self._failures.pop(record.camera_id, None)
        # Another camera that still records hears the officer out.
        return [] if self._log.recording(record.session_id) else self._questions.flush(now)

    def _resumed(self, record: Resumption, now: Moment) -> None:
        self._log.resumed(record.camera_id)
        state = self.book.states.get(record.gap_id)
        self._announce.pop(record.gap_id, None)
        if state is None or state.phase != "unexplained":
            return
        others = any(gap.session_id == record.session_id for gap in self.open_gaps())
        self._questions.resumed(state, others, now)

    def failed_restart(self, camera_id: str, now: Moment) -> list[Output]:
        """A worker started after the gap began has ended before it recorded anything."""
        waiting = [state for state in self.open_gaps(camera_id) if not state.declared]
        if not waiting:
            return []
        failures = self._failures.setdefault(camera_id, deque(maxlen=self._settings.failed_restarts))
        failures.append(now.at_us)
        while failures[0] < now.at_us - self._settings.failed_within_us:
            failures.popleft()
        if len(failures) < self._settings.failed_restarts:
            return []
        failures.clear()
        declared = [self._cannot(state, "restarts", now) for state in waiting]
        return [*declared, self._questions.say(Say("cannot-resume"), now)]

    # --- commands and the button -------------------------------------------------------------------------------------

    def cannot_resume(self, gap_id: str | None, now: Moment) -> list[Output]:
        """The officer declares that recording cannot go on: for one gap or for all that are open. The recorder goes on
        trying all the same; a gap that does resume is explained like any other."""
        meant = [state for state in self.open_gaps() if gap_id in (None, state.gap_id)]
        if not meant:
            return [Refuse("no-open-gap", "没有尚未恢复的中断", "no interruption is open")]
        fresh = [state for state in meant if not state.declared]
        outputs: list[Output] = [self._cannot(state, "declared", now) for state in fresh]
        return [*outputs, self._questions.say(Say("cannot-resume"), now)] if fresh else outputs

    def explain(self, gap_id: str, cause: LegalCause | None, now: Moment) -> list[Output]:
        """The legal class of a gap, chosen by command; without one the officer is asked for the reason once more."""
        state = self.book.states.get(gap_id)
        if state is None:
            return [Refuse("unknown-gap", f"没有中断 {gap_id}", f"no interruption {gap_id}")]
        if state.stated:
            return [
                Refuse("gap-settled", "书面说明已签字，原因以其为准", "its statement is signed and names the cause")
            ]
        if cause is not None:
            return [chosen(state, cause), self._questions.say(Say("class-chosen", {"cause": CLASS_KEYS[cause]}), now)]
        if state.phase != "unexplained":
            return [Refuse("gap-settled", "该中断不待语音说明", "this interruption waits for no spoken explanation")]
        if state.session_id != self._session_id or not self._log.recording(state.session_id):
            return [Refuse("not-recording", "没有在记录，语音说明无处记录", "not recording: nothing would hear it")]
        return self._questions.ask_now(state, now)

    def press(self, count: int, now: Moment) -> tuple[bool, list[Output]]:
        """The officer pressed mark ``count`` times. True: it was an answer to a question and no ordinary mark."""
        return self._questions.press(count, now)

    def superseded(self, now: Moment) -> list[Output]:
        """The officer is asked something else from here on: see :meth:`Questions.superseded`."""
        return self._questions.superseded(now)

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self, now: Moment) -> list[Output]:
        self._questions.tidy()
        outputs = self._declare_left_overs(now)
        outputs += self._announcements(now)
        return outputs + self._questions.tick(now)

    def _declare_left_overs(self, now: Moment) -> list[Output]:
        left, self._left_over = self._left_over, []
        states = [self.book.states[gap_id] for gap_id in left if gap_id in self.book.states]
        outputs: list[Output] = [self._cannot(state, "session-end", now) for state in states]
        return [*outputs, self._questions.say(Say("cannot-resume"), now)] if outputs else []

    def _announcements(self, now: Moment) -> list[Output]:
        due = [gap_id for gap_id, at_us in self._announce.items() if at_us <= now.at_us]
        states = [state for gap_id in due if (state := self.book.states.get(gap_id)) is not None]
        for gap_id in due:
            del self._announce[gap_id]
        open_now = [state for state in states if state.phase == "interrupted"]
        return (
            [self._questions.say(Say("interrupted", {"cause": spoken_cause(open_now[-1].cause)}), now)]
            if open_now
            else []
        )

    def _cannot(self, state: GapState, reason: CannotReason, now: Moment) -> Write:
        detail = {"gap_id": state.gap_id, "reason": reason}
        return Write(Event(event=CANNOT_RESUME_EVENT, at_us=now.at_us, detail=detail))
