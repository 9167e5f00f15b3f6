"""What the board module gets: the configuration's devices as flat strings (``firmware_bridge.ports.BoardOptions``).

Unit process and workers make them from the same configuration, the workers without the configuration's libraries: hence
plain data in, no model. ``[gpio] led_red`` becomes ``led_red``, ``[identity] hwmodel`` ``hwmodel``, ``[gnss] baud``
``gnss_baud``, ``[camera.cam0] index`` ``camera.cam0.index``; a table is JSON, and so is true or false. ``none`` stays: to
the driver it means that there is no such device, whatever would be usual.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

_NOT_DEVICES: Final = ("file", "module", "options")
_BARE: Final = {"gpio": "chip", "identity": None}
"""Sections whose keys stand alone, but for that one."""


def board_options(config: Mapping[str, Any]) -> dict[str, str]:
    """``config``: the whole configuration as its JSON says it. ``[board.options]`` is over everything else."""
    board = config["board"]
    return {
        "debounce_ms": str(config["controls"]["debounce_ms"]),
        "gnss_max_speed_mps": str(config["gnss"]["max_speed_mps"]),
        **dict(_devices(board)),
        **_camera_numbers(config["cameras"], board),
        **board["options"],
    }


def _devices(board: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for section, table in board.items():
        if section in _NOT_DEVICES or table is None:
            continue
        if section == "camera":
            for camera, values in table.items():
                yield from ((f"camera.{camera}.{key}", _text(value)) for key, value in _given(values))
            continue
        for key, value in _given(table):
            bare = section in _BARE and key != _BARE[section]
            yield (key if bare else f"{section}_{key}"), _text(value)


def _given(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in table.items() if value is not None)


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (dict, bool)) else str(value)


def _camera_numbers(cameras: Iterable[str], board: Mapping[str, Any]) -> dict[str, str]:
    """A camera the board file says nothing of is tried as the next that is free: a forgotten line must not leave a unit
    without a picture."""
    fitted = board.get("camera") or {}
    taken = {values["index"] for values in fitted.values() if values.get("index") is not None}
    numbers: dict[str, str] = {}
    for camera in sorted(cameras):
        named = fitted.get(camera) or {}
        if named.get("index") is None and named.get("sensor") is None:
            free = next(index for index in range(len(taken) + 1) if index not in taken)
            taken.add(free)
            numbers[f"camera.{camera}.index"] = str(free)
    return numbers
