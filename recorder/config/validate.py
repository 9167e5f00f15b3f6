"""Merge and validate layers; every finding gets the place where a person wrote the value."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from recorder.config.finding import Finding
from recorder.config.keys import closest, suggestion
from recorder.config.layers import Layer, Merged, existing, merge
from recorder.config.messages import explain
from recorder.config.models import RecorderConfig
from recorder.config.problems import KeyPath, Problem
from recorder.config.rules import findings


@dataclass(frozen=True, slots=True)
class Outcome:
    """``config`` is None when types or bounds are violated. ``offending``: the key paths to take away to cure the errors
    that block; ``suspect``: those of the tolerable ones, which are never taken away."""

    config: RecorderConfig | None
    merged: Merged
    problems: tuple[Problem, ...]
    offending: tuple[KeyPath, ...]
    suspect: tuple[KeyPath, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def blocking(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.errors if not problem.tolerable)


def validate(layers: Sequence[Layer], skip: Collection[KeyPath] = ()) -> Outcome:
    """Merge and validate. Strict: ``"30"`` is no number and 1 is no truth value.

    Validated as JSON, since in pydantic's strict mode only JSON arrays become tuples. The rules between settings run only
    on what has valid types, and not where they touch one of the paths in ``skip``.
    """
    merged = merge(layers)
    unknown = _unknown_indications(layers, merged)
    text = json.dumps(merged.data, default=lambda value: {"toml": str(value)})  # dates, times: no setting is one
    try:
        config = RecorderConfig.model_validate_json(text, strict=True)
    except ValidationError as error:
        details = [each for each in error.errors(include_url=False) if _path(each)[:2] not in unknown]
        problems = (*unknown.values(), *(_problem(detail, merged) for detail in details))
        paths = tuple(existing(merged.data, _path(detail)) for detail in details)
        return Outcome(None, merged, problems, (*unknown, *paths))
    found = [each for each in findings(config) if not any(_touch(path, other) for path in each.paths for other in skip)]
    errors = [each for each in found if each.severity == "error"]
    return Outcome(
        config,
        merged,
        (*unknown.values(), *(_placed(each, merged) for each in found)),
        (*unknown, *(path for each in errors if not each.tolerable for path in each.paths)),
        tuple(path for each in errors if each.tolerable for path in each.paths),
    )


def _unknown_indications(layers: Sequence[Layer], merged: Merged) -> dict[KeyPath, Problem]:
    """A misspelt indication would be accepted as one more table with a free name, and never be shown."""
    known = [name for layer in layers if layer.kind == "defaults" for name in layer.data.get("indicators", {})]
    present = merged.data.get("indicators")
    unknown: dict[KeyPath, Problem] = {}
    for name in present if isinstance(present, dict) else ():
        if name not in known:
            path: KeyPath = ("indicators", name)
            unknown[path] = _unknown(path, closest(name, known), merged)
    return unknown


def _touch(one: KeyPath, other: KeyPath) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _path(detail: ErrorDetails) -> KeyPath:
    """pydantic's location without its ``[key]`` marker for an error in a table's key."""
    return tuple(part for part in detail["loc"] if part != "[key]")


def _problem(detail: ErrorDetails, merged: Merged) -> Problem:
    path = _path(detail)
    if detail["type"] == "extra_forbidden":
        return _unknown(path, suggestion(path), merged)
    return Problem(merged.place(path), path, *explain(detail))


def _unknown(path: KeyPath, near: str | None, merged: Merged) -> Problem:
    zh, en = (f"，是否应为 '{near}'？", f", did you mean '{near}'?") if near else ("", "")
    return Problem(merged.place(path), path, f"未知的配置项{zh}", f"unknown key{en}")


def _placed(finding: Finding, merged: Merged) -> Problem:
    """Point at the setting a person wrote, not at the default it contradicts."""
    written = [path for path in finding.paths if path in merged.origins and merged.origins[path].kind != "defaults"]
    path = written[0] if written else finding.paths[0]
    return Problem(merged.place(path), path, finding.zh, finding.en, finding.severity, finding.tolerable)
