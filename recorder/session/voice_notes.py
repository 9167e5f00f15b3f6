"""Voice notes 语音备注: said at any time of a recording, bound to its fragments like an explanation. Pure.

IDLE → OPEN (long press; a prompt asks to speak) → SETTLING (second press, silence, the longest time, or the end of the
recording) → IDLE, with a ``note`` record. Outside a recording nothing would hold it: refused, and the officer is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from recorder.config.models import RecorderConfig
from recorder.evidence.records import Interruption, Note, Record, SessionStart, SessionStop
from recorder.session.asking import Output, Refuse, Say, Write
from recorder.session.events import Moment
from recorder.session.questions import GIVE_UP_US, SETTLE_US
from recorder.session.speech_log import SpeechLog

LEAST_US = 300_000
"""Shorter than any word: nothing was said."""

Ended = Literal["press", "silence", "maximum", "interruption", "stop"]


@dataclass(frozen=True, slots=True)
class NoteSettings:
    """Times in microseconds. ``silence_us``: the note ends when nobody spoke for so long."""

    silence_us: int
    longest_us: int

    @classmethod
    def of(cls, config: RecorderConfig) -> NoteSettings:
        return cls(round(config.notes.silence_s * 1e6), round(config.notes.max_s * 1e6))


@dataclass(slots=True)
class _Open:
    session_id: str
    from_us: int
    active_us: int
    """When somebody, the unit included, last spoke."""


@dataclass(slots=True)
class _Settling:
    session_id: str
    from_us: int
    to_us: int
    ended: Ended


class VoiceNotes:
    """``new_id`` makes lower-case UUIDs. Feed every record, and a tick each turn."""

    def __init__(self, settings: NoteSettings, log: SpeechLog, new_id: Callable[[], str]) -> None:
        self._settings = settings
        self._log = log
        self._new_id = new_id
        self._session_id: str | None = None
        self._open: _Open | None = None
        self._settling: _Settling | None = None

    @property
    def open(self) -> bool:
        return self._open is not None

    def started(self, session_id: str | None) -> None:
        """The unit process starts; ``session_id`` of the session that goes on."""
        self._session_id = session_id

    def observe(self, record: Record, now: Moment) -> list[Output]:
        match record:
            case SessionStart():
                self._session_id = record.session_id
            case SessionStop():
                self._session_id = None
                return self._end_now("stop", now)
            case Interruption() if not self._log.recording(record.session_id):
                return self._end_now("interruption", now)
        return []

    def begin(self, now: Moment) -> list[Output]:
        """The long press; during a note it is the second press."""
        if self._open is not None:
            self._end("press", now)
            return []
        session_id = self._session_id
        if session_id is None or not self._log.recording(session_id):
            return [Refuse("not-recording", "没有在记录，不能作语音备注", "not recording: a voice note has no place")]
        if self._settling is not None:
            return [Refuse("note-open", "上一条语音备注尚未保存", "the last note is still being saved")]
        self._open = _Open(session_id, now.at_us, now.at_us)
        self._log.note_began(now.at_us)
        self._log.prompt_expected(now.at_us)
        return [Say("note-begin")]

    def press(self, now: Moment) -> bool:
        """Any press of the mark button ends a note. True: it was meant for one."""
        if self._open is None:
            return False
        self._end("press", now)
        return True

    def tick(self, now: Moment) -> list[Output]:
        note = self._open
        if note is not None:
            last = now.at_us if self._log.prompting else self._log.last_heard_us()
            note.active_us = max(note.active_us, min(last, now.at_us))
            if now.at_us - note.from_us >= self._settings.longest_us:
                self._end("maximum", now)
            elif now.at_us - note.active_us >= self._settings.silence_us:
                self._end("silence", now)
        settling = self._settling
        if settling is None or now.at_us < settling.to_us + SETTLE_US:
            return []
        if self._log.signed_until_us() < settling.to_us and now.at_us < settling.to_us + GIVE_UP_US:
            return []
        return self._write(settling, now)

    def _end(self, ended: Ended, now: Moment) -> None:
        note, self._open = self._open, None
        if note is not None:
            self._log.note_ended(now.at_us)
            self._settling = _Settling(note.session_id, note.from_us, now.at_us, ended)

    def _end_now(self, ended: Ended, now: Moment) -> list[Output]:
        """No further fragment comes: what there is is the note."""
        self._end(ended, now)
        return self._write(self._settling, now) if self._settling is not None else []

    def _write(self, note: _Settling, now: Moment) -> list[Output]:
        self._settling = None
        speech = self._log.answer((note.from_us, note.to_us), None, LEAST_US, note=True)
        record = Note(
            note_id=self._new_id(),
            session_id=note.session_id,
            from_us=note.from_us,
            to_us=note.to_us,
            ended=note.ended,
            speech=speech,
        )
        self._log.prompt_expected(now.at_us)
        return [Write(record), Say("note-saved" if speech else "sound-silent")]
