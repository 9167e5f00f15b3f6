"""The questions about gaps (art. 23): when the officer is asked, what counts as an answer, which class was chosen. Pure.

``interruptions`` says which gaps there are; this machine asks about them, again and again, and writes ``explanation`` and
``mark`` (``explanation``: the press that confirmed) records. The last question the officer was asked is the one that is
answered: whoever asks something else ends this one (:meth:`Questions.superseded`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from recorder.evidence.carried import GapState
from recorder.evidence.gap_book import GapBook
from recorder.evidence.records import Explanation, Mark, SpeechSpan
from recorder.session.asking import (
    CLASS_KEYS,
    LEGAL_CAUSES,
    Answer,
    AskingSettings,
    Choice,
    Incident,
    Output,
    Round,
    Say,
    Write,
    chosen,
    resumed_prompt,
)
from recorder.session.events import Moment
from recorder.session.speech_log import Interval, SpeechLog

GATHER_US = 1_000_000
"""While other cameras are still away the prompt waits so long for them: one question for one power cut."""

JOIN_US = 15_000_000
"""A question nobody answered yet, so young, is asked again together with the gap that cut it short."""

SETTLE_US = 2_000_000
"""Speech is reported, and its fragments are signed, within this after it was spoken."""

GIVE_UP_US = 6_000_000
"""… or else the answer is made of what there is."""

QUIET_US = 2_000_000
"""With ``explained_by = "speech"``: the officer has finished when nothing was heard for so long."""

CHOICE_PAUSE_US = 2_000_000
"""The presses of a choice are over when none followed for so long."""


class Questions:
    """``book``: the gaps as the journal has them, kept by ``interruptions``; see :meth:`started`."""

    def __init__(self, settings: AskingSettings, log: SpeechLog, new_id: Callable[[], str], bootseed: str) -> None:
        self._book = GapBook()
        self._settings = settings
        self._log = log
        self._new_id = new_id
        self._boot = bootseed
        self._incidents: list[Incident] = []
        self._round: Round | None = None
        self._answer: Answer | None = None
        self._choice: Choice | None = None

    @property
    def open(self) -> bool:
        """The officer may answer and confirm now."""
        return self._round is not None

    # --- what is to be asked -----------------------------------------------------------------------------------------

    def started(self, book: GapBook, session_id: str | None, now: Moment) -> None:
        """The unit process starts. Gaps of the session that goes on are asked about again."""
        self._book = book
        for state in book.states.values():
            if state.phase == "unexplained" and state.session_id == session_id:
                due_us = self._repeat(now.at_us, 1)
                self._incidents.append(Incident(state.session_id, [state.gap_id], due_us, 1, now.at_us))

    def resumed(self, state: GapState, others_away: bool, now: Moment) -> None:
        """A gap is over and its recording runs. ``others_away``: other cameras of the session may follow at once."""
        due_us = now.at_us + GATHER_US if others_away else now.at_us
        self._incidents.append(Incident(state.session_id, [state.gap_id], due_us))

    def session_stopped(self, session_id: str) -> None:
        """Nothing would record an answer any more."""
        self._choice = None
        self._incidents = [incident for incident in self._incidents if incident.session_id != session_id]

    def ask_now(self, state: GapState, now: Moment) -> list[Output]:
        """The officer wants to be asked about this gap, before any other."""
        outputs = self.flush(now, join=False)
        self._choice = None
        if any(_explains(output, state.gap_id) for output in outputs):
            return outputs
        for incident in self._incidents:
            incident.gaps = [other for other in incident.gaps if other != state.gap_id]
        self.tidy()
        # Asked once already: it is not a new gap that others may be merged into.
        incident = Incident(state.session_id, [state.gap_id], None, asked=1, first_us=now.at_us)
        self._incidents.append(incident)
        return outputs + self._ask(incident, now)

    def superseded(self, now: Moment) -> list[Output]:
        """The officer is asked something else from here on, why the recording shall stop: what is said and pressed now
        is no answer to the question about the gap. It is put again when its time comes."""
        if self._round is not None:
            self._round.until_us = min(self._round.until_us, now.at_us)
        choice, self._choice = self._choice, None
        return self._choose(choice, now) if choice is not None and choice.presses else []

    # --- the button -----------------------------------------------------------------------------------------------------

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
            return False, [self.say(Say("explanation-too-short" if spoken else "explanation-missing"), now)]
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
        outputs = self._time_of_answer(now)
        outputs += self._time_of_choice(now)
        self._time_of_round(now)
        return outputs + self._next_question(now)

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
            outputs = self._choose(choice, now) if choice.presses else []
            choice.presses, choice.last_us = 0, 0
            choice.until_us = now.at_us + self._settings.choice_us  # time to hear it and to correct it
            return outputs
        if not choice.last_us and now.at_us >= choice.until_us:
            self._choice = None
        return []

    def _choose(self, choice: Choice, now: Moment) -> list[Output]:
        cause = LEGAL_CAUSES[choice.presses - 1]
        states = [self._book.states[gap_id] for gap_id in choice.gaps if gap_id in self._book.states]
        written: list[Output] = [chosen(state, cause) for state in states]
        return [*written, self.say(Say("class-chosen", {"cause": CLASS_KEYS[cause]}), now)]

    def _time_of_round(self, now: Moment) -> None:
        asked = self._round
        if asked is None:
            return
        within = (asked.from_us, min(now.at_us, asked.until_us))
        over = now.at_us >= asked.until_us
        least_us = self._settings.min_speech_us
        if (over and self._log.longest_us(within, 0) >= least_us) or self._finished(within, now):
            self._settle_later(asked.incident, within, "speech", None, now)
        elif over:
            self._round = None

    def _finished(self, within: Interval, now: Moment) -> bool:
        """Nobody need press: the officer, and not merely somebody, has said enough and is silent."""
        officer = self._settings.officer_min_dbfs
        return (
            self._settings.explained_by == "speech"
            and not self._log.prompting
            and now.at_us - self._log.last_heard_us(officer) >= QUIET_US
            and self._log.longest_us(within, 0, officer) >= self._settings.min_speech_us
        )

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
        outputs = self.flush(now)
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
        states = [self._book.states[gap_id] for gap_id in incident.gaps]
        from_us = now.at_us
        if not incident.asked:
            incident.first_us = now.at_us
            from_us = min(s.resumed.at_us for s in states if s.resumed is not None)
        incident.asked += 1
        incident.due_us = self._repeat(incident.first_us, incident.asked)
        self._round = Round(incident, min(from_us, now.at_us), now.at_us, now.at_us + self._settings.answer_us)
        # Where more than one is open, the times say which one is meant.
        named = incident.asked == 1 or len(self._incidents) > 1
        return [self.say(resumed_prompt(states) if named else Say("explanation-missing"), now)]

    def _repeat(self, first_us: int, asked: int) -> int | None:
        repeats = self._settings.repeat_us
        return first_us + repeats[asked - 1] if asked <= len(repeats) else None

    def say(self, say: Say, now: Moment) -> Say:
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

    def flush(self, now: Moment, *, join: bool = True) -> list[Output]:
        """The recording that hears the answer ends, or another question has to be put: write what there is. With
        ``join``, a question that is young and unanswered is put again together with the next one."""
        answer, asked = self._answer, self._round
        if answer is None and asked is not None:
            within = (asked.from_us, min(now.at_us, asked.until_us))
            answer = Answer(asked.incident, within, "speech", None, now.at_us, now.at_us)
        if answer is None:
            return []
        incident = answer.incident
        outputs: list[Output] = [output for output in self._settle(answer, now) if isinstance(output, Write)]
        self._round = self._answer = self._choice = None
        if incident.gaps:
            incident.due_us = now.at_us
            if join and asked is not None and not outputs and now.at_us - asked.began_us <= JOIN_US:
                incident.asked = 0
        return outputs

    def _settle(self, answer: Answer, now: Moment) -> list[Output]:
        """Write the answer for every gap it is for, if enough of it is in signed fragments."""
        self._answer = None
        states = [state for gap_id in answer.incident.gaps if (state := self._book.states.get(gap_id)) is not None]
        written: list[Output] = []
        explained: list[GapState] = []
        for state in states:
            speech, counts = self._said(answer, state)
            if speech:
                written.append(self._explanation(state, answer, counts, speech))
            if counts:
                explained.append(state)
        if not written and answer.confirmed == "button":
            # Told to explain again, the officer does so now and not when the prompt comes the next time.
            self._round = Round(answer.incident, answer.within[0], now.at_us, now.at_us + self._settings.answer_us)
            return [self.say(Say("explanation-too-short"), now)]
        if not explained:
            return written
        gaps = tuple(state.gap_id for state in explained)
        answer.incident.gaps = [gap_id for gap_id in answer.incident.gaps if gap_id not in gaps]
        outputs = [*written, self.say(Say("explanation-saved"), now)]
        if self._settings.choice_us and any(state.legal_cause is None for state in explained):
            self._choice = Choice(gaps, now.at_us + self._settings.choice_us)
            outputs.append(self.say(Say("reason-help"), now))
        return outputs

    def _said(self, answer: Answer, state: GapState) -> tuple[tuple[SpeechSpan, ...], bool]:
        """What answers for that gap, empty when it is too short; and whether it counts. Without the
        officer's hand only a voice as near as the officer's can."""
        within, least_us = self._behind(state, answer.within), self._settings.min_speech_us
        if answer.confirmed == "speech" and self._settings.explained_by == "speech":
            officer = self._settings.officer_min_dbfs
            if near := self._log.answer(within, state.camera_id, least_us, least_dbfs=officer):
                return near, True
        speech = self._log.answer(within, state.camera_id, least_us)
        return speech, bool(speech) and answer.confirmed == "button"

    def _behind(self, state: GapState, within: Interval) -> Interval:
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

    def tidy(self) -> None:
        """Forget what is settled, or was given up by the book."""
        for incident in self._incidents:
            known = [state for gap_id in incident.gaps if (state := self._book.states.get(gap_id)) is not None]
            incident.gaps = [state.gap_id for state in known if state.phase == "unexplained"]
        self._incidents = [incident for incident in self._incidents if incident.gaps]
        if self._round is not None and not self._round.incident.gaps:
            self._round = None


def _explains(output: Output, gap_id: str) -> bool:
    """It is an explanation of the gap that counts."""
    match output:
        case Write(Explanation(gap_id=explained, counts=True)):
            return explained == gap_id
    return False
