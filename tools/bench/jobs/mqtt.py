"""Many units coming back to one broker at once: our connection and a bare paho loop, in turns, on the same certificates.

``python -m tools.bench.jobs.mqtt FOLDER --units N --count ROUNDS``; the last line is
``{"ours_s": […], "paho_s": […], "units": N}``: seconds from the first CONNECT to the last SUBACK of each round.
"""

from __future__ import annotations

import json
import queue
import random
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.broker import Broker
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.http import tls_context
from recorder.uplink.mqtt import Connected, Inbound, MqttLink, MqttOptions
from tools.bench.measure import interleaved

WAIT_S = 60.0


class Unit:
    def __init__(self, authority: Authority, unit_id: str, folder: Path) -> None:
        self.unit_id = unit_id
        self.topics = (f"fleet/v1/{unit_id}/down/#", "fleet/v1/store/state")
        self._folder = folder
        folder.mkdir(parents=True)
        signing, client = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        enrolment = authority.enrol(unit_id, _request(signing, unit_id), _request(client, unit_id))
        pem = client.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "client-key.pem").write_bytes(pem)
        (folder / "client-cert.pem").write_bytes(enrolment.client_cert_pem)
        (folder / "ca.pem").write_bytes(enrolment.ca_pem)

    def tls(self) -> ssl.SSLContext:
        return tls_context(self._folder)


def ours(units: Sequence[Unit], port: int, clock: SystemClock) -> float:
    """All at once; seconds until the last is subscribed."""
    inbound: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
    links = [
        MqttLink(
            MqttOptions("localhost", port, 30, 10.0, unit.unit_id, unit.topics, session_expiry_s=0),
            unit.tls,
            clock,
            BackoffPolicy(1.0, 10.0),
            random.random,
            inbound.put,
        )
        for unit in units
    ]
    begin = clock.boottime_us()
    for link in links:
        link.start()
    for _ in links:
        item = inbound.get(timeout=WAIT_S)
        if not isinstance(item, Connected):
            raise RuntimeError(str(item))
    end = clock.boottime_us()
    for link in links:
        link.close(10.0)
    return (end - begin) / 1e6


def bare(units: Sequence[Unit], port: int, clock: SystemClock) -> float:
    """The same with paho and nothing around it."""
    done: queue.SimpleQueue[str] = queue.SimpleQueue()
    stop = threading.Event()
    threads = [threading.Thread(target=_loop, args=(unit, port, done.put, stop)) for unit in units]
    begin = clock.boottime_us()
    for thread in threads:
        thread.start()
    for _ in threads:
        done.get(timeout=WAIT_S)
    end = clock.boottime_us()
    stop.set()
    for thread in threads:
        thread.join(10.0)
    return (end - begin) / 1e6


def _loop(unit: Unit, port: int, done: Callable[[str], None], stop: threading.Event) -> None:
    client = Client(CallbackAPIVersion.VERSION2, client_id=unit.unit_id, protocol=MQTTv5)
    client.tls_set_context(unit.tls())

    def subscribe(*_: object) -> None:
        client.subscribe([(topic, 1) for topic in unit.topics])

    client.on_connect = subscribe
    client.on_subscribe = lambda *_: done(unit.unit_id)
    client.connect("localhost", port, 30, clean_start=True)
    while not stop.is_set():
        client.loop(0.2)
    client.disconnect()
    sock: Any = client.socket()
    if sock is not None:
        sock.close()


def _request(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--units", "units_count", default=100)
@click.option("--count", default=7)
def main(folder: Path, units_count: int, count: int) -> None:
    clock = SystemClock()
    authority = Authority(folder / "authority", clock)
    units = [Unit(authority, f"zfy-{number:06d}", folder / f"unit-{number}") for number in range(units_count)]
    with Broker(folder / "broker", authority, clock) as broker:
        mine, theirs = interleaved(
            count, lambda: ours(units, broker.port, clock), lambda: bare(units, broker.port, clock)
        )
    click.echo(json.dumps({"ours_s": mine, "paho_s": theirs, "units": units_count}))


if __name__ == "__main__":
    main()
