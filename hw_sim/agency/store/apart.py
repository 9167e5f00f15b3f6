"""Bytes kept apart for people: uploads that contradict the journal (``conflicts/``) or their own digest (``rejected/``).

They are evidence that something is wrong, so they are kept whole, and said. But whoever has a unit's certificate can make
as many as he likes. So of each unit so many bytes, and so many items, are kept; of what comes after that only the digest,
in the alarm. The counts are in the register (``usage``), the same for all instances.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Clock
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.bucket import Bucket, draw
from hw_sim.agency.store.register import Register
from hw_sim.agency.store.usage import UsageBook
from hw_sim.agency.store.vault import Vault

log = logging.getLogger("agency.store")

MOST_ITEMS = 1000
"""Of one unit, however small: names in a folder cost room as well."""
ALARMS_A_MINUTE = 60
"""Of one unit, for what is not newly kept. Those beyond are counted in the next one (``unsaid``)."""
FRESH_S = 3600.0
"""Somebody may be about to put in its place what has been counted so recently."""


@dataclass(frozen=True, slots=True)
class Admission:
    """``kept``: there is room for it, and it is counted. ``new``: it was not before."""

    kept: bool
    new: bool


@dataclass(frozen=True, slots=True)
class Contradiction:
    """``item_id``: the segment or statement; the digests of what was ``uploaded`` and of what the ``journal`` names."""

    item_id: str
    uploaded: str
    journal: str


@dataclass(slots=True)
class _Voice:
    bucket: Bucket | None = None
    unsaid: int = 0


class ApartDesk:
    """Thread-safe. ``root``: the store's; names are paths below it. ``most_bytes``: of one unit, 0: no limit."""

    def __init__(self, register: Register, alarms: Alarms, clock: Clock, root: Path, most_bytes: int) -> None:
        self._register = register
        self._usage = UsageBook(register)
        self._alarms = alarms
        self._clock = clock
        self._root = root
        self._most_bytes = most_bytes
        self._voices: dict[str, _Voice] = {}
        self._lock = threading.Lock()

    def admit(self, unit_id: str, name: str, size: int, always: bool = False) -> Admission:
        """May ``size`` bytes lie under ``name``? Ask before they are put there. The same again is the same answer, and
        another size takes the place of the former. ``always``: counted, and yes."""
        with self._register.atomic():
            known = self._usage.apart_item(name)
            items, total = self._usage.apart(unit_id)
            if known is not None:
                items, total = items - 1, total - known
            full = items >= MOST_ITEMS or (self._most_bytes and total + size > self._most_bytes)
            if full and not always:
                return Admission(kept=False, new=False)
            self._usage.set_apart(unit_id, name, size, self._now())
        return Admission(kept=True, new=known is None)

    def say(self, admission: Admission, unit_id: str, code: str, zh: str, en: str, **facts: Any) -> None:
        """The alarm that goes with it. What was not kept before is always said."""
        with self._lock:
            voice = self._voices.setdefault(unit_id, _Voice())
            voice.bucket, wait_s = draw(voice.bucket, self._now(), ALARMS_A_MINUTE)
            if wait_s and not admission.new:
                voice.unsaid += 1
                log.warning("unsaid alarm %s of %s: %s", code, unit_id, facts)
                return
            unsaid, voice.unsaid = voice.unsaid, 0
        if not admission.kept:
            zh = f"{zh}；该设备另存的数据已达上限，这次只记下摘要"
            en = f"{en}; as much is kept apart of this unit as may be: this time the digest alone"
        more = {"unsaid": unsaid} if unsaid else {}
        self._alarms.raise_alarm(code, zh, en, unit_id=unit_id, bytes_kept=admission.kept, **facts, **more)

    def contradicts(
        self, vault: Vault, path: Path, item: Contradiction, code: str, zh: str, en: str, **facts: Any
    ) -> bool:
        """``path`` holds bytes that contradict the journal: said, then set aside if there is room (returns True). Without
        room they are the caller's to remove once he has noted it. Bytes that are what the journal names (only their name
        in the object store is taken) are set aside always: there may be no others.

        Repeatable after a crash at any point, which may say it twice and never not at all. Raises OSError."""
        target = vault.conflict(item.item_id, item.uploaded)
        size = next((place.stat().st_size for place in (path, target) if place.exists()), 0)
        name = str(target.relative_to(self._root))
        admission = self.admit(vault.unit_id, name, size, always=item.uploaded == item.journal)
        self.say(admission, vault.unit_id, code, zh, en, uploaded=item.uploaded, journal=item.journal, **facts)
        if admission.kept:
            vault.set_aside(path, item.item_id, item.uploaded)
        return admission.kept

    def recount(self) -> None:
        """What lies there and is not counted (of an older store), and what is counted and was taken away by somebody who
        has looked at it."""
        found: dict[str, tuple[str, int]] = {}
        for path in self._root.glob("*/*/conflicts/*"):
            name = str(path.relative_to(self._root))
            found[name] = (path.parent.parent.parent.name, path.stat().st_size)
        for path in (self._root / "staging" / "rejected").glob("*.*"):
            upload = self._register.upload(path.stem)
            if upload is not None:
                name = rejected_name(path.stem)
                found[name] = (upload.unit_id, found.get(name, ("", 0))[1] + path.stat().st_size)
        before = self._now() - FRESH_S
        with self._register.atomic():
            for name, at in self._usage.apart_names():
                if name not in found and at < before:
                    self._usage.forget_apart(name)
            for name, (unit_id, size) in found.items():
                if self._usage.apart_item(name) is None:
                    self._usage.set_apart(unit_id, name, size, self._now())

    def _now(self) -> float:
        return self._clock.wall_us() / 1e6


def rejected_name(upload_id: str) -> str:
    """Of all attempts of one upload that are kept."""
    return f"staging/rejected/{upload_id}"
