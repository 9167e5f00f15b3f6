"""中断与语音说明、语音备注 (art. 23): asks for the reason of each gap, binds the answer, keeps what is owed; voice notes.

Decides nothing: ``session.interruptions`` and ``session.voice_notes`` do. This room brings them the records, the speech the
workers heard, the prompts' intervals and the officer's hand, and carries out what they want.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, get_args

from recorder.channel import messages
from recorder.evidence.records import Event, Head, Interruption, LegalCause, Record, Recovery, SegmentClose, SegmentOpen
from recorder.evidence.state import JournalState
from recorder.session.asking import AskingSettings, Output, Refuse, Say, Write, described
from recorder.session.events import Moment
from recorder.session.interruptions import Interruptions
from recorder.session.speech_log import SpeechLog
from recorder.session.voice_notes import NoteSettings, VoiceNotes
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty, UnitServices
from recorder.unit.events import Shutdown, UnitEvent, WorkerDisconnected, WorkerExited, WorkerMessage

log = logging.getLogger("recorder.unit")

KEEP_US = 60_000_000
"""Speech and fragments are remembered for the longest answer or note, and so much longer."""

SHORTEST_ID = 4
"""A gap may be named by the beginning of its id: an officer types it from a screen."""

_CAUSES: dict[str, LegalCause] = {cause: cause for cause in get_args(LegalCause)}


class InterruptionDesk(Duty):
    name = "interruptions"
    read_only: ClassVar[frozenset[str]] = frozenset({"gaps"})

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        config = services.p.config
        asking, notes = AskingSettings.of(config), NoteSettings.of(config)
        boot_id = services.p.clock.boot_id()
        self._speech = SpeechLog(max(asking.answer_us, notes.longest_us) + KEEP_US)
        self._machine = Interruptions(asking, self._speech, _new_id, boot_id)
        self._notes = VoiceNotes(notes, self._speech, _new_id)
        self._boot_id = boot_id
        self._just_lost: set[str] = set()
        """Cameras whose gap began with the event at hand: its exit is the cause and no failed restart."""

    def commands(self) -> Mapping[str, Command]:
        return {"explain": self._explain, "cannot-resume": self._cannot_resume, "gaps": self._gaps}

    def started(self, before: JournalState) -> None:
        session_id = before.session.session_id if before.session is not None else None
        self._machine.started(before.gap_book, session_id, self._now())
        self._notes.started(session_id)

    # --- what happens ------------------------------------------------------------------------------------------------

    def observe(self, record: Record) -> None:
        match record:
            case SegmentOpen():
                self._speech.opened(record)
            case Head():
                self._speech.signed(record)
            case SegmentClose(segment_id=segment_id) | Recovery(segment_id=str() as segment_id):
                self._speech.closed(segment_id)
            case Interruption(camera_id=camera_id):
                self._just_lost.add(camera_id)
            case Event(event="prompt-begun", detail={"from_us": int() as from_us}):
                self._speech.prompt_started(from_us)
            case Event(event="prompt", detail={"from_us": int() as from_us, "to_us": int() as to_us}):
                self._speech.prompt_ended(from_us, to_us)
        now = self._now()
        self._perform(self._machine.observe(record, now))
        self._perform(self._notes.observe(record, now))

    def handle(self, event: UnitEvent) -> None:
        match event:
            case WorkerMessage(camera_id, messages.Speech() as heard):
                now = self._unit.now_us()
                span = heard.start_us, heard.end_us
                self._speech.speech(camera_id, *span, heard.final, now, heard.level_dbfs)
            case WorkerDisconnected(camera_id, _):
                self._speech.silent(camera_id)
            case WorkerExited(camera_id, _, _) if camera_id not in self._just_lost:
                self._perform(self._machine.failed_restart(camera_id, self._now()))
            case Shutdown():
                self._perform(self._machine.remind(self._now()))
        self._just_lost.clear()

    def tick(self, now_us: int) -> None:
        self._speech.forget(now_us)
        now = self._now()
        self._perform(self._machine.tick(now))
        self._perform(self._notes.tick(now))

    def gesture(self, name: str) -> bool:
        now = self._now()
        if name == "note":
            self._by_hand(self._notes.begin(now))
            return True
        controls = self._unit.p.config.controls
        if getattr(controls, name, controls.mark).button == controls.note.button and self._notes.press(now):
            return True
        if name == "stop" and self._unit.p.machine.mode == "全程":
            self._perform(self._machine.superseded(now))  # asked why it shall stop, by the desk that comes next
        if name != "mark":
            return False
        taken, outputs = self._machine.press(1, now)
        self._perform(outputs)
        if taken:
            self._unit.p.indicators.show("marked", True, now.at_us)
        return taken

    # --- commands ----------------------------------------------------------------------------------------------------

    def _gaps(self, message: dict[str, Any]) -> Answer:
        return {"ok": True, "gaps": [described(state) for state in self._machine.book.states.values()]}

    def _explain(self, message: dict[str, Any]) -> Answer:
        gap_id = self._named(message.get("gap"))
        if gap_id is None:
            return _unknown(message.get("gap"))
        cause = message.get("cause")
        if cause is not None and (not isinstance(cause, str) or cause not in _CAUSES):
            known = "、".join(_CAUSES)
            return refusal("bad-cause", f"原因类别应为：{known}", f"the cause must be one of {known}")
        return self._done(self._machine.explain(gap_id, _CAUSES[cause] if cause is not None else None, self._now()))

    def _cannot_resume(self, message: dict[str, Any]) -> Answer:
        gap_id = None
        if message.get("gap") is not None:
            gap_id = self._named(message["gap"])
            if gap_id is None:
                return _unknown(message["gap"])
        return self._done(self._machine.cannot_resume(gap_id, self._now()))

    def _named(self, text: object) -> str | None:
        """The gap whose id begins so."""
        if not isinstance(text, str) or len(text) < SHORTEST_ID:
            return None
        found = [gap_id for gap_id in self._machine.book.states if gap_id.startswith(text.lower())]
        return found[0] if len(found) == 1 else None

    # --- carrying out ------------------------------------------------------------------------------------------------

    def _now(self) -> Moment:
        return Moment(self._unit.now_us(), self._boot_id, self._unit.wall_us())

    def _perform(self, outputs: Iterable[Output]) -> list[Refuse]:
        refused: list[Refuse] = []
        for output in outputs:
            match output:
                case Write(record):
                    self._unit.write(record)
                case Say(prompt_id, values):
                    self._unit.say(prompt_id, **values)
                case Refuse():
                    refused.append(output)
        return refused

    def _by_hand(self, outputs: Iterable[Output]) -> None:
        """An officer who is refused feels and hears it, even where no voice speaks."""
        for refused in self._perform(outputs):
            log.info("note.refused", extra={"fields": {"code": refused.code, "zh": refused.zh, "en": refused.en}})
            self._unit.p.indicators.show("refused", True, self._unit.now_us())

    def _done(self, outputs: Iterable[Output]) -> Answer:
        for refused in self._perform(outputs):
            return refusal(refused.code, refused.zh, refused.en)
        return {"ok": True}


def _unknown(text: object) -> Answer:
    name = str(text)[:64]
    return refusal("unknown-gap", f"没有以 {name} 开头的唯一中断", f"no single interruption begins with {name}")


def _new_id() -> str:
    return str(uuid.uuid4())
