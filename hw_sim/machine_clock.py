"""The clock of a simulated unit's machine, for its processes without a board (``recorder.loading.machine_clock``).

The world owns boot id and clock steps, and on a real unit every process sees the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping

from firmware_bridge.clock import SystemClock
from hw_sim.board_link import boot_of, connect
from hw_sim.clock import SimClock
from hw_sim.world_client import WorldClient


class MachineClock(SimClock):
    """Follows the world until it is closed; a process keeps it for life."""

    def __init__(self, client: WorldClient) -> None:
        super().__init__(SystemClock(), *boot_of(client), client.get)
        self._client = client
        client.start()

    def close(self) -> None:
        self._client.close()


def machine_clock(options: Mapping[str, str]) -> MachineClock:
    """Of the boot the world is in now. Raises DeviceError when there is no world at ``options["world"]``."""
    return MachineClock(connect(options, {"hello": "uplink"}))
