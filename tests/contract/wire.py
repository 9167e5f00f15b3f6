"""The documents of the wire as a test uses them: docs/asyncapi.yaml, docs/schemas, docs/wire.md."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMAS = DOCS / "schemas"
COMMON = "common.json"


@cache
def asyncapi() -> dict[str, Any]:
    value = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """By file name; :data:`COMMON` is among them."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SCHEMAS.glob("*.json"))}


@cache
def validator(name: str) -> Draft7Validator:
    resources = [
        (known, Resource.from_contents(schema, default_specification=DRAFT7)) for known, schema in schemas().items()
    ]
    registry: Registry[Any] = Registry().with_resources(resources)
    # Named, so that what it refers to is looked for beside it.
    return Draft7Validator({"$ref": f"{name}#"}, registry=registry)


@dataclass(frozen=True, slots=True)
class Channel:
    """``action`` from the unit's point of view: ``send`` or ``receive``."""

    address: str
    schema: str
    action: str
    bindings: dict[str, Any]


@cache
def channels() -> tuple[Channel, ...]:
    """Every operation of the document with the schema of its channel's one message."""
    document = asyncapi()
    found = []
    for operation in document["operations"].values():
        channel = _at(document, operation["channel"])
        (message,) = (_at(document, each) for each in channel["messages"].values())
        schema = message["payload"]["schema"]["$ref"].removeprefix("schemas/")
        found.append(Channel(channel["address"], schema, operation["action"], operation["bindings"]["mqtt"]))
    return tuple(found)


def channel_of(topic: str) -> Channel:
    """The channel a real topic belongs to. Raises LookupError for one that is not documented."""
    for channel in channels():
        if re.fullmatch(re.escape(channel.address).replace(r"\{unit\}", "[a-z0-9-]+"), topic):
            return channel
    raise LookupError(topic)


def problems(topic: str, payload: bytes) -> list[str]:
    """What is wrong with a message, in words; empty when it is what the documents say."""
    try:
        channel = channel_of(topic)
    except LookupError:
        return [f"{topic}: in no channel of docs/asyncapi.yaml"]
    errors = validator(channel.schema).iter_errors(json.loads(payload))
    return [f"{topic}: {error.json_path}: {error.message}" for error in errors]


def _at(document: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """What a local ``$ref`` names."""
    found: Any = document
    for step in reference["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    assert isinstance(found, dict)
    return found
