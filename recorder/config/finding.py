"""What a rule between settings has to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from recorder.config.models import RecorderConfig
from recorder.config.problems import KeyPath, Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """``paths``: the settings that contradict each other, the one to name first in front."""

    paths: tuple[KeyPath, ...]
    zh: str
    en: str
    severity: Severity = "error"
    tolerable: bool = False


Rule: TypeAlias = Callable[[RecorderConfig], Iterator[Finding]]
