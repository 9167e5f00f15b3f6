"""Which kind of line the store is reached by, and what may go over it. Pure.

A unit learns nothing of prices from the kernel; the agency names the interfaces. An interface nobody named is an ordinary
one and takes everything: a wrong guess here would hold evidence back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

Cargo: TypeAlias = Literal["anchor", "marked", "plain"]
"""What asks to be sent: journal posts and requests for receipts; segments of marked evidence; all other segments."""

MeteredRule: TypeAlias = Literal["anchors", "marked", "all"]


class Link(Enum):
    """``NONE``: no way to the store is known. Nothing is held back then: trying costs nothing, and the table the answer
    came from may be wrong."""

    DOCK = "dock"
    ORDINARY = "ordinary"
    METERED = "metered"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class LinkNames:
    """Shell patterns of interface names (``wwan*``). A name in both lists is a dock: what is named cheap is cheap."""

    dock: tuple[str, ...] = ()
    metered: tuple[str, ...] = ()

    def classify(self, interface: str | None) -> Link:
        """``interface``: the one the way to the store begins with, None when there is no way."""
        if interface is None:
            return Link.NONE
        if _matches(interface, self.dock):
            return Link.DOCK
        return Link.METERED if _matches(interface, self.metered) else Link.ORDINARY


def _matches(interface: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(interface, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class LinkPolicy:
    """What a metered line may carry. ``yield_slack_s``: with this little time, or less, to a segment's statutory deadline
    (Hebei measures art. 24) the rule gives way: a bill is no reason to be late."""

    metered: MeteredRule = "all"
    yield_slack_s: float = 0.0

    def allows(self, link: Link, cargo: Cargo, slack_s: float | None = None) -> bool:
        """``slack_s``: seconds to the deadline of what is to be sent; None while none runs.

        Anchors always go: they are small, and without them a cut tail cannot be told from a power cut.
        """
        if link is not Link.METERED or cargo == "anchor" or self.metered == "all":
            return True
        if cargo == "marked" and self.metered == "marked":
            return True
        return slack_s is not None and slack_s <= self.yield_slack_s
