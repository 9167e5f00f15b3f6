"""The MQTT side against a real broker: birth, will, announcements until the store's own ack, receipts, rebuilding."""

from __future__ import annotations

import dataclasses
import json
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_bridge.ports import Clock
from recorder.evidence.signer import FileSigner
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.http import tls_context
from recorder.uplink.mqtt import Connected, Inbound, Message, MqttLink, MqttOptions
from recorder.uplink.service import UplinkProcess
from recorder.uplink.settings import UplinkSettings
from tests.uplink.broker import Mosquitto, StoreSide, free_port
from tests.uplink.fake_store import FakeStore, Upload
from tests.uplink.pki import UNIT, Pki
from tests.uplink.unit_files import UnitFiles


class Driven:
    """The uplink's main loop, ticked by the test."""

    def __init__(self, settings: UplinkSettings, clock: Clock) -> None:
        self._clock = clock
        self.settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        uplink = UplinkProcess(self.settings, self._clock, fraction=lambda: 0.1)
        while not self._stop.is_set():
            uplink.tick()
            self._stop.wait(0.05)
        uplink.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def status(self) -> dict[str, object]:
        try:
            value = json.loads(self.settings.status_file.read_text())
        except FileNotFoundError:
            return {}
        assert isinstance(value, dict)
        return value

    def until(self, what: Callable[[], bool], timeout_s: float = 20.0) -> None:
        tick = threading.Event()
        deadline = self._clock.boottime_us() + round(timeout_s * 1e6)
        while not what():
            assert self._clock.boottime_us() < deadline, self.status()
            assert self._thread.is_alive()
            tick.wait(0.03)


