"""A unit on a bench with an officer before it: the session machine's bench, its prompts, a voice, and a mark button."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recorder.evidence import records as rec
from recorder.evidence.carried import GapState
from recorder.session.asking import AskingSettings, Output, Refuse, Say, Write
from recorder.session.effects import Effect
from recorder.session.events import Moment
from recorder.session.interruptions import Interruptions
from recorder.session.machine import SessionMachine
from recorder.session.speech_log import SpeechLog
from recorder.session.voice_notes import NoteSettings, VoiceNotes
from tests.session.rig import SECOND, Bench

PROMPT_US = 2 * SECOND
"""How long each prompt of the bench's loudspeaker lasts."""

REPORT_US = SECOND
"""Speech that goes on is reported so often."""


def asking(**changes: Any) -> AskingSettings:
    values: dict[str, Any] = {
        "explained_by": "button",
        "officer_min_dbfs": -36.0,
        "min_speech_us": 3 * SECOND,
        "answer_us": 60 * SECOND,
        "repeat_us": (60 * SECOND, 300 * SECOND, 900 * SECOND),
        "choice_us": 20 * SECOND,
        "failed_restarts": 5,
        "failed_within_us": 60 * SECOND,
    }
    return AskingSettings(**(values | changes))


@dataclass
class OfficerBench(Bench):
    """``microphones``: cameras that hear. ``deaf``: prompts are not spoken (the loudspeaker is broken or silenced)."""

    asking: AskingSettings = field(default_factory=asking)
    notes: NoteSettings = field(default_factory=lambda: NoteSettings(5 * SECOND, 60 * SECOND))
    microphones: tuple[str, ...] = ("cam0",)
    deaf: bool = False
    loopback: bool = False
    """The loudspeaker is heard by the microphone."""
    said: list[tuple[int, Say]] = field(default_factory=list)
    said_true_us: list[tuple[int, str]] = field(default_factory=list)
    crashes_us: list[int] = field(default_factory=list)
    """True times at which the unit process died; kept by whoever lets it."""
    refusals: list[Refuse] = field(default_factory=list)
    speaking_us: int | None = None
    level_dbfs: float = -20.0
    """Of what is said: the officer's voice at the collar."""
    playing: tuple[int, int] | None = None

    # --- the machine under test --------------------------------------------------------------------------------------

    def _start_unit(self) -> SessionMachine:
        self.speech = SpeechLog(200 * SECOND)
        self.playing = self.speaking_us = None
        self.officer = Interruptions(self.asking, self.speech, self.new_id, self.boot)
        self.voice_notes = VoiceNotes(self.notes, self.speech, self.new_id)
        session = self.state.session.session_id if self.state.session else None
        self.officer.started(self.state.gap_book, session, self.moment)
        self.voice_notes.started(session)
        return super()._start_unit()

    @property
    def moment(self) -> Moment:
        return Moment(self.now, self.boot, self.wall)

    def write(self, record: rec.Record) -> None:
        super().write(record)
        if isinstance(record, rec.SegmentOpen):
            self.speech.opened(record)
        elif isinstance(record, rec.Head):
            self.speech.signed(record)
        elif isinstance(record, rec.SegmentClose | rec.Recovery) and record.segment_id:
            self.speech.closed(record.segment_id)
        self.perform(self.officer.observe(record, self.moment))
        self.perform(self.voice_notes.observe(record, self.moment))

    def perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Write(record):
                    self.write(record)
                case Say():
                    self.said.append((self.now, output))
                    self.said_true_us.append((self.true_us, output.prompt_id))
                    self._play()
                case Refuse():
                    self.refusals.append(output)

    def _play(self) -> None:
        if self.deaf:
            self.speech.prompt_ended(self.now, self.now)
        elif self.playing is None:
            self.playing = self.now, self.now + PROMPT_US
            self.speech.prompt_started(self.now)
        else:
            self.playing = self.playing[0], self.playing[1] + PROMPT_US

    def handle(self, event: Any) -> list[Effect]:
        effects = super().handle(event)
        self._listen()
        self.speech.forget(self.now)
        self.perform(self.officer.tick(self.moment))
        self.perform(self.voice_notes.tick(self.moment))
        return effects

    def _listen(self) -> None:
        if self.playing is not None and self.now >= self.playing[1]:
            self.speech.prompt_ended(*self.playing)
            if self.loopback:
                self._report(*self.playing, final=True)
            self.playing = None
        if self.speaking_us is not None and (self.now - self.speaking_us) % REPORT_US < 50_000:
            self._report(self.speaking_us, self.now, final=False)

    def _report(self, start_us: int, end_us: int, final: bool) -> None:
        for camera_id in self.microphones:
            if self.workers[camera_id].segment_id is not None and end_us > start_us:
                self.speech.speech(camera_id, start_us, end_us, final, self.now, self.level_dbfs)

    # --- the officer -------------------------------------------------------------------------------------------------

    def speak(self, duration_us: int) -> None:
        self.speaking_us = self.now
        self.run(duration_us)
        if self.speaking_us is not None:
            self._report(self.speaking_us, self.now, final=True)
        self.speaking_us = None

    def press(self, count: int = 1) -> bool:
        if self.voice_notes.press(self.moment):
            return True
        taken, outputs = self.officer.press(count, self.moment)
        self.perform(outputs)
        if not taken:
            self.mark()
        return taken

    def long_press(self) -> None:
        self.perform(self.voice_notes.begin(self.moment))

    def sign_statement(self, gap_id: str) -> None:
        signers = tuple(rec.Signer(officer_ref=letter * 43, method="scanned-sheet", signature=None) for letter in "AB")
        self.write(
            rec.Statement(
                statement_id=self.new_id(),
                gap_id=gap_id,
                legal_cause="设备故障",
                document_sha256="A" * 43,
                document_size=1,
                document_type="application/pdf",
                stored_sha256="A" * 43,
                stored_size=1,
                sealed=False,
                signers=signers,
                bound_by=None,
            )
        )

    # --- what came of it ---------------------------------------------------------------------------------------------

    def prompts(self) -> list[str]:
        return [say.prompt_id for _, say in self.said]

    def explanations(self) -> list[rec.Explanation]:
        return [record for record in self.records(rec.Explanation) if isinstance(record, rec.Explanation)]

    def gaps(self) -> list[GapState]:
        return list(self.officer.book.states.values())

    def phases(self) -> list[str]:
        return [state.phase for state in self.gaps()]
