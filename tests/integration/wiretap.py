"""A tap on the line between a unit and its agency: TLS ends here and begins anew, and everything readable is kept.

It shows the unit the agency's server certificate and the servers the unit's own certificate, with the unit's own key:
nobody outside a test has both.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path

from hw_sim.agency.agency import Agency
from recorder.uplink.tls_socket import use_tls_socket

BLOCK = 65_536


@dataclass(slots=True)
class Conversation:
    """One connection: plain bytes from the unit (``up``) and to it (``down``)."""

    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)


class Tap:
    """Context manager. Listens on ``port`` and carries every connection on to ``target_port``."""

    def __init__(self, target_port: int, server_tls: Path) -> None:
        self._target_port = target_port
        self._server_tls = server_tls
        self.client_tls = Path()
        """The unit's credentials, read for each connection: it gets them when it is enrolled."""
        self.conversations: list[Conversation] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="tap", daemon=True)

    def __enter__(self) -> Tap:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _serve(self) -> None:
        context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.load_cert_chain(self._server_tls / "server-cert.pem", self._server_tls / "server-key.pem")
        context.load_verify_locations(self._server_tls / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _onward(self) -> ssl.SSLContext:
        context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        context.load_verify_locations(self.client_tls / "ca.pem")
        context.load_cert_chain(self.client_tls / "client-cert.pem", self.client_tls / "client-key.pem")
        return context

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept = Conversation()
        self.conversations.append(kept)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection(
                "127.0.0.1", self._target_port, ssl=self._onward(), server_hostname="localhost"
            )
            await asyncio.gather(_pump(reader, back, kept.up), _pump(there, writer, kept.down))


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: bytearray) -> None:
    try:
        while block := await source.read(BLOCK):
            kept += block
            target.write(block)
            await target.drain()
    finally:
        target.close()


class TappedAgency:
    """What a unit is told of its agency, with taps in the line (``hw_sim.runner.unit_config.AgencyAddresses``)."""

    def __init__(self, agency: Agency) -> None:
        self._agency = agency
        server_tls = agency.authority.server_dir
        self.https = Tap(agency.store_proxy.port, server_tls)
        self.mqtt = Tap(agency.mqtt_port, server_tls)

    def use(self, client_tls: Path) -> None:
        self.https.client_tls = self.mqtt.client_tls = client_tls

    def __enter__(self) -> TappedAgency:
        self.https.__enter__()
        self.mqtt.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.mqtt.__exit__()
        self.https.__exit__()

    @property
    def recipients(self) -> tuple[str, ...]:
        return self._agency.recipients

    @property
    def store_url(self) -> str:
        return f"https://localhost:{self.https.port}"

    @property
    def mqtt_host(self) -> str:
        return "localhost"

    @property
    def mqtt_port(self) -> int:
        return self.mqtt.port
