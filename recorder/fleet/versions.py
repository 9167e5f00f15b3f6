"""Which version a unit is sent next. Pure; for each unit by itself.

What a unit reports is its word and nothing more: a captured one may report any number. It must not move the version of
another unit, nor its own further than an honest one would follow (``MAX_LEAP``, docs/wire.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from recorder.evidence.config_order import MAX_LEAP, MAX_VERSION
from recorder.fleet.settings import FleetError

RESERVED: Final = 2
"""A roll-out needs one version to send and one to take it back."""
_CONSIDERED_BEFORE: Final = ("desired-replayed", "desired-version-reused")
"""Codes of a rejection that names a version the unit considered, or something newer than it, already."""

Doubt: TypeAlias = Literal["too-high", "too-low"]


@dataclass(frozen=True, slots=True)
class Next:
    """``version`` may be sent, and so may the one behind it. ``doubt``: what the unit reports does not fit what it was ever
    sent from here."""

    version: int
    doubt: Doubt | None = None


def next_version(unit_id: str, sent: int, reported: int | None) -> Next:
    """``sent``: the newest this admin's files have for the unit, ``reported``: the newest the unit knows, None when it was
    never heard of. Raises FleetError when there is none left."""
    doubt: Doubt | None = None
    known = max(sent, reported or 0)
    if reported is not None and reported > sent + MAX_LEAP:
        known, doubt = sent, "too-high"
    elif reported is not None and sent >= reported + MAX_LEAP:
        known, doubt = reported, "too-low"  # it would refuse whatever is above what was sent
    if known > MAX_VERSION - RESERVED:
        raise FleetError(
            f"设备 {unit_id}：版本号已用尽（{known}），须在设备上清除后重新登记",
            f"unit {unit_id}: no version is left above {known}; it has to be set up anew",
        )
    return Next(known + 1, doubt)


def newest_reported(summary: Mapping[str, Any]) -> int | None:
    """The newest version a unit knows, by its summary (``GET /fleet/units``); None where it never reported."""
    reported = as_table(summary.get("reported"))
    if not reported:
        return None
    rejected = as_table(reported.get("rejected"))
    known = rejected.get("version") if rejected.get("code") in _CONSIDERED_BEFORE else 0
    return max(whole(reported.get("version")), whole(as_table(reported.get("layer")).get("version")), whole(known))


def whole(value: object) -> int:
    """A version in a report; 0 for what is none, for nobody has checked it."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def as_table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
