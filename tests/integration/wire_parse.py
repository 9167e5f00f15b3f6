"""What was said on a tapped line: HTTP requests and MQTT 5 packets, read from plain bytes. Independent of our clients."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


@dataclass(frozen=True, slots=True)
class Request:
    """``headers``: names in lower case. ``body`` may be torn: the line broke in it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def requests(up: bytes) -> Iterator[Request]:
    stream = io.BytesIO(up)
    while line := stream.readline():
        assert line.endswith(b"\r\n"), line
        method, path, version = line.decode("ascii").split()
        assert version == "HTTP/1.1"
        headers = {name.lower(): value for name, value in http.client.parse_headers(stream).items()}
        assert "transfer-encoding" not in headers
        yield Request(method, path, headers, stream.read(int(headers.get("content-length", "0"))))


def locations(down: bytes) -> set[str]:
    """Every ``Location`` the server gave."""
    lines = (line for line in bytes(down).split(b"\r\n") if line.lower().startswith(b"location:"))
    return {line.split(b":", 1)[1].strip().decode("ascii") for line in lines}


@dataclass(frozen=True, slots=True)
class Connect:
    """MQTT 5 §3.1. ``will_properties`` None: no will."""

    client_id: str
    clean_start: bool
    keepalive_s: int
    properties: Any
    will_topic: str = ""
    will_payload: bytes = b""
    will_retain: bool = False
    will_properties: Any = None


@dataclass(frozen=True, slots=True)
class Publish:
    """MQTT 5 §3.3."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: Any


@dataclass(frozen=True, slots=True)
class Other:
    """A packet without anything of ours in it: acknowledgements, pings, subscriptions."""

    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Subscribe:
    """MQTT 5 §3.8: (topic filter, options byte)."""

    filters: tuple[tuple[str, int], ...]


Packet = Connect | Publish | Subscribe | Other


def packets(data: bytes) -> Iterator[Packet]:
    """A last one that is torn is left out."""
    place = 0
    while place < len(data):
        first = data[place]
        length, size = _varint(data, place + 1)
        start = place + 1 + size
        if size == 0 or start + length > len(data):
            return
        yield _packet(first, bytes(data[start : start + length]))
        place = start + length


def _packet(first: int, body: bytes) -> Packet:
    kind = first >> 4
    if kind == PacketTypes.CONNECT:
        return _connect(body)
    if kind == PacketTypes.SUBSCRIBE:
        _, place = _unpack(PacketTypes.SUBSCRIBE, body, 2)
        filters = []
        while place < len(body):
            text, place = _text(body, place)
            filters.append((text, body[place]))
            place += 1
        return Subscribe(tuple(filters))
    if kind == PacketTypes.PUBLISH:
        qos = first >> 1 & 3
        topic, place = _text(body, 0)
        place += 2 if qos else 0
        properties, place = _unpack(PacketTypes.PUBLISH, body, place)
        return Publish(topic, body[place:], qos, bool(first & 1), properties)
    return Other(kind, body)


def _connect(body: bytes) -> Connect:
    name, place = _text(body, 0)
    assert (name, body[place]) == ("MQTT", 5)
    flags, keepalive = body[place + 1], int.from_bytes(body[place + 2 : place + 4])
    properties, place = _unpack(PacketTypes.CONNECT, body, place + 4)
    client_id, place = _text(body, place)
    clean = bool(flags & 2)
    if not flags & 4:
        return Connect(client_id, clean, keepalive, properties)
    will, place = _unpack(PacketTypes.WILLMESSAGE, body, place)
    topic, place = _text(body, place)
    size = int.from_bytes(body[place : place + 2])
    payload = body[place + 2 : place + 2 + size]
    return Connect(client_id, clean, keepalive, properties, topic, payload, bool(flags & 32), will)


def _unpack(kind: int, body: bytes, place: int) -> tuple[Any, int]:
    make: Any = Properties
    properties = make(kind)
    _, size = properties.unpack(body[place:])
    return properties, place + size


def _text(body: bytes, place: int) -> tuple[str, int]:
    end = place + 2 + int.from_bytes(body[place : place + 2])
    return body[place + 2 : end].decode("utf-8"), end


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """(value, bytes it takes); 0 bytes when it is torn (MQTT 5 §1.5.5)."""
    value = 0
    for count in range(4):
        if place + count >= len(data):
            return 0, 0
        value |= (data[place + count] & 127) << 7 * count
        if data[place + count] < 128:
            return value, count + 1
    raise AssertionError("not a variable byte integer")
