"""Carries a roll-out out: asks the store, lets :mod:`recorder.fleet.rollout` decide, writes that down, signs and sends."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Protocol

from recorder.evidence.desired import Desired, sign_desired
from recorder.evidence.jws import Signer
from recorder.fleet.rollout import Rollout, Send, View, step
from recorder.fleet.store import view

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock

BATCH: Final = 100
"""So many are sent in one turn: thousands would keep other roll-outs waiting."""
_NAMESPACE = uuid.UUID("6a1c0b9e-6f6d-4c0e-9f5b-0c8a53b8a0d1")


class Publish(Protocol):
    """``FleetConnection.publish``."""

    def __call__(self, topic: str, body: Mapping[str, Any], *, retain: bool) -> None: ...


def signed(send: Send, rollout_id: str, signer: Signer, wall_s: float) -> str:
    """The same ``jti`` however often it is sent: it is the same order."""
    desired = Desired(
        ver=1,
        jti=str(uuid.uuid5(_NAMESPACE, f"{rollout_id}/{send.unit_id}/{send.version}")),
        unit_id=send.unit_id,
        version=send.version,
        iat=wall_s,
        toml=send.toml,
    )
    return sign_desired(desired, signer)


class Runner:
    """``summaries`` asks the store, ``newest`` what other roll-outs have sent to whom, ``in_turn`` keeps them from looking
    and sending meanwhile, ``save`` writes down, ``publish`` sends, ``settle`` waits until the broker has it; ``pause``
    waits so many seconds and says whether to go on; ``told`` hears each state that is news."""

    def __init__(
        self,
        clock: Clock,
        signer: Signer,
        summaries: Callable[[], Iterable[Mapping[str, Any]]],
        newest: Callable[[Rollout], Mapping[str, int]],
        in_turn: Callable[[], AbstractContextManager[None]],
        save: Callable[[Rollout], None],
        publish: Publish,
        settle: Callable[[], None],
        told: Callable[[Rollout], None],
    ) -> None:
        self._clock = clock
        self._signer = signer
        self._summaries = summaries
        self._newest = newest
        self._in_turn = in_turn
        self._first = True
        self._save = save
        self._publish = publish
        self._settle = settle
        self._told = told

    def once(self, rollout: Rollout) -> Rollout:
        """One step. What it sends is sent after it is written down. Raises FleetError."""
        now = self._clock.wall_us() / 1e6
        views: dict[str, View] = {str(each["unit_id"]): view(each) for each in self._summaries()}
        after, sends = step(rollout, views, now)
        if not (self._first or sends or after != rollout):  # the others, who may be many, need not be read
            return after
        with self._in_turn():
            after, sends = step(rollout, views, now, self._newest(rollout))
            self._first = False
            if after != rollout:
                self._save(after)
        if after != rollout:
            self._told(after)
        for begin in range(0, len(sends), BATCH):
            self._send(after, sends[begin : begin + BATCH], now)
        return after

    def _send(self, rollout: Rollout, sends: Sequence[Send], now: float) -> None:
        """One turn. What another roll-out has sent since is left in its place; the next step says that it was."""
        with self._in_turn():
            newest = self._newest(rollout)
            for send in sends:
                if newest.get(send.unit_id, 0) <= send.version:
                    text = signed(send, rollout.plan.rollout_id, self._signer, now)
                    self._publish(f"fleet/v1/{send.unit_id}/down/desired", {"desired": text}, retain=True)
            self._settle()  # in our own queue it could still come behind what the next one sends

    def run(self, rollout: Rollout, poll_s: float, pause: Callable[[float], bool]) -> Rollout:
        """Until it is over, or ``pause`` says that nobody wants to wait any longer."""
        while True:
            rollout = self.once(rollout)
            if rollout.phase in ("done", "aborted") or not pause(poll_s):
                return rollout
