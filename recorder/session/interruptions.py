"""The interruption machine (art. 23): from every gap to its spoken reason, or to the statement that is owed for it. Pure.

What a gap's state is, the records alone say (``evidence.gap_book``); this machine decides what follows: when to ask, what
counts as an answer, when recording cannot go on. It writes ``explanation``, ``mark`` (``explanation``: the press that
confirmed) and ``event`` (``cannot-resume``) records and never touches the recording. ``docs/interruptions.md`` has every
transition. Feed it each record in the order of the journal, its own included, and a tick each turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

from recorder.evidence.carried import GapState
from recorder.evidence.gap_book import CANNOT_RESUME_EVENT, GapBook
from recorder.evidence.records import (
    Event,
    Explanation,
    Head,
    Interruption,
    LegalCause,
    Mark,
    Record,
    Resumption,
    SessionStart,
    SessionStop,
    ShiftEnd,
    ShiftStart,
    SpeechSpan,
)
from recorder.session.asking import (
    CLASS_KEYS,
    LEGAL_CAUSES,
    Answer,
    AskingSettings,
    Choice,
    Incident,
    Output,
    Refuse,
    Round,
    Say,
    Write,
    resumed_prompt,
    spoken_cause,
)
from recorder.session.events import Moment
from recorder.session.speech_log import SpeechLog

GATHER_US = 1_000_000
"""While other cameras are still away the prompt waits so long for them: one question for one power cut."""

JOIN_US = 15_000_000
"""A question nobody answered yet, so young, is asked again together with the gap that cut it short."""

ANNOUNCE_US = 1_500_000
"""An interruption is spoken of when it lasts; one that is over when it is noticed is not."""

SETTLE_US = 2_000_000
"""Speech is reported, and its fragments are signed, within this after it was spoken."""

GIVE_UP_US = 6_000_000
"""… or else the answer is made of what there is."""

QUIET_US = 2_000_000
"""With ``explained_by = "speech"``: the officer has finished when nothing was heard for so long."""

CHOICE_PAUSE_US = 2_000_000
"""The presses of a choice are over when none followed for so long."""

CannotReason = Literal["restarts", "declared", "session-end"]


class Interruptions:
    """``new_id`` makes lower-case UUIDs. ``book``: the gaps as the journal has them. One per start of the unit process."""

    def __init__(self, settings: AskingSettings, log: SpeechLog, new_id: Callable[[], str], bootseed: str) -> None:
        self.book = GapBook()
        self._settings = settings
        self._log = log
        self._new_id = new_id
        self._boot = bootseed
        self._session_id: str | None = None
        self._incidents: list[Incident] = []
        self._round: Round | None = None
        self._answer: Answer | None = None
        self._choice: Choice | None = None
        self._announce: dict[str, int] = {}
        self._failures: dict[str, deque[int]] = {}
        self._left_over: list[str] = []

    # --- what others may look at -------------------------------------------------------------------------------------

    @property
    def asking(self) -> bool:
        """A question is open: the officer may answer and confirm now."""
        return self._round is not None

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
        for state in self.book.states.values():
            if state.phase == "unexplained" and state.session_id == session_id:
                self._incidents.append(
                    Incident(state.session_id, [state.gap_id], self._repeat(now.at_us, 1), 1, now.at_us)
                )
            elif state.phase == "owed" and not state.declared:
                self._left_over.append(state.gap_id)

    def observe(self, record: Record, now: Moment) -> list[Output]:
        """A record was written."""
        if isinstance(record, Head):
            self.book.head(record.segment_id, record.first, [entry[2] for entry in record.entries])
            return []
        outputs: list[Output] = []
        if isinstance(record, SessionStop):
            outputs += self._flush(now)
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
        self._tidy()
        return outputs

    def remind(self, now: Moment) -> list[Output]:
        """At the beginning and at the end of a shift."""
        count = self.owed()
        return [self._say(Say("statements-pending", {"count": count}), now)] if count else []

    def _session_stopped(self, record: SessionStop, now: Moment) -> list[Output]:
        self._session_id = None
        self._choice = None
        self._incidents = [incident for incident in self._incidents if incident.session_id != record.session_id]
        owed = [s for s in self.book.states.values() if s.session_id == record.session_id and s.phase == "owed"]
        outputs: list[Output] = [self._cannot(state, "session-end", now) for state in owed if not state.declared]
        return [*outputs, self._say(Say("cannot-resume"), now)] if owed else outputs

    def _interrupted(self, record: Interruption, now: Moment) -> list[Output]:
        self._announce[record.gap_id] = now.at_us + ANNOUNCE_US
        self._failures.pop(record.camera_id, None)
        # Another camera that still records hears the officer out.
        return [] if self._log.recording(record.session_id) else self._flush(now)

    def _resumed(self, record: Resumption, now: Moment) -> None:
        state = self.book.states.get(record.gap_id)
        self._announce.pop(record.gap_id, None)
        if state is None or state.phase != "unexplained":
            return
        others = any(gap.session_id == record.session_id for gap in self.open_gaps())
        due = now.at_us + GATHER_US if others else now.at_us
        self._incidents.append(Incident(record.session_id, [record.gap_id], due))

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
        return [*declared, self._say(Say("cannot-resume"), now)]

    # --- commands and the button -------------------------------------------------------------------------------------

    def cannot_resume(self, gap_id: str | None, now: Moment) -> list[Output]:
        """The officer declares that recording cannot go on: for one gap or for all that are open. The recorder goes on
        trying all the same; a gap that does resume is explained like any other."""
        chosen = [state for state in self.open_gaps() if gap_id in (None, state.gap_id)]
        if not chosen:
            return [Refuse("no-open-gap", "没有尚未恢复的中断", "no interruption is open")]
        fresh = [state for state in chosen if not state.declared]
        outputs: list[Output] = [self._cannot(state, "declared", now) for state in fresh]
        return [*outputs, self._say(Say("cannot-resume"), now)] if fresh else outputs

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
            return [self._chosen(state, cause), self._say(Say("class-chosen", {"cause": CLASS_KEYS[cause]}), now)]
        if state.phase != "unexplained":
            return [Refuse("gap-settled", "该中断不待语音说明", "this interruption waits for no spoken explanation")]
        if state.session_id != self._session_id or not self._log.recording(state.session_id):
            return [Refuse("not-recording", "没有在记录，语音说明无处记录", "not recording: nothing would hear it")]
        outputs = self._preempt(now)
        for incident in self._incidents:
            incident.gaps = [other for other in incident.gaps if other != gap_id]
        # Asked once already: it is not a new gap that others may be merged into.
        self._incidents.append(Incident(state.session_id, [gap_id], now.at_us, asked=1, first_us=now.at_us))
        return outputs

    def press(self, count: int, now: Moment) -> tuple[bool, list[Output]]:
        """The officer pressed mark ``count`` times. True: it was an answer to a question and no ordinary mark."""
        if self._choice is not None:
            # The fifth press takes the choice back, the sixth is the first again.
            self._choice.presses = (self._choice.presses + count) % (len(LEGAL_CAUSES) + 1)
            self._choice.last_us = now.at_us
            return True, []
        asked = self._round
        if asked is None:
            return False, []
        within = (asked.from_us, now.at_us)
        spoken = self._log.longest_us(within, now.at_us)
        if spoken < self._settings.min_speech_us:
            return False, [self._say(Say("explanation-too-short" if spoken else "explanation-missing"), now)]
        mark = Mark(
            mark_id=self._new_id(),
            session_id=asked.incident.session_id,
            kind="explanation",
            at_us=now.at_us,
            segment_ids=self._log.open_segments(asked.incident.session_id),
        )
        self._settle_later(asked.incident, within, "button", mark.mark_id, now)
        return True, [Write(mark)]

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self, now: Moment) -> list[Output]:
        self._tidy()
        outputs = self._declare_left_overs(now)
        outputs += self._announcements(now)
        outputs += self._time_of_answer(now)
        outputs += self._time_of_choice(now)
        self._time_of_round(now)
        outputs += self._next_question(now)
        return outputs

    def _declare_left_overs(self, now: Moment) -> list[Output]:
        left, self._left_over = self._left_over, []
        states = [self.book.states[gap_id] for gap_id in left if gap_id in self.book.states]
        outputs: list[Output] = [self._cannot(state, "session-end", now) for state in states]
        return [*outputs, self._say(Say("cannot-resume"), now)] if outputs else []

    def _announcements(self, now: Moment) -> list[Output]:
        due = [gap_id for gap_id, at_us in self._announce.items() if at_us <= now.at_us]
        states = [state for gap_id in due if (state := self.book.states.get(gap_id)) is not None]
        for gap_id in due:
            del self._announce[gap_id]
        open_now = [state for state in states if state.phase == "interrupted"]
        return [self._say(Say("interrupted", {"cause": spoken_cause(open_now[-1].cause)}), now)] if open_now else []

    def _time_of_answer(self, now: Moment) -> list[Output]:
        answer = self._answer
        if answer is None or now.at_us < answer.settle_us:
            return []
        if self._log.signed_until_us() < answer.within[1] and now.at_us < answer.give_up_us:
            return []
        return self._settle(answer, now)

    def _time_of_choice(self, now: Moment) -> list[Output]:
        choice = self._choice
        if choice is None:
            return []
        if choice.last_us and now.at_us - choice.last_us >= CHOICE_PAUSE_US:
            presses, choice.presses, choice.last_us = choice.presses, 0, 0
            choice.until_us = now.at_us + self._settings.choice_us  # time to hear it and to correct it
            if presses:
                cause = LEGAL_CAUSES[presses - 1]
                states = [self.book.states[gap_id] for gap_id in choice.gaps if gap_id in self.book.states]
                written: list[Output] = [self._chosen(state, cause) for state in states]
                return [*written, self._say(Say("class-chosen", {"cause": CLASS_KEYS[cause]}), now)]
        elif not choice.last_us and now.at_us >= choice.until_us:
            self._choice = None
        return []

    def _time_of_round(self, now: Moment) -> None:
        asked = self._round
        if asked is None:
            return
        within = (asked.from_us, now.at_us)
        over = now.at_us >= asked.until_us
        enough = self._log.longest_us(within, 0) >= self._settings.min_speech_us
        silent = now.at_us - self._log.last_heard_us() >= QUIET_US and not self._log.prompting
        if enough and (over or (self._settings.explained_by == "speech" and silent)):
            self._settle_later(asked.incident, within, "speech", None, now)
        elif over:
            self._round = None

    def _next_question(self, now: Moment) -> list[Output]:
        due = [incident for incident in self._incidents if incident.due_us is not None and incident.due_us <= now.at_us]
        due = [incident for incident in due if self._log.recording(incident.session_id)]
        fresh = [incident for incident in due if not incident.asked]
        if fresh:
            outputs = self._preempt(now)
            return outputs + self._ask(self._merged(fresh[0]), now)
        busy = self._round is not None or self._answer is not None or self._choice is not None
        return [] if busy or not due else self._ask(due[0], now)

    # --- questions ---------------------------------------------------------------------------------------------------

    def _preempt(self, now: Moment) -> list[Output]:
        """A new gap has to be asked about at once."""
        outputs = self._flush(now)
        self._choice = None
        return outputs

    def _merged(self, first: Incident) -> Incident:
        """Everything of that session that was never asked about becomes one question."""
        for other in list(self._incidents):
            if other is not first and not other.asked and other.session_id == first.session_id:
                first.gaps += other.gaps
                self._incidents.remove(other)
        return first

    def _ask(self, incident: Incident, now: Moment) -> list[Output]:
        states = [self.book.states[gap_id] for gap_id in incident.gaps]
        from_us = now.at_us
        if not incident.asked:
            incident.first_us = now.at_us
            from_us = min(s.resumed.at_us for s in states if s.resumed is not None)
        incident.asked += 1
        incident.due_us = self._repeat(incident.first_us, incident.asked)
        self._round = Round(incident, min(from_us, now.at_us), now.at_us, now.at_us + self._settings.answer_us)
        # Where more than one is open, the times say which one is meant.
        named = incident.asked == 1 or len(self._incidents) > 1
        return [self._say(resumed_prompt(states) if named else Say("explanation-missing"), now)]

    def _repeat(self, first_us: int, asked: int) -> int | None:
        repeats = self._settings.repeat_us
        return first_us + repeats[asked - 1] if asked <= len(repeats) else None

    def _say(self, say: Say, now: Moment) -> Say:
        self._log.prompt_expected(now.at_us)
        return say

    # --- answers -----------------------------------------------------------------------------------------------------

    def _settle_later(
        self,
        incident: Incident,
        within: tuple[int, int],
        confirmed: Literal["button", "speech"],
        mark_id: str | None,
        now: Moment,
    ) -> None:
        self._round = None
        self._answer = Answer(incident, within, confirmed, mark_id, now.at_us + SETTLE_US, now.at_us + GIVE_UP_US)

    def _flush(self, now: Moment) -> list[Output]:
        """The recording that hears the answer ends, or another question has to be put: write what there is. A question that
        is young and unanswered is put again together with the next one."""
        answer, asked = self._answer, self._round
        if answer is None and asked is not None:
            answer = Answer(asked.incident, (asked.from_us, now.at_us), "speech", None, now.at_us, now.at_us)
        self._answer = self._round = None
        if answer is None:
            return []
        incident = answer.incident
        outputs: list[Output] = [output for output in self._settle(answer, now) if isinstance(output, Write)]
        self._choice = None
        if incident.gaps:
            incident.due_us = now.at_us
            if asked is not None and not outputs and now.at_us - asked.began_us <= JOIN_US:
                incident.asked = 0
        return outputs

    def _settle(self, answer: Answer, now: Moment) -> list[Output]:
        """Write the answer for every gap it is for, if enough of it is in signed fragments."""
        self._answer = None
        states = [state for gap_id in answer.incident.gaps if (state := self.book.states.get(gap_id)) is not None]
        written: list[Output] = []
        counts = answer.confirmed == "button" or self._settings.explained_by == "speech"
        for state in states:
            speech = self._log.answer(self._behind(state, answer.within), state.camera_id, self._settings.min_speech_us)
            if speech:
                written.append(self._explanation(state, answer, counts, speech))
        if not written:
            return [self._say(Say("explanation-too-short"), now)] if answer.confirmed == "button" else []
        if not counts:
            return written
        gaps = tuple(answer.incident.gaps)
        answer.incident.gaps.clear()
        outputs = [*written, self._say(Say("explanation-saved"), now)]
        if self._settings.choice_us and any(state.legal_cause is None for state in states):
            self._choice = Choice(gaps, now.at_us + self._settings.choice_us)
            outputs.append(self._say(Say("reason-help"), now))
        return outputs

    def _behind(self, state: GapState, within: tuple[int, int]) -> tuple[int, int]:
        """Of the time of the answer what lies behind the resumption of this gap: where gaps of two cameras are asked for at
        once, one of them may have ended while the other was being talked about. Other boots are over anyway."""
        resumed = state.resumed
        if resumed is None or resumed.bootseed != self._boot:
            return within
        return max(within[0], resumed.at_us), within[1]

    def _explanation(self, state: GapState, answer: Answer, counts: bool, speech: tuple[SpeechSpan, ...]) -> Write:
        return Write(
            Explanation(
                gap_id=state.gap_id,
                confirmed=answer.confirmed,
                counts=counts,
                mark_id=answer.mark_id,
                legal_cause=None,
                speech=speech,
                before_sha256=state.before_sha256,
                after_sha256=state.after_sha256,
            )
        )

    def _chosen(self, state: GapState, cause: LegalCause) -> Write:
        return Write(
            Explanation(
                gap_id=state.gap_id,
                confirmed="choice",
                counts=False,
                mark_id=None,
                legal_cause=cause,
                speech=(),
                before_sha256=state.before_sha256,
                after_sha256=state.after_sha256,
            )
        )

    def _cannot(self, state: GapState, reason: CannotReason, now: Moment) -> Write:
        detail = {"gap_id": state.gap_id, "reason": reason}
        return Write(Event(event=CANNOT_RESUME_EVENT, at_us=now.at_us, detail=detail))

    def _tidy(self) -> None:
        """Forget what is settled, or was given up by the book."""
        for incident in self._incidents:
            known = [state for gap_id in incident.gaps if (state := self.book.states.get(gap_id)) is not None]
            incident.gaps = [state.gap_id for state in known if state.phase == "unexplained"]
        self._incidents = [incident for incident in self._incidents if incident.gaps]
        if self._round is not None and not self._round.incident.gaps:
            self._round = None
