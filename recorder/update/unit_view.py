"""The unit process as an update's two processes see it: its status file, and its journal through the control socket."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from recorder.channel.places import control_socket
from recorder.health.status_file import STATUS_FILE, last_word
from recorder.unit.control_client import ControlError, request
from recorder.update.installation import Note
from recorder.update.probation import Look

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it

log = logging.getLogger("recorder.update")

TIMEOUT_S: Final = 10.0


class UnitView:
    """``run_dir``: the unit's."""

    def __init__(self, run_dir: Path, clock: Clock) -> None:
        self._run_dir = run_dir
        self._clock = clock

    def look(self) -> Look:
        boot_id, now_us = self._clock.boot_id(), self._clock.boottime_us()
        word = last_word(self._run_dir / STATUS_FILE, boot_id, now_us)
        return Look(boot_id, now_us, word.standing == "fresh", word.status)

    def idle_now(self) -> bool:
        """What its main thread says at this moment; the status file may be seconds old. False, too, when it does not."""
        try:
            answer = request(control_socket(self._run_dir), {"cmd": "status"}, TIMEOUT_S)
        except ControlError as error:
            log.warning("update.status", extra={"fields": {"error": str(error)[:300]}})
            return False
        return "session_id" in answer and answer["session_id"] is None

    def note(self, note: Note) -> bool:
        """Answered when its record is durable."""
        message = {"cmd": "update-note", **msgspec.to_builtins(note)}
        try:
            request(control_socket(self._run_dir), message, TIMEOUT_S)
        except ControlError as error:
            log.warning("update.note", extra={"fields": {"error": str(error)[:300]}})
            return False
        return True
