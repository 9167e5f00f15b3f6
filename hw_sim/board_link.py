"""How a process of a simulated unit reaches its world, and the clock of the boot the world is in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import DeviceError
from hw_sim.clock import SimClock
from hw_sim.world_client import WorldClient


def connect(options: Mapping[str, str], hello: dict[str, str]) -> WorldClient:
    """Raises DeviceError when there is no world at ``options["world"]``."""
    path = options.get("world")
    if not path:
        raise DeviceError(
            "board.options.world", "缺少：仿真世界的套接字路径 missing: path of the simulated world's socket"
        )
    return WorldClient(Path(path), hello)


def clock_of(client: WorldClient) -> SimClock:
    """The clock of the simulated boot the world is in."""
    return SimClock(SystemClock(), *boot_of(client), client.get)


def boot_of(client: WorldClient) -> tuple[str, int]:
    """Its id, and the host's boot-time (µs) at which it began."""
    return str(client.get("boot_id")), int(client.get("boot_offset_us"))
