"""A real mosquitto with TLS and the ACL of docs/wire.md, and a client playing the store."""

from __future__ import annotations

import json
import queue
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.support import require_program
from tests.uplink.pki import UNIT, Pki


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    def __init__(self, pki: Pki, directory: Path) -> None:
        self._program = require_program("mosquitto")
        self.port = free_port()
        directory.mkdir()
        acl = directory / "acl"
        acl.write_text(
            "user store\ntopic readwrite fleet/v1/#\n"
            "pattern write fleet/v1/%u/up/#\npattern read fleet/v1/%u/down/#\npattern read fleet/v1/store/state\n"
        )
        self._config = directory / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\ncafile {pki.ca}\ncertfile {pki.server_cert}\nkeyfile {pki.server_key}\n"
            f"require_certificate true\nuse_identity_as_username true\nuse_username_as_clientid true\n"
            f"user root\nacl_file {acl}\npersistence true\npersistence_location {directory}/\nlog_dest stderr\n"
        )
        self._log = directory / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(self._config)], stderr=log, stdout=log)
        tick = threading.Event()
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                tick.wait(0.05)
        raise AssertionError(self._log.read_text())

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
            self._process = None


class StoreSide:
    """Receives what the unit publishes; publishes on down/#."""

    def __init__(self, pki: Pki, port: int) -> None:
        self.messages: queue.Queue[tuple[str, dict[str, Any], bool]] = queue.Queue()
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="store", protocol=MQTTv5)
        context = ssl.create_default_context(cafile=str(pki.ca))
        context.load_cert_chain(pki.root / "store-cert.pem", pki.root / "store-key.pem")
        self._client.tls_set_context(context)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, _code: ReasonCode, _properties: Properties | None
    ) -> None:
        client.subscribe("fleet/v1/+/up/#", qos=1)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.messages.put((message.topic, json.loads(message.payload), message.retain))

    def send(self, name: str, value: dict[str, Any] | bytes) -> None:
        payload = value if isinstance(value, bytes) else json.dumps(value).encode()
        topic = "fleet/v1/store/state" if name == "state" else f"fleet/v1/{UNIT}/down/{name}"
        self._client.publish(topic, payload, qos=1, retain=name == "state").wait_for_publish(5)

    def wait(self, name: str, timeout_s: float = 15.0) -> dict[str, Any]:
        """The next message on ``up/<name>``; others are passed over."""
        while True:
            topic, value, _ = self.messages.get(timeout=timeout_s)
            if topic == f"fleet/v1/{UNIT}/up/{name}":
                return value

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
