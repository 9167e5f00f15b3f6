"""What the simulated world consists of: its keys, their types and bounds (docs/simulator-protocol.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Value: TypeAlias = str | float | int | bool
State: TypeAlias = dict[str, Value]


class WorldError(ValueError):
    """The world has no such key, or the value does not fit it; the message names key and value."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key. ``choices`` for words; ``low``/``high`` inclusive for numbers."""

    kind: Literal["bool", "int", "float", "text"]
    default: Value
    choices: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf


def _words(*choices: str) -> Key:
    return Key("text", choices[0], choices)


KEYS: Final[Mapping[str, Key]] = {
    "boot_id": Key("text", ""),
    "boot_offset_us": Key("int", 0),
    "wall_offset_us": Key("int", 0),
    "wall_drift_ppm": Key("float", 0.0, low=-100_000, high=100_000),
    "wall_drift_from_us": Key("int", 0),
    "clock_source": Key("text", "gnss", ("gnss", "nts", "ntp", "rtc", "none")),
    "clock_error_ms": Key("float", 5.0, low=0),
    "button.record": Key("bool", False),
    "button.mark": Key("bool", False),
    "ignition": _words("none", "off", "on"),
    "lux": Key("float", 200.0, low=0, high=200_000),
    "light.failure": _words("ok", "off"),
    "battery_percent": Key("float", 90.0, low=0, high=100),
    "battery_voltage_v": Key("float", 0.0, low=0, high=60),
    "external_power": Key("bool", False),
    "temperature_c": Key("float", 40.0, low=-60, high=150),
    "throttled": _words("no", "under-voltage", "frequency-capped", "throttled", "soft-temperature-limit"),
    "card.failure": _words("ok", "slow", "full", "read-only", "io-error"),
    "card.scope": _words("media", "all"),
    "card.sync_ms": Key("float", 1500.0, low=0, high=60_000),
    "card.free_mb": Key("float", -1.0, low=-1, high=100_000_000),
    "seed": Key("int", 1, low=0, high=2**32 - 1),
    "camera.mode": _words("scene", "covered", "blurred"),
    "camera.failure": _words("ok", "stuck", "off", "error"),
    "camera.file": Key("text", ""),
    "camera.at_end": _words("loop", "hold"),
    "camera.counter": Key("bool", True),
    "camera.qr": Key("text", ""),
    "camera.frame_log": Key("text", ""),
    "microphone.failure": _words("ok", "stuck", "off", "silent", "overflow"),
    "microphone.scene": _words("beeps", "quiet", "street"),
    "microphone.file": Key("text", ""),
    "microphone.at_end": _words("loop", "hold"),
    "microphone.drift_ppm": Key("float", 0.0, low=-5000, high=5000),
    "speaker.failure": _words("ok", "off"),
    "speaker.folder": Key("text", ""),
    "sounds": Key("text", "[]"),
    "gnss.tty": Key("text", ""),
    "gnss.file": Key("text", ""),
    "gnss.at_end": _words("loop", "hold"),
    "gnss.retime": Key("bool", True),
    "gnss.rate_hz": Key("float", 1.0, low=0.2, high=10),
    "gnss.failure": _words("ok", "off", "silent", "no-fix", "bad-checksum", "truncated", "jump", "frozen"),
    "worker.failure": _words("ok", "stuck"),
}

OWNED_BY_WORLD: Final = frozenset({"boot_id", "boot_offset_us", "gnss.tty", "sounds", "wall_drift_from_us"})
"""Keys that follow from what the world does; nobody sets them from outside."""


def checked(key: str, value: object) -> Value:
    """``value`` as the type of ``key``. Raises WorldError naming key, value and what is allowed."""
    spec = KEYS.get(key)
    if spec is None:
        raise WorldError(f"{key}: 世界里没有这个键 no such key of the world. 可用 known: {', '.join(KEYS)}")
    if spec.kind == "bool":
        if not isinstance(value, bool):
            raise WorldError(f"{key} = {value!r}: 应为 true 或 false, must be true or false")
        return value
    if spec.kind == "text":
        if not isinstance(value, str):
            raise WorldError(f"{key} = {value!r}: 应为文字 must be text")
        if spec.choices and value not in spec.choices:
            raise WorldError(f"{key} = {value!r}: 应为其中之一 must be one of {', '.join(spec.choices)}")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise WorldError(f"{key} = {value!r}: 应为数值 must be a number")
    if not spec.low <= value <= spec.high:
        raise WorldError(f"{key} = {value!r}: 超出范围 out of range {spec.low:g} … {spec.high:g}")
    return round(value) if spec.kind == "int" else float(value)


def initial_state(given: Mapping[str, object]) -> State:
    """All keys: the given ones, defaults for the rest. Raises WorldError."""
    state: State = {key: spec.default for key, spec in KEYS.items()}
    for key, value in given.items():
        if key in OWNED_BY_WORLD:
            raise WorldError(f"{key}: 由世界自己决定 decided by the world itself")
        state[key] = checked(key, value)
    return state
