"""The store on MQTT: acknowledged means committed, repeats change nothing, receipts reach the unit."""

from __future__ import annotations

import json
import queue
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from hw_sim.agency.broker import Broker
from hw_sim.agency.store.fleet import Fleet, parse
from hw_sim.agency.store.register import Register
from recorder.uplink.mqtt import Message
from tests.hw_sim.agency.mqtt_client import MqttDouble
from tests.hw_sim.agency.test_store_journal import believed
from tests.hw_sim.agency.unit_double import UnitDouble
from tests.support import require_program


@pytest.fixture(scope="module")
def broker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker"), authority, SystemClock(), require_program("mosquitto")) as made:
        yield made


@pytest.fixture(scope="module")
def store(authority: Authority, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    folder = tmp_path_factory.mktemp("store")
    made = StoreProcess(folder, folder / "root", authority, SystemClock(), ("--mqtt", f"127.0.0.1:{broker.port}"))
    made.start()
    yield made
    made.stop()
    assert "Traceback" not in made.log_file.read_text(encoding="utf-8")


def link(broker: Broker, unit: UnitDouble) -> MqttDouble:
    return MqttDouble(broker.port, unit.directory, unit.unit_id, session_s=600)


def listen(unit: UnitDouble, mqtt: MqttDouble) -> None:
    mqtt.subscribe(f"fleet/v1/{unit.unit_id}/down/#", "fleet/v1/store/state")
    while not mqtt.next("fleet/v1/store/state")["online"]:
        pass  # retained from before, or the will of a killed store; the living one says so itself


def announcements(store: StoreProcess, unit: UnitDouble) -> list[str]:
    with sqlite3.connect(f"file:{store.root / 'store.db'}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT msg_id FROM announcement WHERE unit_id = ?", [unit.unit_id]).fetchall()
    db.close()
    return [row[0] for row in rows]


def announce(unit: UnitDouble, mqtt: MqttDouble, msg_id: str, **members: object) -> None:
    payload = {"msg_id": msg_id, "sent_at": 1.0, "journal_id": unit.journal_id, **members}
    assert mqtt.publish(f"fleet/v1/{unit.unit_id}/up/announce", payload) == "Success"


def test_announcements_are_committed_once_and_acknowledged_each_time(
    store: StoreProcess, broker: Broker, unit: UnitDouble
) -> None:
    with link(broker, unit) as mqtt:
        listen(unit, mqtt)
        for msg_id in ("j:1", "j:2", "j:1"):
            announce(unit, mqtt, msg_id)
            assert mqtt.next(f"fleet/v1/{unit.unit_id}/down/ack")["acks"] == [msg_id]
            assert msg_id in announcements(store, unit)
    assert announcements(store, unit) == ["j:1", "j:2"]


def test_announcements_made_while_the_store_is_dead_arrive_when_it_is_back(
    store: StoreProcess, broker: Broker, unit: UnitDouble
) -> None:
    with link(broker, unit) as mqtt:
        listen(unit, mqtt)
        store.kill()
        announce(unit, mqtt, "while-dead")
        store.start()
        assert mqtt.next(f"fleet/v1/{unit.unit_id}/down/ack")["acks"] == ["while-dead"]
    assert announcements(store, unit) == ["while-dead"]


def test_a_receipt_is_published_and_repeated_for_who_announces_again(
    store: StoreProcess, broker: Broker, unit: UnitDouble, authority: Authority
) -> None:
    unit.port = store.port
    unit.write_boot()
    segment = unit.segment(50_000)
    unit.close(segment)
    with link(broker, unit) as mqtt:
        listen(unit, mqtt)
        assert unit.post(0).status == 200
        assert unit.upload(segment).status == 204
        topic = f"fleet/v1/{unit.unit_id}/down/receipt"
        first = mqtt.next(topic)["receipt"]
        assert [item.segment_id for item in believed(authority, first).segments] == [segment.segment_id]
        assert unit.receipt(segment).body.decode() == first
        announce(unit, mqtt, "again", segment_id=segment.segment_id)
        assert mqtt.next(topic)["receipt"] == first


def test_status_is_kept_and_malformed_messages_harm_nobody(
    store: StoreProcess, broker: Broker, unit: UnitDouble
) -> None:
    with link(broker, unit) as mqtt:
        listen(unit, mqtt)
        topic = f"fleet/v1/{unit.unit_id}/up"
        for payload in (b"", b"\xff\xfe", b"[]", b"{}", b'{"msg_id": 7}', b"[" * 100_000):
            mqtt.publish(f"{topic}/announce", payload)
        mqtt.publish(f"{topic}/status", {"msg_id": "s1", "online": True}, retain=True)
        announce(unit, mqtt, "after")
        assert mqtt.next(f"fleet/v1/{unit.unit_id}/down/ack")["acks"] == ["after"]
    with sqlite3.connect(f"file:{store.root / 'store.db'}?mode=ro", uri=True) as db:
        (row,) = db.execute("SELECT payload FROM status WHERE unit_id = ?", [unit.unit_id]).fetchall()
    db.close()
    assert json.loads(row[0])["online"] is True


def test_an_orderly_stop_says_offline(store: StoreProcess, broker: Broker, unit: UnitDouble) -> None:
    with link(broker, unit) as mqtt:
        listen(unit, mqtt)
        assert store.stop() == 0
        assert mqtt.next("fleet/v1/store/state")["online"] is False
        store.start()
        assert mqtt.next("fleet/v1/store/state")["online"] is True


def test_the_store_survives_the_death_of_the_broker(store: StoreProcess, broker: Broker, unit: UnitDouble) -> None:
    broker.kill()
    broker.start()
    for _ in range(20):
        try:
            with link(broker, unit) as mqtt:
                listen(unit, mqtt)
                announce(unit, mqtt, "after the broker's death")
                assert mqtt.next(f"fleet/v1/{unit.unit_id}/down/ack")["acks"] == ["after the broker's death"]
                return
        except queue.Empty:
            continue  # the store was not back yet, and what it had not subscribed to is gone: announce again
    pytest.fail("the store did not come back to the broker")


@given(st.binary(max_size=300))
def test_no_payload_breaks_the_parser(payload: bytes) -> None:
    try:
        assert isinstance(parse(payload)["msg_id"], str)
    except ValueError:
        return


@pytest.mark.parametrize("msg_id", ["\\ud800", "a\\ud800b", "a\\u0000", "\\n"])
def test_an_id_no_database_takes_is_refused(msg_id: str) -> None:
    with pytest.raises(ValueError, match="msg_id"):
        parse(f'{{"msg_id": "{msg_id}"}}'.encode())


def test_one_units_message_takes_no_others_acknowledgement_away(authority: Authority, tmp_path: Path) -> None:
    register = Register(tmp_path / "store.db")
    fleet = Fleet(register, SystemClock(), "127.0.0.1", 1, authority.store_client_dir, lambda: 0.5)
    said = {f"zfy-00000{n}": {"msg_id": f"m:{n}", "segment_id": f"s{n}"} for n in range(3)}
    said["zfy-000001"]["segment_id"] = "\ud800"
    messages = [Message(f"fleet/v1/{unit}/up/announce", json.dumps(text).encode()) for unit, text in said.items()]
    try:
        acks = fleet.record(messages)
    finally:
        register.close()
    assert acks["zfy-000000"] == ["m:0"] and acks["zfy-000002"] == ["m:2"]
