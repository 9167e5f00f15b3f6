"""A unit that talks to an instance's own socket, as nginx would: the certificate in a header."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import quote

from tests.hw_sim.agency.unit_double import UnitDouble

HEADER = "X-Client-Cert"


def escaped(directory: Path, name: str = "client-cert.pem") -> str:
    """As nginx writes ``$ssl_client_escaped_cert``."""
    return quote((directory / name).read_text(encoding="ascii"), safe="")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, certificates: tuple[str, ...], timeout_s: float) -> None:
        super().__init__("store", timeout=timeout_s)
        self._path = str(path)
        self._certificates = certificates

    def connect(self) -> None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(self.timeout)
        made.connect(self._path)
        self.sock = made

    def endheaders(self, message_body: object = None, *, encode_chunked: bool = False) -> None:
        for certificate in self._certificates:
            self.putheader(HEADER, certificate)
        super().endheaders(message_body, encode_chunked=encode_chunked)  # type: ignore[arg-type]


@dataclass(slots=True)
class ProxiedUnit(UnitDouble):
    """Made by :func:`at`."""

    path: Path = Path()
    certificates: tuple[str, ...] = ()

    def connect(self, timeout_s: float = 30.0) -> http.client.HTTPSConnection:
        return UnixConnection(self.path, self.certificates, timeout_s)  # type: ignore[return-value]


def at(path: Path, unit: UnitDouble, *certificates: str, naked: bool = False) -> ProxiedUnit:
    """``unit`` at the socket ``path``, its journal shared with it; ``certificates``: the header, once for each; its own
    certificate when none are given, none at all when ``naked``."""
    shared = {item.name: getattr(unit, item.name) for item in fields(UnitDouble)}
    given = () if naked else certificates or (escaped(unit.directory),)
    return ProxiedUnit(**shared, path=path, certificates=given)
