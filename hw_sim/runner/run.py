"""One run of a scenario: the agency, the world, the unit's real processes, the officer's actions, and the proof."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Clock
from hw_sim.agency.agency import Agency
from hw_sim.runner import journal_view
from hw_sim.runner.actions import Actions
from hw_sim.runner.av_lag import measure
from hw_sim.runner.frame_audit import OpenSegment, audit
from hw_sim.runner.layout import Layout
from hw_sim.runner.media import MEDIA
from hw_sim.runner.media import Media as Media
from hw_sim.runner.result import Kill, Notes, collect, judge
from hw_sim.runner.stop_flag import StopFlag
from hw_sim.runner.unit_config import write_unit_config
from hw_sim.runner.unit_processes import NotifySocket, UnitProcesses, recorder_command, tail
from hw_sim.scenario import Scenario
from hw_sim.world import World
from hw_sim.world_keys import initial_state
from recorder.config.load import load_config
from recorder.evidence.verify.command import verify_for_simulator

UNIT_ID = "zfy-000001"
SLOTS = 4
"""Upload slots the agency grants: the demo goes the way a fleet goes, where a unit asks and is given its turn."""


@dataclass(slots=True)
class ScenarioRun:
    scenario: Scenario
    layout: Layout
    media: Media
    clock: Clock
    language: str
    say: Callable[[str], None]
    stop: StopFlag = field(default_factory=StopFlag)
    kills: list[Kill] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)

    @property
    def unit_id(self) -> str:
        return UNIT_ID

    def execute(self) -> dict[str, Any]:
        """Run to the end and return the judged result; everything started is stopped, whatever happens.

        Raises ProcessError, AgencyError, WorldError, DeviceError when something does not start.
        """
        try:
            return self._execute()
        finally:
            shutil.rmtree(self.layout.run, ignore_errors=True)

    def _execute(self) -> dict[str, Any]:
        started_us = self.clock.boottime_us()
        self.say(self._text("启动机关侧：认证、存储、消息服务", "starting the agency: authority, store, broker"))
        with Agency(self.layout.agency, self.layout.store, slots=SLOTS) as agency:
            agency.publish_trust(self.layout.trust, self.layout.identity)
            config = write_unit_config(self.layout, UNIT_ID, self.scenario.unit, agency)
            for problem in load_config([config], {}).problems:
                if problem.severity == "error":
                    self.say(problem.text("en" if self.language == "en" else "zh"))
            self._enrol(agency, config)
            with World(self._world_state(), self.layout.world_socket) as world:
                notify = NotifySocket(self.layout.notify_socket)
                unit = UnitProcesses(config, self.layout.run, self.layout.logs, notify, self.clock)
                try:
                    unit.start_unit()
                    unit.start_uplink()
                    self.say(self._text("设备就绪", "the unit is ready"))
                    actions = Actions(self, world, unit, agency)
                    actions.play()
                    self._drain(unit)
                    unit.stop("unit")
                    self._wait_for_last_anchor(agency)
                    unit.stop("uplink")
                finally:
                    unit.abandon()
                    notify.close()
        return self._prove((self.clock.boottime_us() - started_us) / 1e6)

    def _text(self, zh: str, en: str) -> str:
        return en if self.language == "en" else zh

    def _world_state(self) -> dict[str, str | float | int | bool]:
        state: dict[str, str | float | int | bool] = {
            "seed": 1,
            "speaker.folder": str(self.layout.speaker),
            "camera.frame_log": str(self.layout.frame_logs),
            **self.scenario.world,
        }
        playing: dict[str, Path] = {device: MEDIA / name for device, name in self.scenario.media.items()}
        playing.update(self.media.chosen())
        for device, path in playing.items():
            state[f"{device}.file"] = str(path.absolute())
            state[f"{device}.at_end"] = self.media.at_end
        return state

    def _beeps(self) -> bool:
        """Whether flash and beep can tell how far picture and sound are apart."""
        state = initial_state(self._world_state())
        return state["microphone.scene"] == "beeps" and not state["microphone.file"] and bool(state["camera.counter"])

    def _enrol(self, agency: Agency, config: Path) -> None:
        """The real enrolment: keys are made by `recorder enrol` on the unit and never leave it."""
        bundle = self.layout.config / "enrolment"
        recorder_command("enrol", "request", str(bundle), "--config", str(config))
        agency.answer_enrolment(UNIT_ID, bundle)
        recorder_command("enrol", "install", str(bundle), "--config", str(config))

    def _wait(self, condition: Callable[[], bool], timeout_s: float, step_s: float = 0.25) -> bool:
        """Look at a condition of another process until it holds; SIGINT shortens the wait to nothing."""
        deadline = self.clock.boottime_us() + round(timeout_s * 1e6)
        while not condition():
            if self.clock.boottime_us() >= deadline or self.stop.wait(step_s):
                return False
        return True

    def _drain(self, unit: UnitProcesses) -> None:
        """Until recording has ended and the unit believes a receipt for every segment, or ``drain_s`` is over."""
        self._wait(lambda: not unit.status().get("recording", False), 15)
        self.say(self._text("等待上传与回执", "waiting for uploads and receipts"))

        def drained() -> bool:
            view = journal_view.view(self.layout.unit / "journal")
            gone = {Path(path).name.partition(".")[0] for path in self.notes.deleted}
            receipted = view.uploadable - gone <= view.receipted
            releasing = self.scenario.unit.get("storage", {}).get("release_below_free_mb", 0) > 0
            return receipted and (not releasing or view.receipted <= view.released)

        if not self._wait(drained, self.scenario.drain_s, 0.5) and not self.stop.is_set():
            log = self.layout.logs / "uplink.log"
            self.say(
                self._text(f"{self.scenario.drain_s:g} 秒内没有等齐", f"not all within {self.scenario.drain_s:g} s")
            )
            self.say(f"{log}:\n{tail(log)}")

    def _wait_for_last_anchor(self, agency: Agency) -> None:
        """The end of the shift is anchored too: the store has the journal up to its last line and has signed for it."""
        last = journal_view.view(self.layout.unit / "journal").next_seq - 1
        self._wait(lambda: agency.anchored_seq(self.layout.unit / "receipts") >= last, self.scenario.drain_s)

    def _prove(self, wall_s: float) -> dict[str, Any]:
        self.say(self._text("离线核验", "verifying offline"))
        verify = {
            "unit": verify_for_simulator(self.layout.unit, self.layout.trust, self.layout.identity, self.layout.report),
            "store": verify_for_simulator(self.layout.store, self.layout.trust, self.layout.identity, None),
        }
        view = journal_view.view(self.layout.unit / "journal")
        vaults = [self.layout.unit, *sorted(path.parent for path in self.layout.store.glob("*/*/journal"))]
        open_segment = OpenSegment(vaults, self.layout.identity)
        frames = audit(view, open_segment, self.layout.frame_logs)
        av_lag = measure(view, open_segment) if self._beeps() else None
        result = judge(
            self.scenario,
            collect(self.scenario, view, frames, self.kills, verify, wall_s, self.notes, av_lag),
            self.stop.is_set(),
        )
        self.layout.result.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        return result
