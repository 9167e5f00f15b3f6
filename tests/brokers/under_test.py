"""What the suite asks of a broker, and the units that every broker is told of before it starts."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Protocol

from hw_sim.agency.authority import Authority
from tests.hw_sim.agency.unit_double import UnitDouble

UNIT_IDS = tuple(f"zfy-b{number:03d}" for number in range(200))
"""A broker that keeps a list of its users (RabbitMQ) knows these."""


class BrokerUnderTest(Protocol):
    """Started when a test gets it. ``port`` stays the same over restarts."""

    port: int

    @property
    def name(self) -> str: ...

    @property
    def keeps_what_it_acknowledged(self) -> bool:
        """Whether a QoS 1 message survives a SIGKILL right after its PUBACK."""

    @property
    def expires_within_s(self) -> float:
        """How much later than it should a session ends at the latest."""

    @property
    def retains_delayed_wills(self) -> bool:
        """Whether a will that is both delayed and retained is there for whoever subscribes later."""

    @property
    def wildcards_get_what_is_retained(self) -> bool:
        """Whether a subscription with a wildcard is given what is retained."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Orderly."""

    def kill(self) -> None:
        """SIGKILL."""

    def restart(self) -> None: ...


class Fleet:
    """Enrols a unit of its own for whoever asks."""

    def __init__(self, authority: Authority, directory: Path) -> None:
        self.authority = authority
        self._directory = directory
        self._ids = itertools.chain(UNIT_IDS)

    def unit(self) -> UnitDouble:
        unit_id = next(self._ids)
        return UnitDouble.enrolled(self.authority, unit_id, self._directory / unit_id)
