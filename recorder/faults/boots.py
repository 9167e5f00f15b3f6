"""What the unit finds at its start: the end of the process or of the power before, as faults. Pure.

Nobody was there to record them. Their onset is the last signed moment, their end is this start; both records are written
now, and the onset's time belongs to the boot named in ``from_bootseed``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class LastSigned:
    """The last record before the start."""

    typ: str
    uptime_us: int
    bootseed: str
    wall: float


def found_at_start(
    last: LastSigned | None, clean: bool, bootseed: str, wall: float, open_faults: Collection[str]
) -> tuple[str, dict[str, Any]] | None:
    """``(code, evidence)``: ``process-crash`` in the same boot, ``power-loss`` in another; None after an orderly end or at
    the very first start. ``open_faults``: codes of the faults that were open then; what they say of the reason is kept."""
    if last is None or clean:
        return None
    same_boot = last.bootseed == bootseed
    code: Literal["process-crash", "power-loss"] = "process-crash" if same_boot else "power-loss"
    evidence: dict[str, Any] = {
        "from_us": last.uptime_us,
        "from_bootseed": last.bootseed,
        "from_wall": round(last.wall, 3),
        "last_record": last.typ,
        "open_faults": sorted(open_faults),
    }
    if not same_boot:
        evidence |= {"off_s": round(max(0.0, wall - last.wall), 1), "off_basis": "wall"}
    return code, evidence
