"""Who may publish and subscribe what (docs/wire.md, ACL): one description, rendered for each broker.

A client's name is the CN of its certificate, and its client id too: the broker sees to both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from hw_sim.agency.names import DESK_NAME, STORE_NAME

Access = Literal["read", "write"]
UNIT: Final = "{unit}"
"""In ``Rule.who``: every unit. In ``Rule.topic``: its own name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``who`` (:data:`UNIT` or a name) may ``read`` (subscribe and be given) or ``write`` (publish) the topic filter."""

    who: str
    access: Access
    topic: str


RULES: Final = (
    Rule(UNIT, "write", "fleet/v1/{unit}/up/#"),
    Rule(UNIT, "read", "fleet/v1/{unit}/down/#"),
    Rule(UNIT, "read", "fleet/v1/store/state"),
    Rule(STORE_NAME, "write", "fleet/v1/#"),
    Rule(STORE_NAME, "read", "fleet/v1/#"),
    Rule(DESK_NAME, "write", "fleet/v1/+/down/assign"),
    Rule(DESK_NAME, "write", "fleet/v1/+/down/cmd"),
    Rule(DESK_NAME, "write", "fleet/v1/+/down/desired"),
    Rule(DESK_NAME, "read", "fleet/v1/+/up/#"),
    Rule(DESK_NAME, "read", "fleet/v1/store/state"),
)

NAMED: Final = tuple(dict.fromkeys(rule.who for rule in RULES if rule.who != UNIT))
"""Everybody who is no unit."""


def topics(rules: Iterable[Rule], who: str, access: Access) -> list[str]:
    """The filters of one party, in order."""
    return [rule.topic for rule in rules if rule.who == who and rule.access == access]
