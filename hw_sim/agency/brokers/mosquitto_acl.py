"""The access list as mosquitto reads it (``acl_file``, mosquitto.conf(5))."""

from __future__ import annotations

from collections.abc import Sequence

from hw_sim.agency.brokers.access import NAMED, RULES, UNIT, Rule


def acl_file(rules: Sequence[Rule] = RULES) -> str:
    """``%u`` is the user name, which ``use_identity_as_username`` takes from the certificate. A pattern holds for every
    user, the store and the desk included: for them it opens a tree of their own name that nobody reads."""
    lines = [f"pattern {rule.access} {rule.topic.replace(UNIT, '%u')}" for rule in rules if rule.who == UNIT]
    for name in NAMED:
        lines += ["", f"user {name}"]
        lines += [f"topic {rule.access} {rule.topic}" for rule in rules if rule.who == name]
    return "\n".join(lines) + "\n"
