"""What a field of the health model says of itself: kind, label, and its meaning in two languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """``label``: the Prometheus label of a field that holds a mapping, empty for a plain number. A counter only grows
    (and may begin anew); the units are in the field's name, as Prometheus asks (base units, ``_total`` for counters)."""

    kind: Literal["gauge", "counter"]
    zh: str
    en: str
    label: str = ""


def gauge(zh: str, en: str, label: str = "") -> Metric:
    """A value that goes up and down."""
    return Metric("gauge", zh, en, label)


def counter(zh: str, en: str, label: str = "") -> Metric:
    """A value that only grows."""
    return Metric("counter", zh, en, label)
