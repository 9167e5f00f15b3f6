"""What a scenario's script may wait for, in two words: ``prompt resumed``. What happened knows ``runner/happenings.py``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, get_args

from recorder.config.paths import shipped_dir
from recorder.evidence.carried import GapPhase
from recorder.evidence.records import RECORD_TYPES
from recorder.faults.catalogue import CATALOGUE
from recorder.officer.prompts.catalogue import parse_catalogue

Kind = Literal["prompt", "fault", "fault-end", "record", "gap", "receipted"]

KINDS: Final = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Awaited:
    """``prompt``: the unit has said it to the end; ``fault``, ``fault-end``: recorded; ``record``: one of this type;
    ``gap``: the latest interruption has come to this state (docs/interruptions.md); ``receipted``: the store has signed for
    every segment."""

    kind: Kind
    what: str


def parse_awaited(text: str) -> Awaited:
    """Raises ValueError, saying what is known."""
    word, _, what = text.strip().partition(" ")
    kind: Kind | None = next((kind for kind in KINDS if kind == word), None)
    if kind is None:
        raise ValueError(f"until = {text!r}: 应以其中之一开头 must begin with one of {', '.join(KINDS)}")
    known = _known(kind)
    if what not in known:
        raise ValueError(f"until = {text!r}: 没有 no {kind} {what!r}. 可用 known: {', '.join(sorted(known))}")
    return Awaited(kind, what)


def _known(kind: Kind) -> frozenset[str]:
    match kind:
        case "prompt":
            return _prompts()
        case "fault" | "fault-end":
            return frozenset(CATALOGUE)
        case "record":
            return frozenset(RECORD_TYPES)
        case "gap":
            return frozenset(get_args(GapPhase))
        case "receipted":
            return frozenset({""})


@cache
def _prompts() -> frozenset[str]:
    path = shipped_dir() / "prompts" / "catalogue.toml"
    return frozenset(parse_catalogue(path.read_text(encoding="utf-8"), str(path)).prompts)
