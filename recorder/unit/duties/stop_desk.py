"""Stopping, by hold or by command; in 全程 mode with a reason only (art. 20): ``session.stop_rules`` decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from recorder.channel.messages import Speech
from recorder.config.models import Matter, RecorderConfig
from recorder.evidence.matter import StopReason
from recorder.evidence.records import Event, Record, SessionStart, SessionStop
from recorder.session import effects as fx
from recorder.session import events as ev
from recorder.session.asking import GAP_QUESTIONS
from recorder.session.stop_rules import CHOICES, Stop, StopRules, StopRuleSettings
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty, UnitServices
from recorder.unit.events import UnitEvent, WorkerMessage

MAX_REASON = 500
_PROMPTS: Final = {"prompt-begun": "expected_to_us", "prompt": "to_us"}
"""Events of the unit's own voice, and where they say until when it is heard."""


def _settings(matter: Matter) -> StopRuleSettings:
    return StopRuleSettings(round(matter.stop_speech_s * 1e6), round(matter.stop_window_s * 1e6))


class StopDesk(Duty):
    name = "stop"

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._rules = StopRules(_settings(services.p.config.matter))

    def reconfigured(self, before: RecorderConfig) -> None:
        self._rules.reconfigure(_settings(self._unit.p.config.matter))

    def commands(self) -> Mapping[str, Command]:
        return {"stop": self._stop}

    def orders(self) -> Mapping[str, Command]:
        return {"stop": lambda message: self._stop(message, "remote")}

    def observe(self, record: Record) -> None:
        if isinstance(record, SessionStart | SessionStop):
            self._rules.reset()
        elif isinstance(record, Event) and record.event in _PROMPTS:
            from_us, to_us = record.detail.get("from_us"), record.detail.get(_PROMPTS[record.event])
            if isinstance(from_us, int) and isinstance(to_us, int):
                self._rules.prompt(from_us, to_us)
                if record.detail.get("id") in GAP_QUESTIONS and record.detail.get("outcome") != "dropped":
                    self._rules.superseded(from_us)

    def handle(self, event: UnitEvent) -> None:
        if isinstance(event, WorkerMessage) and isinstance(event.message, Speech):
            self._rules.speech(event.camera_id, event.message.start_us, event.message.end_us)

    def gesture(self, name: str) -> bool:
        unit = self._unit
        now = unit.now_us()
        if name == "stop":
            answer = self._rules.hold(now, unit.p.machine.mode)
            if isinstance(answer, Stop):
                unit.decide(ev.StopRequested(at_us=now, reason="button", stated=answer.stated))
            else:
                unit.say("stop-needs-reason")
            return True
        if name == "mark" and (chosen := self._rules.mark(now)) is not None:
            unit.p.indicators.show("marked", True, now)
            unit.say("stop-reason-chosen", reason=chosen.choice)
            return True
        return False

    def _stop(self, message: dict[str, Any], trigger: ev.StopTrigger = "command") -> Answer:
        unit = self._unit
        reason = message.get("reason")
        if reason is not None and (not isinstance(reason, str) or not 0 < len(reason.strip()) <= MAX_REASON):
            return refusal("bad-reason", f"原因应为 1 至 {MAX_REASON} 个字符", f"reason: 1 to {MAX_REASON} characters")
        stated = None if reason is None else self._stated(reason.strip())
        for effect in unit.decide(ev.StopRequested(at_us=unit.now_us(), reason=trigger, stated=stated)):
            if isinstance(effect, fx.Refused):
                if effect.code != "stop-needs-reason":
                    return refusal(effect.code, effect.zh, effect.en)
                listed = "、".join(CHOICES)
                return refusal(
                    effect.code,
                    f"{effect.zh}（--reason：{listed}，或者自拟文字）",
                    f"{effect.en} (--reason: one of {listed}, or your own words)",
                )
        return {"ok": True, "session_id": unit.p.machine.session_id}

    def _stated(self, reason: str) -> StopReason:
        for choice in CHOICES:
            if reason == choice:
                return StopReason(by="choice", choice=choice)
        return StopReason(by="text", text=self._unit.p.custody.sealed(reason))
