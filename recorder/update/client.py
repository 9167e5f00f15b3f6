"""HTTPS to the update server and to where its artefacts lie. Thin: what an answer means is :mod:`recorder.update.ddi`'s.

On the uplink's own connection: its time-outs, its DSCP mark, its names for what goes wrong.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from recorder.uplink.answers import fault_of
from recorder.uplink.connection import Connection, ConnectionOptions
from recorder.uplink.faults import (
    PROTOCOL,
    STORE_NOT_CONFIGURED,
    STORE_URL_INVALID,
    TLS_CREDENTIALS,
    LinkFault,
    UplinkFault,
)
from recorder.uplink.http import Answer
from recorder.uplink.link_faults import link_fault
from recorder.uplink.sending import BLOCK
from recorder.uplink.tls_socket import use_tls_socket

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it

MAX_ANSWER: Final = 1 << 20
_MAY_PASS: Final = frozenset({401, 403, 407, 408, 425, 429})
"""Of the refusals (RFC 9110 §15.5), those about who asks, or when."""


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    target: str
    """Path and query."""


def address(url: str) -> Address:
    """Only HTTPS. Raises UplinkFault."""
    if not url:
        raise UplinkFault(STORE_NOT_CONFIGURED, "update.url")
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise UplinkFault(STORE_URL_INVALID, f"{url[:200]!r}: {error}") from error
    if parts.scheme != "https" or not parts.hostname or parts.username is not None or not url.isascii() or " " in url:
        raise UplinkFault(STORE_URL_INVALID, f"{url[:200]!r}: 必须是 must be https://host[:port]/…")
    return Address(parts.hostname, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def server_context(ca_file: Path) -> ssl.SSLContext:
    """TLS 1.2+, trusting ``ca_file`` alone. Raises UplinkFault."""
    context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(ca_file)
    except (ssl.SSLError, OSError) as error:
        raise UplinkFault(TLS_CREDENTIALS, f"{ca_file}: {error}", subject=ca_file.name) from error
    return context


class DdiClient:
    """``authorization``: value of that header, ``TargetToken …`` or ``GatewayToken …`` (hawkBit's authentication); it is
    sent to the host of ``base_url`` and to nobody else. A new connection for each request: there is one an hour."""

    def __init__(
        self,
        base_url: str,
        tenant: str,
        controller_id: str,
        authorization: str,
        ca_file: Path,
        options: ConnectionOptions,
        clock: Clock,
    ) -> None:
        self._root = f"{base_url.rstrip('/')}/{tenant}/controller/v1/{controller_id}"
        self._home = address(base_url)
        self._authorization = authorization
        self._ca_file = ca_file
        self._options = options
        self._clock = clock

    def base(self) -> bytes:
        return self.get(self._root)

    def get(self, url: str) -> bytes:
        """Body of a 200. Raises UplinkFault (LinkFault: the connection)."""
        return self._whole("GET", url, None).body

    def send(self, method: str, url: str, body: dict[str, Any]) -> None:
        """Raises UplinkFault for anything but 2xx."""
        self._whole(method, url, json.dumps(body, ensure_ascii=False).encode("utf-8"))

    def feedback(self, channel: str, action_id: str, body: dict[str, Any]) -> bool:
        """False: the server does not know the action any more (404, 410), or refuses the report for good: told again and
        again, it would keep the unit from asking for anything."""
        answer = self._exchange("POST", f"{self._root}/{channel}/{action_id}/feedback", _encoded(body), {})
        if 400 <= answer.status < 500 and answer.status not in _MAY_PASS:
            return False
        if not 200 <= answer.status < 300:
            raise fault_of(answer)
        return True

    def download(self, url: str, into: IO[bytes], most: int, between_blocks: Callable[[int], None]) -> None:
        """What of ``url`` lies behind the end of ``into`` is appended to it (Range, RFC 9110 §14); a server that sends the
        whole instead begins anew. Never more than ``most`` bytes in all. ``between_blocks(count)`` may wait or raise."""
        start = into.seek(0, 2)
        if start > most:  # of no use; and what follows reads up to ``most``, which must not be behind the start
            start = into.truncate(into.seek(0))
        headers = {"Range": f"bytes={start}-"} if start else {}
        connection = self._request("GET", url, None, headers)
        try:
            response = connection.getresponse()
            if response.status == 416:
                into.truncate(0)
                raise LinkFault(PROTOCOL, "416: 从头再来 begins anew")
            if response.status == 200:
                into.seek(0)
                into.truncate(0)
                start = 0
            elif response.status != 206 or _range_start(response) != start:
                body = response.read(MAX_ANSWER)
                raise fault_of(Answer(response.status, dict(response.getheaders()), body))
            while block := response.read(min(BLOCK, most - start + 1)):
                start += len(block)
                if start > most:
                    into.truncate(0)
                    raise UplinkFault(PROTOCOL, f"多于 more than {most} bytes")
                into.write(block)
                between_blocks(len(block))
            if response.length:  # read(n) takes an early end for the end
                raise http.client.IncompleteRead(b"", response.length)
        except (OSError, http.client.HTTPException) as error:
            self._failed(error)
        finally:
            connection.close()

    def _whole(self, method: str, url: str, body: bytes | None) -> Answer:
        answer = self._exchange(method, url, body, {})
        if not 200 <= answer.status < 300:
            raise fault_of(answer)
        return answer

    def _exchange(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        connection = self._request(method, url, body, headers)
        try:
            response = connection.answer()
            data = response.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            self._failed(error)
        finally:
            connection.close()
        if len(data) > MAX_ANSWER:
            raise UplinkFault(PROTOCOL, f"answer longer than {MAX_ANSWER} bytes")
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, data)

    def _request(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Connection:
        to = address(url)
        sent = {"Accept": "application/hal+json, application/json;q=0.9, */*;q=0.1", "Connection": "close", **headers}
        if body is not None:
            sent["Content-Type"] = "application/json;charset=UTF-8"
        if self._authorization and (to.host, to.port) == (self._home.host, self._home.port):
            sent["Authorization"] = self._authorization
        connection = Connection(to.host, to.port, server_context(self._ca_file), self._options, self._clock)
        connecting = True
        try:
            connection.connect()
            connecting = False
            connection.request(method, to.target, body=body, headers=sent)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            connection.close()
            self._failed(error, connecting=connecting)
        return connection

    def _failed(self, error: Exception, *, connecting: bool = False) -> NoReturn:
        if isinstance(error, UplinkFault):
            raise error
        raise link_fault(error, connecting=connecting) from error


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8")


def _range_start(response: http.client.HTTPResponse) -> int | None:
    unit, _, rest = response.getheader("Content-Range", "").partition(" ")
    first = rest.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdecimal() else None
