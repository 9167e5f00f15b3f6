"""Feeds the board's watchdog, where the unit and not systemd has it: ``session.vitality`` decides."""

from __future__ import annotations

from firmware_bridge.ports import DeviceError
from recorder.channel.messages import Progress
from recorder.session.vitality import Vitality, VitalitySettings
from recorder.unit.duty import Duty, UnitServices
from recorder.unit.events import Shutdown, UnitEvent, WorkerExited, WorkerMessage

FEED_US = 1_000_000


class BoardWatchdog(Duty):
    name = "board-watchdog"

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._vitality = Vitality(VitalitySettings.of(services.p.config.watchdog))
        self._next_us = 0
        self._ending = False

    def handle(self, event: UnitEvent) -> None:
        if isinstance(event, WorkerMessage) and isinstance(event.message, Progress):
            said, wanted = event.message, self._unit.p.machine.session_id is not None
            self._vitality.progress(
                event.camera_id, said.at_us, frames=said.frames, entries=said.entries, wanted=wanted
            )
        elif isinstance(event, WorkerExited):
            self._vitality.restarted(event.camera_id)
        elif isinstance(event, Shutdown):
            self._ending = True

    def tick(self, now_us: int) -> None:
        if self._unit.p.board.watchdog is None or now_us < self._next_us:
            return
        self._next_us = now_us + FEED_US
        alive = True  # a mistake in the judgement is a duty-fault and must not reset a board that records
        try:
            alive = self._ending or self._vitality.alive(now_us, self._unit.p.faults.present())
            evidence = {} if alive else {"last_progress_us": self._vitality.last_progress_us()}
            # In the journal before the reset: the next start finds it among the faults nobody saw the end of.
            self._unit.fault("board-hang", "board", not alive, evidence)
        finally:
            if alive:
                self._feed()

    def _feed(self) -> None:
        watchdog = self._unit.p.board.watchdog
        assert watchdog is not None
        failure: DeviceError | None = None
        try:
            watchdog.feed()
        except DeviceError as error:
            failure = error
        evidence = {} if failure is None else {"error": str(failure), "errno": failure.errno}
        self._unit.fault("watchdog-fault", "board", failure is not None, evidence)
