"""What the states of roll-outs and units, and their faults, are called where people read them; ``--json`` keeps the names
of the fields and the codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from recorder.cli import say
from recorder.faults.catalogue import CATALOGUE

PHASES: Final = {
    "running": ("进行中", "running"),
    "aborting": ("正在撤回", "aborting"),
    "aborted": ("已中止", "aborted"),
    "done": ("已完成", "done"),
}
STATES: Final = {
    "waiting": ("待下发", "waiting"),
    "sent": ("已下发", "sent"),
    "pending": ("待生效", "pending"),
    "applied": ("已生效", "applied"),
    "refused": ("被拒绝", "refused"),
    "rolled-back": ("设备已撤回", "rolled back"),
    "silent": ("无应答", "silent"),
    "superseded": ("已被更新的下发取代", "superseded"),
    "taking-back": ("正在恢复原配置", "taking back"),
    "taken-back": ("已恢复原配置", "taken back"),
    "not-taken-back": ("未能恢复原配置", "not taken back"),
    "faulty": ("出现新故障", "faulty"),
    "overdue": ("超时未定", "overdue"),
    "none": ("无", "none"),
}
"""Of a member, of what a unit reports, and of :func:`recorder.fleet.rollout.counts`."""


def phase_word(phase: str) -> str:
    return say(*PHASES[phase])


def state_word(state: object) -> str:
    """A unit may report a state of a later version of this program: that is shown as it is."""
    return say(*STATES.get(str(state), (str(state), str(state))))


def fault_words(codes: Iterable[str]) -> str:
    """Each as ``recorder status`` calls it, its code beside; one of a later version of this program is its code alone."""
    return say("；", "; ").join(map(_fault_word, codes))


def _fault_word(code: str) -> str:
    kind = CATALOGUE.get(code)
    return code if kind is None else say(f"{kind.zh}（{code}）", f"{kind.en} ({code})")
