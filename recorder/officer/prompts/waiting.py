"""Who may speak next. Pure: a waiting line with priorities, at most once per interval, nothing stale, urgent cuts in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from recorder.officer.prompts.catalogue import Prompt

MOST_WAITING: Final = 16
"""Beyond it the least important one gives way: an officer can act on a few sentences, not on twenty."""

Dropped = Literal["stale", "crowded-out", "recording"]


@dataclass(frozen=True, slots=True)
class Request:
    """Something to say. ``at_us``: when it was asked for."""

    prompt: Prompt
    values: Mapping[str, object]
    at_us: int


class WaitingLine:
    """``offer`` what shall be said, ``take`` what may be said now."""

    def __init__(self) -> None:
        self._waiting: list[Request] = []
        self._begun_us: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, request: Request) -> list[tuple[Request, Dropped]]:
        """Stand in line; returns whom that crowds out. Said again within ``repeat_s``, it is left out. A prompt that
        waits already takes over the newer values, unless each is to be said (``repeat_s = 0``): then only equal ones
        merge."""
        if self._said_lately(request):
            return []
        for index, other in enumerate(self._waiting):
            if other.prompt.id == request.prompt.id and (request.prompt.repeat_us or other.values == request.values):
                self._waiting[index] = request
                return []
        self._waiting.append(request)
        self._waiting.sort(key=lambda waiting: waiting.prompt.rank)  # stable: first come, first served
        crowded, self._waiting = self._waiting[MOST_WAITING:], self._waiting[:MOST_WAITING]
        return [(request, "crowded-out") for request in crowded]

    def expired(self, now_us: int) -> list[tuple[Request, Dropped]]:
        """Take out what has waited longer than it is worth saying."""
        old = [request for request in self._waiting if now_us - request.at_us > request.prompt.stale_us]
        self._waiting = [request for request in self._waiting if request not in old]
        return [(request, "stale") for request in old]

    def withdraw(self, ids: Collection[str]) -> list[tuple[Request, Dropped]]:
        """A recording has begun: what was to be said before it is not said any more."""
        idle = [request for request in self._waiting if request.prompt.id in ids]
        self._waiting = [request for request in self._waiting if request.prompt.id not in ids]
        return [(request, "recording") for request in idle]

    def cuts_in(self, speaking: Prompt) -> bool:
        """Shall what is being said be cut short? Only by an urgent prompt, and only if it is not urgent itself."""
        return bool(self._waiting) and self._waiting[0].prompt.priority == "urgent" and speaking.priority != "urgent"

    def take(self, now_us: int) -> Request | None:
        """The next one to begin now, or None. Call :meth:`expired` first."""
        while self._waiting:
            request = self._waiting.pop(0)
            if not self._said_lately(request, now_us):
                self._begun_us[request.prompt.id] = now_us
                return request
        return None

    def _said_lately(self, request: Request, now_us: int | None = None) -> bool:
        begun = self._begun_us.get(request.prompt.id)
        at_us = request.at_us if now_us is None else now_us
        return begun is not None and request.prompt.repeat_us > 0 and at_us - begun < request.prompt.repeat_us
