"""Which request means what: a route names a method, a path and who may ask; the handler of a connection knows no resource.

A part with resources of its own brings its own tuple of routes and is handed to ``IngestServer`` beside the others.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Protocol
from urllib.parse import urlsplit

from hw_sim.agency.names import is_unit_id
from hw_sim.agency.store.problem import BAD_REQUEST, FORBIDDEN, METHOD, NOT_FOUND, Problem

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
DIGEST = r"[A-Za-z0-9_-]{43}"
"""SHA-256 in base64url, as the journal writes it."""
NUMBER = re.compile(r"^[0-9]{1,15}$")


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Exchange(Protocol):
    """One request being answered. ``peer``: the common name its certificate proves; ``left``: bytes of the body still to
    come; ``connection``: so that a later request can throw this one off."""

    headers: Message
    connection: socket.socket

    @property
    def peer(self) -> str: ...

    @property
    def left(self) -> int: ...

    def query(self, name: str) -> str:
        """The first value of a query parameter, empty without one."""
        ...

    def read(self, buffer: memoryview) -> int:
        """Some bytes of the body; 0 when the client is gone."""
        ...

    def body(self, limit: int) -> bytes:
        """All of it. Raises Problem 413 beyond ``limit`` bytes."""
        ...


Handle = Callable[[Exchange, re.Match[str]], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """``allowed(peer)``: whose certificates may ask. ``path`` is matched whole."""

    method: str
    path: re.Pattern[str]
    handle: Handle
    allowed: Callable[[str], bool] = is_unit_id


def route(method: str, path: str, handle: Handle, allowed: Callable[[str], bool] = is_unit_id) -> Route:
    return Route(method, re.compile(rf"^{path}$"), handle, allowed)


def answer(routes: Sequence[Route], method: str, target: str, exchange: Exchange) -> Reply:
    """Raises Problem: 400 for a target that is none, 403 for a certificate no route is for, 404 for an unknown path, 405
    for another method."""
    try:
        path = urlsplit(target).path
    except ValueError as error:
        raise Problem(BAD_REQUEST, f"{target!r}: {error}") from error
    if not any(item.allowed(exchange.peer) for item in routes):
        raise Problem(FORBIDDEN, f"CN {exchange.peer!r}")
    methods: set[str] = set()
    forbidden = False
    for item in routes:
        match = item.path.match(path)
        if match is None:
            continue
        if not item.allowed(exchange.peer):
            forbidden = True
        elif item.method == method:
            return item.handle(exchange, match)
        else:
            methods.add(item.method)
    if methods:
        raise Problem(METHOD, f"{method} {path}", headers={"Allow": ", ".join(sorted(methods))})
    if forbidden:
        raise Problem(FORBIDDEN, f"CN {exchange.peer!r}: {path}")
    raise Problem(NOT_FOUND, path)


def json_reply(status: int, value: Mapping[str, Any], content_type: str = "application/json") -> Reply:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Reply(status, {"Content-Type": content_type}, body)


def jose_reply(jws: str) -> Reply:
    return Reply(200, {"Content-Type": "application/jose"}, jws.encode("ascii"))


def problem_reply(problem: Problem) -> Reply:
    reply = json_reply(problem.kind.status, problem.body(), "application/problem+json")
    return Reply(reply.status, {**reply.headers, **problem.headers}, reply.body)
