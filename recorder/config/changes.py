"""What a new configuration changes, and when each change can take effect without costing a recording anything. Pure.

The same for a reload (SIGHUP, ``recorder ctl reload``) and for a signed push. Nothing interrupts a recording; what cannot
be changed under way waits until nothing is being recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from recorder.config.models import RecorderConfig
from recorder.config.problems import KeyPath

Effect: TypeAlias = Literal["boundary", "idle", "restart", "elsewhere"]
"""``boundary``: at the next segment boundary, at once when nothing is recorded. ``idle``: when nothing is recorded; the
capture workers start anew. ``restart``: with a new unit process, when nothing is recorded. ``elsewhere``: another process
reads it (the uplink, at its own reload)."""

_EFFECTS: Final[dict[tuple[str, ...], Effect]] = {
    ("capture", "segment_s"): "boundary",
    ("commands",): "boundary",
    ("controls",): "boundary",
    ("controls", "debounce_ms"): "restart",  # the drivers' as well
    ("faults", "battery"): "boundary",
    ("faults", "clock"): "boundary",
    ("faults", "gnss"): "boundary",
    ("faults", "storage", "low_minutes"): "boundary",
    ("faults", "storage", "very_low_minutes"): "boundary",
    ("faults", "thermal"): "boundary",
    ("gnss", "stale_s"): "boundary",
    ("indicators",): "boundary",
    ("matter",): "boundary",
    ("night",): "boundary",
    ("prompts",): "boundary",
    ("sealing",): "boundary",
    ("session",): "boundary",
    ("statutory",): "boundary",
    ("storage", "keep_window_h"): "boundary",
    ("storage", "release_below_free_mb"): "boundary",
    ("supervision",): "boundary",
    ("supervision", "launcher"): "restart",
    ("audio",): "idle",
    ("cameras",): "idle",
    ("capture",): "idle",
    ("faults", "camera"): "idle",
    ("faults", "lens"): "idle",
    ("faults", "microphone"): "idle",
    ("faults", "storage"): "idle",
    ("signing", "head_interval_s"): "idle",
    ("speech",): "idle",
    ("watermark",): "idle",
    ("mqtt",): "elsewhere",
    ("uplink",): "elsewhere",
    ("update",): "elsewhere",
}
"""The longest path that fits counts; what none fits needs a new process."""

AT_ONCE: Final = frozenset[Effect]({"boundary", "elsewhere"})
WHEN_IDLE: Final = frozenset[Effect]({"boundary", "elsewhere", "idle"})


@dataclass(frozen=True, slots=True)
class Changed:
    path: KeyPath
    effect: Effect

    @property
    def name(self) -> str:
        return ".".join(str(part) for part in self.path)


def changes(old: RecorderConfig, new: RecorderConfig) -> tuple[Changed, ...]:
    """Every setting that differs, in the order of their names."""
    found = []
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    for path in sorted(_differing(before, after)):
        effect = _effect(path)
        if path[0] == "cameras" and old.cameras.keys() != new.cameras.keys():
            effect = "restart"  # a camera more or less is a channel more or less
        found.append(Changed(path, effect))
    return tuple(found)


def mixed(old: RecorderConfig, new: RecorderConfig, effects: frozenset[Effect]) -> RecorderConfig:
    """``old`` with the changes of ``new`` that take effect so: what is in force in between."""
    values = old.model_dump(mode="json")
    after = new.model_dump(mode="json")
    for change in changes(old, new):
        if change.effect in effects:
            _copy(after, values, cast(tuple[str, ...], change.path))
    return RecorderConfig.model_validate(values)


def waiting(changed: Iterable[Changed], applied: frozenset[Effect]) -> tuple[Changed, ...]:
    return tuple(change for change in changed if change.effect not in applied)


def _effect(path: tuple[str, ...]) -> Effect:
    for length in range(len(path), 0, -1):
        if (effect := _EFFECTS.get(path[:length])) is not None:
            return effect
    return "restart"


def _differing(before: Any, after: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of tables' members that differ; a list is one value."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return [] if before == after else [path]
    found = []
    for key in before.keys() | after.keys():
        if key not in before or key not in after:
            found.append((*path, key))
        else:
            found += _differing(before[key], after[key], (*path, key))
    return found


def _copy(source: dict[str, Any], target: dict[str, Any], path: tuple[str, ...]) -> None:
    for part in path[:-1]:
        source, target = source[part], target[part]
    if path[-1] in source:
        target[path[-1]] = source[path[-1]]
    else:
        del target[path[-1]]
