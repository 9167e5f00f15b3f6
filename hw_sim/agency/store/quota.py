"""What one unit may ask of the store, so that a faulty or stolen one cannot take it away from the others.

Only uploads are limited. Journals are taken always (within the limits of ``bodies``): they are small, and they anchor.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from firmware_bridge.ports import Clock
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.bucket import Bucket, draw
from hw_sim.agency.store.problem import QUOTA, TOO_MANY, UNFINISHED, Problem
from hw_sim.agency.store.register import Register
from hw_sim.agency.store.usage import UsageBook
from recorder.units import MB

ALARM_AGAIN_S = 3600.0
EXCEEDED, UNNAMED = "quota-exceeded", "too-much-unnamed"
_SAID = {
    EXCEEDED: ("存储配额已用完，新的上传被拒绝", "the quota is used up: new uploads are refused"),
    UNNAMED: (
        "日志未记载的上传过多，新的上传被拒绝",
        "too many bytes that the unit's journal does not name: new uploads are refused until it does",
    ),
}
UNFINISHED_RETRY_S = 60
"""A unit with so much unfinished has enough to do; it hears of room when it asks again."""


@dataclass(frozen=True, slots=True)
class UnitLimits:
    """0: no limit. ``requests``: of uploads under way at once, in one instance (nginx counts across them);
    ``creates_per_minute``: new uploads, as many at once at most; ``unfinished_bytes``: declared by uploads that are not
    complete; ``unnamed_bytes``: whole, and no journal names them; ``apart_bytes``: kept apart for people (``apart``);
    ``stored_bytes``: of one unit, those included; ``total_bytes``: of all units."""

    requests: int = 8
    creates_per_minute: int = 600
    unfinished_bytes: int = 64_000 * MB
    unnamed_bytes: int = 64_000 * MB
    apart_bytes: int = 4_000 * MB
    stored_bytes: int = 0
    total_bytes: int = 0


class Gate:
    """Requests of each unit under way in this process. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()

    @contextmanager
    def enter(self, unit_id: str) -> Iterator[None]:
        """Raises Problem 429."""
        with self._lock:
            if self._most and self._inside[unit_id] >= self._most:
                raise Problem(TOO_MANY, f"{self._most} requests at once", headers={"Retry-After": "1"})
            self._inside[unit_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside[unit_id] -= 1
                if not self._inside[unit_id]:
                    del self._inside[unit_id]


class QuotaDesk:
    """Decides on each new upload. The counts are in the register, so all instances of a store keep the same ones."""

    def __init__(self, register: Register, limits: UnitLimits, alarms: Alarms, clock: Clock) -> None:
        self._register = register
        self._usage = UsageBook(register)
        self._limits = limits
        self._alarms = alarms
        self._clock = clock
        self._alarmed_us: dict[str, int] = {}
        self._lock = threading.Lock()

    def admit(self, unit_id: str, size: int) -> None:
        """A new upload of ``size`` bytes. Raises Problem 429 with ``Retry-After``, or 507."""
        limits = self._limits
        self._room(unit_id, size)
        unfinished = self._usage.unfinished(unit_id)
        # One alone is always taken: a segment larger than the limit must not be shut out for ever.
        if limits.unfinished_bytes and unfinished and unfinished + size > limits.unfinished_bytes:
            raise Problem(
                UNFINISHED,
                f"{unfinished} + {size} > {limits.unfinished_bytes} bytes",
                headers={"Retry-After": str(UNFINISHED_RETRY_S)},
            )
        unnamed = self._usage.unnamed(unit_id)
        if limits.unnamed_bytes and unnamed and unnamed + size > limits.unnamed_bytes:
            # Over as soon as the journal names them. A unit whose journal does not come needs a person.
            self._alarm(unit_id, unit_id, unnamed, limits.unnamed_bytes, UNNAMED)
            raise Problem(
                UNFINISHED,
                f"{unnamed} + {size} > {limits.unnamed_bytes} bytes, 日志未记载 not named by the journal",
                headers={"Retry-After": str(UNFINISHED_RETRY_S)},
            )
        if limits.creates_per_minute:
            self._rate(unit_id, limits.creates_per_minute)

    def _rate(self, unit_id: str, per_minute: int) -> None:
        now = self._clock.wall_us() / 1e6
        with self._register.atomic():
            known = self._usage.bucket(unit_id)
            after, wait_s = draw(None if known is None else Bucket(*known), now, per_minute)
            self._usage.set_bucket(unit_id, after.tokens, after.at)
        if wait_s:
            raise Problem(
                TOO_MANY, f"{per_minute} new uploads a minute", headers={"Retry-After": str(math.ceil(wait_s))}
            )

    def _room(self, unit_id: str, size: int) -> None:
        limits = self._limits
        for limit, whose in ((limits.stored_bytes, unit_id), (limits.total_bytes, None)):
            if not limit:
                continue
            stored = self._usage.stored(whose) + self._usage.pending(whose) + self._usage.apart(whose)[1]
            if stored + size > limit:
                self._alarm(unit_id, whose, stored, limit)
                raise Problem(QUOTA, f"{stored} + {size} > {limit} bytes", scope="unit" if whose else "store")

    def _alarm(self, unit_id: str, whose: str | None, stored: int, limit: int, kind: str = EXCEEDED) -> None:
        """Said once an hour: the unit asks again and again, and one line of it is worth as much as a thousand."""
        now, key = self._clock.boottime_us(), f"{kind} {whose or ''}"
        with self._lock:
            last = self._alarmed_us.get(key)
            if last is not None and now - last < ALARM_AGAIN_S * 1e6:
                return
            self._alarmed_us[key] = now
        zh, en = _SAID[kind]
        self._alarms.raise_alarm(
            kind,
            f"{'' if whose is None else '该设备的'}{zh}",
            en,
            unit_id=unit_id,
            scope="unit" if whose else "store",
            stored_bytes=stored,
            limit_bytes=limit,
        )
