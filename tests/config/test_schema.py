"""The committed schemas are what the models say, and the partial one has no ``required`` left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recorder.config import schema
from recorder.config.paths import shipped_dir


def test_no_drift() -> None:
    assert schema.drifted(shipped_dir()) == [], "./dev run recorder config schema --write config"


def test_drift_is_found(tmp_path: Path) -> None:
    assert schema.drifted(tmp_path) == [schema.FULL, schema.PARTIAL, schema.BOARD]
    schema.write(tmp_path)
    assert schema.drifted(tmp_path) == []
    full = tmp_path / schema.FULL
    full.write_text(full.read_text(encoding="utf-8").replace("3600", "3601"), encoding="utf-8")
    assert schema.drifted(tmp_path) == [schema.FULL]


def keywords(node: Any) -> set[str]:
    if isinstance(node, dict):
        return set(node).union(*map(keywords, node.values()))
    return set().union(*map(keywords, node)) if isinstance(node, list) else set()


def test_the_partial_schema_demands_nothing_but_keeps_every_bound() -> None:
    full, partial = schema.full_schema(), schema.partial_schema()
    assert "required" in keywords(full)
    assert "required" not in keywords(partial)
    assert keywords(full) - {"required"} == keywords(partial)
    assert partial["$defs"]["Camera"]["properties"]["frame_rate"]["maximum"] == 60
    assert partial["$defs"]["Camera"]["additionalProperties"] is False


def test_a_setting_called_required_would_stay() -> None:
    node = {"required": ["required"], "properties": {"required": {"type": "string"}}}
    assert schema._without_required(node) == {"properties": {"required": {"type": "string"}}}
