"""Which announcements to (re)send now. Pure: the outbox holds them, this holds when each may go again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recorder.uplink.backoff import BackoffPolicy

WINDOW = 20
"""Unacknowledged messages under way at once: the receive maximum we ask of the broker."""

RESEND_BASE_S = 5.0
RESEND_MAX_S = 300.0
ANNOUNCE_EXPIRY_S = 2 * round(RESEND_MAX_S)
"""What the broker keeps longer for a store that is away has a successor: its queue stays short however long that lasts."""

STUCK_US = 900 * 1_000_000


@dataclass(frozen=True, slots=True)
class _Tries:
    count: int
    first_us: int
    """When it went out for the first time on this connection."""
    next_us: int


class ResendPlan:
    """An announcement is repeated, later and later, until the store's own acknowledgement."""

    def __init__(self, policy: BackoffPolicy | None = None) -> None:
        self._policy = policy or BackoffPolicy(RESEND_BASE_S, RESEND_MAX_S)
        self._tries: dict[str, _Tries] = {}

    def due(self, pending: Sequence[str], now_us: int) -> list[str]:
        """Those of ``pending`` (oldest first, at most the window) whose time has come."""
        window = pending[:WINDOW]
        self._tries = {key: value for key, value in self._tries.items() if key in set(window)}
        return [msg_id for msg_id in window if msg_id not in self._tries or self._tries[msg_id].next_us <= now_us]

    def sent(self, msg_id: str, now_us: int, fraction: float) -> None:
        before = self._tries.get(msg_id)
        tries = 1 if before is None else before.count + 1
        # Never sooner than half the interval: an acknowledgement needs a round trip and a commit at the store.
        pause = self._policy.delay_s(tries, 0.5 + fraction / 2)
        first_us = now_us if before is None else before.first_us
        self._tries[msg_id] = _Tries(tries, first_us, now_us + round(pause * 1e6))

    def reconnected(self) -> None:
        """What was under way on the old connection may be lost: all of it is due again."""
        self._tries.clear()

    def stuck(self, now_us: int) -> bool:
        """Something went out again and again on this connection for :data:`STUCK_US` and was never acknowledged: while the
        store is there, the connection only looks alive."""
        return any(now_us - tries.first_us > STUCK_US for tries in self._tries.values())
