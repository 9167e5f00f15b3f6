"""JSON schemas of the configuration, for editors (``#:schema``) and fleet tools.

``schema.json`` is for a complete configuration, ``schema.partial.json`` for a layer, which is never complete: against the
full schema an editor would bury real errors under "required" noise. ``schema.board.json`` is for a board file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recorder.config.board_file import BoardDevices
from recorder.config.models import RecorderConfig

FULL = "schema.json"
PARTIAL = "schema.partial.json"
BOARD = "schema.board.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def full_schema() -> dict[str, Any]:
    return {"$schema": DIALECT, **RecorderConfig.model_json_schema()}


def partial_schema() -> dict[str, Any]:
    """The full schema without any ``required``; value checks stay."""
    return {**_without_required(full_schema()), "title": "RecorderConfigLayer"}


def board_schema() -> dict[str, Any]:
    return {"$schema": DIALECT, **BoardDevices.model_json_schema(), "title": "RecorderBoard"}


def _without_required(node: Any) -> Any:
    if isinstance(node, dict):
        # A property may itself be named "required": only lists are the keyword.
        return {
            key: _without_required(value)
            for key, value in node.items()
            if not (key == "required" and isinstance(value, list))
        }
    if isinstance(node, list):
        return [_without_required(item) for item in node]
    return node


def render(schema: dict[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def rendered() -> dict[str, str]:
    """File name to content, as committed in ``config/``."""
    return {FULL: render(full_schema()), PARTIAL: render(partial_schema()), BOARD: render(board_schema())}


def drifted(directory: Path) -> list[str]:
    """Names of the schema files in ``directory`` that are absent or not what the models say."""
    return [
        name
        for name, text in rendered().items()
        if not (directory / name).is_file() or (directory / name).read_text(encoding="utf-8") != text
    ]


def write(directory: Path) -> list[Path]:
    """Write the files into ``directory``."""
    written = []
    for name, text in rendered().items():
        (directory / name).write_text(text, encoding="utf-8")
        written.append(directory / name)
    return written
