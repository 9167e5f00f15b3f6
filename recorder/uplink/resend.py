"""Which announcements to (re)send now. Pure: the outbox holds them, this holds when each may go again."""

from __future__ import annotations

from collections.abc import Sequence

from recorder.uplink.backoff import BackoffPolicy

WINDOW = 20
"""Unacknowledged messages under way at once: the receive maximum we ask of the broker."""

RESEND_BASE_S = 5.0
RESEND_MAX_S = 300.0


class ResendPlan:
    """An announcement is repeated, later and later, until the store's own acknowledgement."""

    def __init__(self, policy: BackoffPolicy | None = None) -> None:
        self._policy = policy or BackoffPolicy(RESEND_BASE_S, RESEND_MAX_S)
        self._tries: dict[str, tuple[int, int]] = {}

    def due(self, pending: Sequence[str], now_us: int) -> list[str]:
        """Those of ``pending`` (oldest first, at most the window) whose time has come."""
        window = pending[:WINDOW]
        self._tries = {key: value for key, value in self._tries.items() if key in set(window)}
        return [msg_id for msg_id in window if self._tries.get(msg_id, (0, 0))[1] <= now_us]

    def sent(self, msg_id: str, now_us: int, fraction: float) -> None:
        tries = self._tries.get(msg_id, (0, 0))[0] + 1
        # Never sooner than half the interval: an acknowledgement needs a round trip and a commit at the store.
        pause = self._policy.delay_s(tries, 0.5 + fraction / 2)
        self._tries[msg_id] = (tries, now_us + round(pause * 1e6))

    def reconnected(self) -> None:
        """What was under way on the old connection may be lost: all of it is due again."""
        self._tries.clear()
