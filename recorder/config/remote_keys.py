"""Which settings may be changed from afar, and why not the others. Data, and one walk over it. Pure.

What is not listed may not: a key somebody adds later stays local until somebody has thought about it. Why:
docs/adr/0020-configuration-from-afar.md; docs/configuration.md is this table for administrators, a test keeps them the
same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from recorder.config.keys import annotation_at
from recorder.config.problems import KeyPath


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a setting is changed on the unit only."""

    zh: str
    en: str


IDENTITY: Final = Reason(
    "设备的身份与硬件只在本机确定", "who the unit is and what it is made of is settled on the unit"
)
PLACE: Final = Reason("证据的存放与去向不得远程改变", "where evidence lies and goes is not changed from afar")
TRUST: Final = Reason("信任与密钥不得远程改变", "whom the unit trusts and seals for is not changed from afar")
PROMISE: Final = Reason("法定的记录不得远程关闭", "what the law has recorded is not switched off from afar")
COMMANDS: Final = Reason("设备接受哪些指令只在本机确定", "which commands a unit accepts is settled on the unit")
RULES: Final = Reason("远程下发不得改变自身的规则", "a push does not change the rules for pushes")
UNDECIDED: Final = Reason("此项未列为可远程下发", "not on the list of what a push may change")

Verdict: TypeAlias = Reason | None
"""None: it may be changed from afar."""

REMOTE: Final[dict[tuple[str, ...], Verdict]] = {
    ("device",): IDENTITY,
    ("device", "language"): None,
    ("board",): IDENTITY,
    ("storage",): PLACE,
    ("cameras",): None,
    ("capture",): None,
    ("audio",): None,
    ("audio", "enabled"): PROMISE,
    ("speech",): None,
    ("speech", "enabled"): PROMISE,
    ("watermark",): None,
    ("watermark", "enabled"): PROMISE,
    ("sealing",): TRUST,
    ("signing",): TRUST,
    ("trust",): TRUST,
    ("session",): None,
    ("session", "auto_shift"): PROMISE,
    ("session", "resume_open_recording"): PROMISE,
    ("session", "resume_within_h"): PROMISE,
    ("statutory",): PROMISE,
    ("officers",): None,
    ("commands",): COMMANDS,
    ("matter",): None,
    ("controls",): None,
    ("indicators",): None,
    ("prompts",): None,
    ("vehicle",): None,
    ("watchdog",): None,
    ("night",): None,
    ("gnss",): None,
    ("gnss", "enabled"): PROMISE,
    ("interruption",): None,
    ("interruption", "explained_by"): PROMISE,
    ("notes",): None,
    ("supervision",): None,
    ("supervision", "launcher"): IDENTITY,
    ("faults",): None,
    ("faults", "lens", "enabled"): PROMISE,
    ("faults", "lens", "covered_share"): PROMISE,
    ("faults", "lens", "covered_luma"): PROMISE,
    ("faults", "lens", "covered_min_lux"): PROMISE,
    ("faults", "lens", "blurred_ratio"): PROMISE,
    ("remote",): RULES,
    ("uplink",): PLACE,
    ("uplink", "journal_interval_s"): None,
    ("uplink", "standby_interval_s"): None,
    ("uplink", "connect_timeout_s"): None,
    ("uplink", "io_timeout_s"): None,
    ("uplink", "backoff_base_s"): None,
    ("uplink", "backoff_max_s"): None,
    ("uplink", "idle_timeout_s"): None,
    ("uplink", "dock_interfaces"): None,
    ("uplink", "metered_interfaces"): None,
    ("uplink", "metered"): None,
    ("uplink", "metered_yield_h"): None,
    ("uplink", "max_kb_s"): None,
    ("uplink", "dscp"): None,
    ("mqtt",): PLACE,
    ("mqtt", "keepalive_s"): None,
    ("mqtt", "status_interval_s"): None,
    ("update",): TRUST,
    ("update", "poll_s"): None,
    ("update", "max_kb_s"): None,
    ("update", "window_from"): None,
    ("update", "window_to"): None,
}
"""The longest path that fits counts."""


def verdict(path: tuple[str, ...]) -> Verdict:
    for length in range(len(path), 0, -1):
        if path[:length] in REMOTE:
            return REMOTE[path[:length]]
    return UNDECIDED


def local_only(data: Mapping[str, Any], base: tuple[str, ...] = ()) -> Iterator[tuple[KeyPath, Reason]]:
    """Every setting of a pushed layer that is changed on the unit only, with the reason. Keys that do not exist are left to
    the check of the configuration, which knows what was probably meant."""
    for key, value in data.items():
        path = (*base, key)
        if isinstance(value, Mapping) and _decided_below(path):
            yield from local_only(value, path)
        elif (reason := verdict(path)) is not None and annotation_at(path) is not None:
            yield path, reason


def _decided_below(path: tuple[str, ...]) -> bool:
    return any(len(rule) > len(path) and rule[: len(path)] == path for rule in REMOTE)
