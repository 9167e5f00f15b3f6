"""What keys may exist: the models walked by key path, for suggestions and for environment variables."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel

from recorder.config.models import RecorderConfig
from recorder.config.problems import KeyPath, dotted


def _bare(annotation: Any) -> Any:
    """Without constraints and without ``| None``."""
    while (origin := typing.get_origin(annotation)) in (Annotated, typing.Literal, typing.Union, types.UnionType):
        if origin is typing.Literal:
            return type(typing.get_args(annotation)[0])
        annotation = typing.get_args(annotation)[0]
    return annotation


def annotation_at(path: KeyPath) -> Any:
    """The type at ``path`` without its constraints; None where no such key can exist."""
    found: Any = RecorderConfig
    for part in path:
        if isinstance(found, type) and issubclass(found, BaseModel):
            model_field = found.model_fields.get(str(part))
            if model_field is None:
                return None
            found = _bare(model_field.annotation)
        elif typing.get_origin(found) in (dict, tuple):
            found = _bare(typing.get_args(found)[1 if typing.get_origin(found) is dict else 0])
        else:
            return None
    return found


def is_text(path: KeyPath) -> bool:
    """Whether the setting at ``path`` is a string."""
    return annotation_at(path) is str


def fields(model: type[BaseModel] = RecorderConfig, base: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key of the models; below a table with free names (``cameras``, ``indicators``) the name is ``*``."""
    for name, model_field in model.model_fields.items():
        path = (*base, name)
        yield path
        inner = _bare(model_field.annotation)
        if typing.get_origin(inner) is dict:
            path, inner = (*path, "*"), _bare(typing.get_args(inner)[1])
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from fields(inner, path)


def suggestion(path: KeyPath) -> str | None:
    """The key probably meant by the unknown ``path``: a similar name beside it, else the same name in another section."""
    parent, wrong = annotation_at(path[:-1]), str(path[-1])
    if isinstance(parent, type) and issubclass(parent, BaseModel):
        near = closest(wrong, list(parent.model_fields))
        if near:
            return near
    elsewhere = [key for key in fields() if key[-1] == wrong]
    return dotted(elsewhere[0]) if len(elsewhere) == 1 else None


def closest(wrong: str, right: list[str]) -> str | None:
    """The most similar of ``right``, None when none is similar."""
    import difflib  # only for a message about a mistake; the unit process has little room (half a megabyte)

    near = difflib.get_close_matches(wrong, right, n=1)
    return near[0] if near else None
