"""Small stand-ins for the evidence tests: a clock that is told the time, ids that count, a key that is made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec

from firmware_bridge.ports import ClockQuality
from hw_sim.agency.certificates import file_signer
from recorder.evidence.recovery import BootFacts
from recorder.evidence.signer import FileSigner

BOOT_A = "aaaaaaaa-0000-4000-8000-000000000001"
BOOT_B = "bbbbbbbb-0000-4000-8000-000000000002"
BOOT = BootFacts("ueid-1", "zfy-000001", "model", "1", "recorder", "0.1.0")


@dataclass(slots=True)
class ToldClock:
    """A clock whose time is whatever the test says; each reading moves it on by ``step_us``."""

    now_us: int = 1_000_000
    offset_us: int = 1_700_000_000_000_000
    boot: str = BOOT_A
    step_us: int = 1000

    def boottime_us(self) -> int:
        self.now_us += self.step_us
        return self.now_us

    def wall_us(self) -> int:
        return self.now_us + self.offset_us

    def boot_id(self) -> str:
        return self.boot

    def quality(self) -> ClockQuality:
        return ClockQuality("ntp", True, 12.5)


def counting_ids(prefix: int = 0) -> Callable[[], str]:
    """UUIDs that differ and can be told apart in a failure message."""
    number = prefix << 64

    def following() -> str:
        nonlocal number
        number += 1
        return str(UUID(int=number, version=4))

    return following


@cache
def signer() -> FileSigner:
    return file_signer(ec.generate_private_key(ec.SECP256R1()))


@cache
def other_signer() -> FileSigner:
    return file_signer(ec.generate_private_key(ec.SECP256R1()))