@pytest.fixture
def broker(pki: Pki, tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(pki, tmp_path / "broker") as running:
        yield running


@pytest.fixture
def store_side(pki: Pki, broker: Mosquitto) -> Iterator[StoreSide]:
    side = StoreSide(pki, broker.port)
    yield side
    side.close()


@pytest.fixture
def mqtt_settings(settings: UplinkSettings, broker: Mosquitto) -> UplinkSettings:
    return dataclasses.replace(
        settings, uplink_enabled=False, mqtt_enabled=True, mqtt_host="localhost", mqtt_port=broker.port
    )


@pytest.fixture
def driven(mqtt_settings: UplinkSettings, clock: Clock, unit: UnitFiles, store_side: StoreSide) -> Iterator[Driven]:
    del unit, store_side  # both must exist first
    made = Driven(mqtt_settings, clock)
    yield made
    made.close()


def test_birth_says_who_and_where_and_goodbye_says_offline(
    mqtt_settings: UplinkSettings, clock: Clock, unit: UnitFiles, store_side: StoreSide
) -> None:
    driven = Driven(mqtt_settings, clock)
    birth = store_side.wait("status")
    assert birth["online"] is True
    assert birth["journal_id"] == unit.journal_id
    assert birth["head_seq"] == unit.seq - 1
    assert birth["boot_id"] == clock.boot_id()
    assert birth["recording"] is False
    assert set(birth) == {
        *("online", "boot_id", "journal_id", "head_seq", "recording", "free_mb", "backlog", "version"),
        *("config_version", "config_digest"),
        *("msg_id", "sent_at"),
    }
    assert store_side.wait("health")["unit"] == "absent", "no unit process has run here"
    unit.record("session-start", session_id="abc")
    while not store_side.wait("status")["recording"]:
        continue
    driven.close()
    while store_side.wait("status")["online"]:
        continue


def test_announcements_repeat_until_the_store_acknowledges(
    driven: Driven, unit: UnitFiles, store_side: StoreSide
) -> None:
    segment = unit.segment(1000)
    first = store_side.wait("announce")
    assert {key: first[key] for key in ("journal_id", "seq", "session_id", "segment_id", "sha256", "size")} == {
        "journal_id": unit.journal_id,
        "seq": segment.seq,
        "session_id": segment.session_id,
        "segment_id": segment.segment_id,
        "sha256": segment.sha256,
        "size": 1000,
    }
    again = store_side.wait("announce")
    assert again["msg_id"] == first["msg_id"]
    store_side.send("ack", {"msg_id": "x", "sent_at": 0, "acks": [first["msg_id"]]})
    driven.until(lambda: driven.status().get("mqtt_unacknowledged") == 0)


def test_after_a_restart_only_what_is_unacknowledged_goes_again(
    mqtt_settings: UplinkSettings, clock: Clock, unit: UnitFiles, store_side: StoreSide
) -> None:
    one, two = unit.segment(10), unit.segment(20)
    first = Driven(mqtt_settings, clock)
    ids = {store_side.wait("announce")["segment_id"]: None for _ in range(2)}
    assert set(ids) == {one.segment_id, two.segment_id}
    store_side.send("ack", {"acks": [f"{unit.journal_id}:{one.seq}"]})
    first.until(lambda: first.status().get("mqtt_unacknowledged") == 1)
    first.close()
    while not store_side.messages.empty():
        store_side.messages.get_nowait()
    second = Driven(mqtt_settings, clock)
    assert store_side.wait("announce")["segment_id"] == two.segment_id
    second.until(lambda: second.status().get("mqtt_unacknowledged") == 1)
    second.close()


def test_a_receipt_over_mqtt_counts_like_one_over_https(
    driven: Driven, unit: UnitFiles, store_side: StoreSide, pki: Pki
) -> None:
    segment = unit.segment(1000)
    upload = Upload("/uploads/x", 1000, {"segment_id": segment.segment_id, "session_id": segment.session_id})
    upload.metadata["sha256"] = segment.sha256
    text = receipt_text(pki, pki.store_signer, unit.journal_id, upload)
    store_side.wait("announce")
    store_side.send("receipt", {"msg_id": "1", "receipt": receipt_text(pki, pki.other_signer, unit.journal_id, upload)})
    store_side.send("receipt", {"msg_id": "2", "receipt": text})
    store_side.send("receipt", {"msg_id": "2", "receipt": text})
    driven.until(lambda: len(list(driven.settings.receipts_dir.glob("*.jws"))) == 1)
    driven.until(lambda: any(f["code"] == "receipt-invalid" for f in faults(driven)))


def receipt_text(pki: Pki, signer: FileSigner, journal_id: str, upload: Upload) -> str:
    maker = FakeStore(pki)
    try:
        maker.signer = signer
        return maker.receipt(journal_id, [upload])
    finally:
        maker.server.server_close()


def faults(driven: Driven) -> list[dict[str, object]]:
    found = driven.status().get("last_errors", [])
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("payload", [b"", b"rubbish", b"[]", b"{}", b'{"acks": 5}', b'{"receipt": 5}', b"\xff" * 2000])
def test_rubbish_from_afar_is_a_fault_and_kills_nothing(
    driven: Driven, unit: UnitFiles, store_side: StoreSide, payload: bytes
) -> None:
    store_side.wait("status")
    store_side.send("ack", payload)
    store_side.send("receipt", payload)
    store_side.send("cmd", payload)
    driven.until(lambda: any(fault["code"] == "mqtt-message" for fault in faults(driven)))
    unit.segment(10)
    store_side.wait("announce")


def test_a_broker_killed_comes_back_and_nothing_is_lost(
    driven: Driven, unit: UnitFiles, broker: Mosquitto, pki: Pki, store_side: StoreSide
) -> None:
    store_side.wait("status")
    broker.kill()
    driven.until(lambda: driven.status().get("mqtt_connected") is False)
    segments = {unit.segment(10).segment_id for _ in range(5)}
    broker.start()
    seen: set[str] = set()
    while seen != segments:
        message = store_side.wait("announce")
        seen.add(message["segment_id"])
        store_side.send("ack", {"acks": [message["msg_id"]]})
    driven.until(lambda: driven.status().get("mqtt_unacknowledged") == 0)


def test_the_store_coming_back_ends_a_long_wait(
    settings: UplinkSettings, clock: Clock, unit: UnitFiles, broker: Mosquitto, store_side: StoreSide, pki: Pki
) -> None:
    """``store/state`` online: the uploader does not sit out a back-off of minutes."""
    with FakeStore(pki) as away:
        port = away.port
    slow = dataclasses.replace(
        settings,
        store_url=f"https://127.0.0.1:{port}",
        backoff_base_s=2.0,
        backoff_max_s=3000.0,
        mqtt_enabled=True,
        mqtt_host="localhost",
        mqtt_port=broker.port,
    )
    unit.record("event", event="x")
    driven = Driven(slow, clock)
    store_side.wait("status")
    store_side.send("state", {"online": False})
    driven.until(lambda: any(fault["code"] == "store-unreachable" for fault in faults(driven)))
    with FakeStore(pki, port) as store:
        store_side.send("state", {"online": True})
        driven.until(lambda: store.count("POST", "/journals") > 0)
        driven.close()


def test_no_broker_is_a_fault_not_an_end(settings: UplinkSettings, clock: Clock, unit: UnitFiles) -> None:
    nowhere = dataclasses.replace(
        settings, uplink_enabled=False, mqtt_enabled=True, mqtt_host="127.0.0.1", mqtt_port=free_port()
    )
    driven = Driven(nowhere, clock)
    driven.until(lambda: any(fault["code"] == "mqtt-unreachable" for fault in faults(driven)))
    driven.close()
    assert unit.seq == 1


def test_a_certificate_the_broker_refuses_is_named(
    mqtt_settings: UplinkSettings, clock: Clock, unit: UnitFiles, pki: Pki
) -> None:
    driven = Driven(dataclasses.replace(mqtt_settings, tls_dir=str(pki.rogue_tls)), clock)
    driven.until(lambda: any(str(fault["code"]).startswith("mqtt-") for fault in faults(driven)))
    driven.close()
    assert unit.seq == 1


def test_what_the_broker_retains_is_sent_again_when_it_is_asked_for(
    pki: Pki, broker: Mosquitto, clock: Clock, store_side: StoreSide
) -> None:
    """The agency's ``config`` command: the desired configuration is a retained message."""
    heard: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
    options = MqttOptions(
        host="localhost",
        port=broker.port,
        keepalive_s=30,
        connect_timeout_s=2.0,
        client_id=UNIT,
        will=None,
        subscribe=("fleet/v1/store/state",),
        session_expiry_s=0,
    )
    store_side.send("state", {"online": True})
    link = MqttLink(options, lambda: tls_context(pki.tls), clock, BackoffPolicy(0.1, 1.0), lambda: 0.1, heard.put)
    link.start()
    try:
        for again in (False, True):
            if again:
                link.fetch_retained()
            items = [heard.get(timeout=10), heard.get(timeout=10)]
            (message,) = [item for item in items if isinstance(item, Message)]
            assert message.properties.retained and sum(isinstance(item, Connected) for item in items) == 1
    finally:
        link.close(3)
