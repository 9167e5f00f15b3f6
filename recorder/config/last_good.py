"""The configuration that last worked, layer by layer: what a broken file is replaced with until somebody mends it.

``<data_dir>/config/last_good.json``, written by the unit process only, after a start or reload without errors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recorder.config.layers import Layer, LayerKind
from recorder.config.locations import Parsed
from recorder.config.problems import Place, Problem
from recorder.evidence.files import Files

LAST_GOOD = Path("config") / "last_good.json"
PUSHED = Path("config") / "pushed.toml"


class _StoredLayer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    kind: LayerKind
    data: dict[str, Any]


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1]
    sha256: str
    layers: Annotated[tuple[_StoredLayer, ...], Field(min_length=1)]


def dump(layers: Sequence[Layer], sha256: str) -> bytes:
    """The file's bytes. Environment layers stay out: they belong to one start of one process."""
    stored = [
        {"name": layer.name, "kind": layer.kind, "data": layer.data} for layer in layers if layer.kind != "environment"
    ]
    return json.dumps({"version": 1, "sha256": sha256, "layers": stored}, ensure_ascii=False, indent=1).encode("utf-8")


def write(files: Files, data_dir: Path, layers: Sequence[Layer], sha256: str) -> Path:
    """Write it atomically. Raises OSError: for the caller a fault to record, never a reason to stop."""
    path = data_dir / LAST_GOOD
    files.make_dir(path.parent)
    files.replace(path, dump(layers, sha256))
    return path


def read(data_dir: Path) -> dict[str, Layer] | Problem:
    """The stored layers by name, lowest first; none before anything is stored; a :class:`Problem` when it is damaged."""
    path = data_dir / LAST_GOOD
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return Problem(Place(str(path)), (), f"无法读取：{reason}", f"cannot be read: {reason}")
    try:
        stored = _Stored.model_validate_json(raw)
    except ValidationError as error:
        count = error.error_count()
        return Problem(Place(str(path)), (), f"内容损坏（{count} 处）", f"damaged ({count} finding(s))")
    return {
        layer.name: Layer(f"{layer.name} (last good)", layer.kind, Parsed(layer.data, {})) for layer in stored.layers
    }
