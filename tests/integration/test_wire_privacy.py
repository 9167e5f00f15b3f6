"""What crosses the line (promise 5, docs/wire.md): a whole shift is tapped below TLS and looked through.

Officers sign in and are assigned, a matter is named, the recording is interrupted, a statement is signed, a mark is set:
none of it is readable on the wire. Every MQTT message is one the schemas list, every schema is used, every HTTP request is
a documented one, every segment's bytes are the sealed file's.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hw_sim.agency.agency import Agency
from hw_sim.agency.certificates import file_signer
from hw_sim.devices.gnss_feed import START
from recorder.evidence import jws
from recorder.evidence.desired import Desired, sign_desired
from recorder.evidence.records import RECORD_TYPES, Common
from recorder.uplink.mqtt import RECEIVE_MAXIMUM, SESSION_EXPIRY_S, WILL_DELAY_S
from tests.contract.wire import COMMON, DOCS, channel_of, channels, problems, schemas
from tests.hw_sim.agency.mqtt_client import MqttDouble
from tests.integration.rig import Rig, recorder
from tests.integration.test_officers import forms
from tests.integration.test_statement import hand_in, signed_off_the_unit
from tests.integration.wire_parse import Connect, Publish, Request, Subscribe, locations, packets, requests
from tests.integration.wiretap import Conversation, TappedAgency
from tests.support import leave_to_ci, require_program

UNIT = "zfy-tapped"
TYPED, ASSIGNED = ("欧阳建国", "13010077665544"), ("司徒静怡", "13010099887766")
SIGNERS = (("张三", "13010001001"), ("李四", "13010001002"))
ITEM = "某某餐馆食品经营检查"
PLACE = re.compile(rb"(?<![0-9])(38\.0[0-9]{3}|114\.5[0-9]{3})")
"""Within some kilometres of where the simulated walk begins (hw_sim/devices/gnss_feed.py), and no part of a time stamp."""


WORDS = (DOCS / "wire.md").read_text(encoding="utf-8")

KEPT = {"storage": {"keep_window_h": 24}, "mqtt": {"status_interval_s": 1}}
AGE = b"age-encryption.org/v1\n"
MEDIA = (b"ftypisom", b"ftypiso5", b"ftypiso6", b"moof\x00\x00\x00\x10mfhd", b"avc1\x00\x00", b"Lavc", b"x264")


@dataclass
class Tapped:
    """The shift is over. ``files``: the sealed segments, ``statements``: the sealed documents beside them."""

    https: list[Conversation]
    mqtt: list[Conversation]
    files: list[bytes]
    statements: list[bytes]

    def requests(self) -> Iterator[Request]:
        for conversation in self.https:
            yield from requests(bytes(conversation.up))

    def published(self, *, up: bool) -> list[Publish]:
        streams = [bytes(each.up if up else each.down) for each in self.mqtt]
        return [packet for stream in streams for packet in packets(stream) if isinstance(packet, Publish)]


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """One that says everything the wire knows, upload slots too."""
    require_program("mosquitto")
    folder = tmp_path_factory.mktemp("tapped-agency")
    with Agency(folder / "agency", folder / "store", slots=4) as made:
        yield made


@pytest.fixture(scope="module")
def shift(agency: Agency, tmp_path_factory: pytest.TempPathFactory) -> Tapped:
    leave_to_ci("全程截听一个班次 a tapped shift, 20 s")
    folder = tmp_path_factory.mktemp("tapped")
    with TappedAgency(agency) as tapped:
        with Rig(folder / "run", tapped, KEPT, unit_id=UNIT) as rig:
            tapped.use(rig.layout.tls)
            rig.enrol(agency)
            rig.start()
            rig.unit.start_uplink()
            work(rig, agency, folder, lambda: any(b"/down/grant" in line.down for line in tapped.mqtt.conversations))
            assert rig.stop() == 0
            rig.unit.stop("uplink")
            files = [path.read_bytes() for path in rig.segment_files()]
            statements = [path.read_bytes() for path in (rig.layout.unit / "statements").glob("*.age")]
        return Tapped(tapped.https.conversations, tapped.mqtt.conversations, files, statements)


def push(agency: Agency, version: int, toml: str) -> None:
    """What an admin wants of the unit, at the desk."""
    desired = Desired(ver=1, jti=str(uuid.uuid4()), unit_id=UNIT, version=version, iat=1.0, toml=toml)
    key = load_pem_private_key(agency.authority.command_key_file.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    text = sign_desired(desired, file_signer(key))
    message = {"msg_id": str(uuid.uuid4()), "sent_at": 1.0, "desired": text}
    with MqttDouble(agency.broker.port, agency.authority.desk_client_dir, "desk") as desk:
        assert desk.publish(f"fleet/v1/{UNIT}/down/desired", message, retain=True) == "Success"


def settled(rig: Rig, version: int) -> str | None:
    """What the unit reports of that version, once it has come to a result."""
    remote = rig.unit.status().get("config", {}).get("remote") or {}
    return remote["state"] if remote.get("version") == version and remote["state"] != "pending" else None


def work(rig: Rig, agency: Agency, folder: Path, granted: Callable[[], bool]) -> None:
    push(agency, 1, '[uplink]\nstore_url = "https://elsewhere"\n')
    rig.wait(lambda: settled(rig, 1) == "refused", "a wrong configuration is refused")
    push(agency, 2, "[session]\nstandby_interval_s = 2\n")
    rig.wait(lambda: settled(rig, 2) == "applied", "the configuration is applied")
    assert rig.ctl("sign-in", "--name", TYPED[0], "--cert-no", TYPED[1]).returncode == 0
    assert agency.assign(UNIT, *ASSIGNED)["result"] == "accepted"
    again = agency.assign(UNIT, *ASSIGNED)
    assert again["result"] == "refused"
    assert rig.ctl("context", "--kind", "inspection", "--item", ITEM).returncode == 0
    # With the store away a backlog stands until the unit tells of it: on an idle machine all would be sent before.
    agency.store_proxy.mode("refuse")
    rig.record()
    assert rig.ctl("mark", "--kind", "cert-shown").returncode == 0
    commanded = recorder("fleet", "command", "--settings", str(agency.fleet_file), UNIT, "mark")
    assert commanded.returncode == 0, commanded.stdout + commanded.stderr
    rig.world.set("camera.failure", "off")
    rig.wait(lambda: bool(rig.of("interruption")), "the interruption is recorded")
    (gap,) = rig.of("interruption")
    document, signatures = signed_off_the_unit(rig, agency, folder, gap["gap_id"])
    rig.end_recording()
    rig.wait(granted, "the unit is granted an upload slot")
    agency.store_proxy.mode("ok")
    done = hand_in(rig, gap["gap_id"], document, signatures)
    assert done.returncode == 0, done.stderr
    rig.wait(lambda: rig.view().uploadable <= rig.view().receipted, "every segment has its receipt")
    uplink = rig.layout.run / "uplink/status.json"
    rig.wait(
        lambda: json.loads(uplink.read_text(encoding="utf-8"))["mqtt_unacknowledged"] == 0,
        "every announcement is acknowledged",
    )


def unwrapped(data: bytes) -> bytes:
    """``data`` and behind it what its base64url texts hold: a payload of a JWS is not secret because it looks so."""
    found = [data]
    for text in re.findall(rb"[A-Za-z0-9_-]{24,}", data):
        found.append(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)) if len(text) % 4 != 1 else b"")
    return b"\n".join(found)


def secrets() -> list[tuple[str, bytes]]:
    texts = [*TYPED, *ASSIGNED, *(text for signer in SIGNERS for text in signer), ITEM]
    # Of a short text, base64 at an unknown offset leaves so little that chance writes it; ``unwrapped`` finds that, too.
    return [(text, form) for text in texts for form in (forms(text) if len(text.encode()) > 8 else [text.encode()])]


@pytest.mark.timeout(200)
def test_every_message_is_one_the_schemas_list_and_every_schema_is_used(shift: Tapped) -> None:
    messages = shift.published(up=True) + shift.published(up=False)
    wrong = [problem for message in messages for problem in problems(message.topic, message.payload)]
    assert wrong == []
    for message in messages:
        channel = channel_of(message.topic)
        assert message.qos <= 1 and len(message.payload) < 128 * 1024
        if channel.action == "send":
            bindings = channel.bindings
            assert message.retain is bindings["retain"], message.topic
            expiry = getattr(message.properties, "MessageExpiryInterval", None)
            assert expiry == bindings.get("messageExpiryInterval"), message.topic
            assert message.properties.ContentType == "application/json"
    used = {channel_of(message.topic).schema for message in messages}
    assert set(schemas()) - {COMMON} <= used, "a schema nobody uses, or a shift that does too little"
    answers = {json.loads(message.payload)["result"] for message in messages if message.topic.endswith("up/assigned")}
    assert answers == {"accepted", "refused"}


@pytest.mark.timeout(200)
def test_the_unit_is_seen_alive_and_in_this_boot(shift: Tapped) -> None:
    """As on a real unit, where both processes see one boot id: else nobody would go by what the unit says of itself."""
    said = [
        json.loads(message.payload)["unit"]
        for message in shift.published(up=True)
        if message.topic.endswith("up/health")
    ]
    assert "fresh" in said
    assert "other-boot" not in said


@pytest.mark.timeout(200)
def test_the_connection_is_what_the_document_says(shift: Tapped) -> None:
    connects = [packet for each in shift.mqtt for packet in packets(bytes(each.up)) if isinstance(packet, Connect)]
    assert connects
    for connect in connects:
        assert (connect.client_id, connect.clean_start) == (UNIT, False)
        assert connect.properties.SessionExpiryInterval == SESSION_EXPIRY_S == 14 * 24 * 3600
        assert connect.properties.ReceiveMaximum == RECEIVE_MAXIMUM == 20
        assert connect.will_topic == f"fleet/v1/{UNIT}/up/status" and connect.will_retain
        assert connect.will_properties.WillDelayInterval == WILL_DELAY_S == 30
        assert problems(connect.will_topic, connect.will_payload) == []
        assert json.loads(connect.will_payload)["online"] is False
    asked = {
        each for tap in shift.mqtt for p in packets(bytes(tap.up)) if isinstance(p, Subscribe) for each in p.filters
    }
    received = {c.address.replace("{unit}", UNIT) for c in channels() if c.action == "receive"}
    reserved = {f"fleet/v1/{UNIT}/down/{name}" for name in re.findall(r"down/(\w+)`[^|]*\| reserved", WORDS)}
    filters = {filter_ for filter_, _ in asked}
    assert received <= filters <= received | reserved, "every documented topic by its full name, and no other"
    assert all(options & 3 <= 1 for _, options in asked)


@pytest.mark.timeout(200)
def test_every_request_is_a_documented_one(shift: Tapped) -> None:
    uuid = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    given = {place for each in shift.https for place in locations(bytes(each.down))}
    patterns = []
    for method, path in re.findall(r"`(GET|HEAD|POST|PUT|PATCH|DELETE) ([^` ]+)", WORDS):
        pattern = re.escape(path).replace("SEQ", r"\d+")
        pattern = re.sub(r"\\\{(journal_id|segment_id|statement_id)\\\}", lambda _: uuid, pattern)
        patterns.append((method, pattern))
    # `Upload-Offset`, or with a value: `Priority: u=1`.
    documented = {name.lower() for name in re.findall(r"`([A-Z][a-z0-9]*(?:-[A-Z][a-z0-9]*)+)[:`]", WORDS)}
    documented |= {name.lower() for name in re.findall(r"`([A-Z][a-z]+): ", WORDS)}
    plain = {"host", "content-length", "content-type", "accept-encoding", "connection"}
    seen = set()
    for request in shift.requests():
        places = [
            (method, pattern)
            for method, pattern in patterns
            if method == request.method
            and (request.path in given if "location" in pattern else re.fullmatch(pattern, request.path))
        ]
        assert places, f"{request.method} {request.path}"
        seen.add(places[0])
        assert set(request.headers) <= documented | plain, request.headers
        if request.path.startswith("/journals/") and request.method == "POST":
            assert request.headers["content-type"] == "application/jose"
        elif request.method not in ("PATCH", "PUT"):
            assert request.body == b""
    assert {method for method, _ in seen} >= {"POST", "PATCH"}
    statements = {(method, pattern.rpartition("/")[2]) for method, pattern in seen if "/statements/" in pattern}
    assert statements == {("GET", "receipt"), ("PUT", uuid)}, (
        "both routes of a statement, or a shift that does too little"
    )


@pytest.mark.timeout(200)
def test_what_is_uploaded_is_the_sealed_file_and_nothing_else(shift: Tapped) -> None:
    bodies = [(int(r.headers["upload-offset"]), r.body) for r in shift.requests() if r.method == "PATCH"]
    assert bodies and shift.files
    assert all(data.startswith(AGE) for data in shift.files)
    for offset, body in bodies:
        assert any(data[offset : offset + len(body)] == body for data in shift.files)
    put = [request.body for request in shift.requests() if request.method == "PUT"]
    assert all(data.startswith(AGE) for data in shift.statements)
    assert all(body in shift.statements for body in put)
    for each in shift.https:
        for mark in MEDIA:
            assert mark not in bytes(each.up), mark


@pytest.mark.timeout(200)
def test_journal_lines_hold_what_the_formats_list_and_nothing_else(shift: Tapped) -> None:
    """docs/formats.md is kept the same as the models by tests/evidence/test_formats_doc.py."""
    types = set()
    for request in shift.requests():
        if request.method == "POST" and request.path.startswith("/journals/"):
            for line in request.body.splitlines():
                parts = jws.split(line.decode("ascii"))
                common = {key: parts.payload[key] for key in Common.model_fields if key in parts.payload}
                own = {key: value for key, value in parts.payload.items() if key not in common}
                Common.model_validate(common)
                RECORD_TYPES[parts.typ].model_validate(own)
                types.add(parts.typ)
    assert {
        "officer-sign-in",
        "session-start",
        "segment-open",
        "segment-close",
        "mark",
        "statement",
        "command",
    } <= types


@pytest.mark.timeout(200)
def test_no_name_number_place_or_text_is_readable(shift: Tapped) -> None:
    """But in ``down/assign``, from the agency to the unit: that is what an assignment says (docs/wire.md)."""
    needles = secrets()
    sent = [unwrapped(bytes(each.up)) for each in [*shift.https, *shift.mqtt]]
    received = [unwrapped(bytes(each.down)) for each in shift.https]
    received += [unwrapped(p.payload) for p in shift.published(up=False) if not p.topic.endswith("/down/assign")]
    assert sum(map(len, sent)) > 100_000, "nothing was tapped"
    for data in [*sent, *received]:
        for text, form in needles:
            assert form not in data, f"{text} is readable on the wire"
        assert PLACE.search(data) is None, "a place is readable on the wire"
    assert PLACE.search(json.dumps({"lat": START[0], "lon": START[1]}).encode()), "the search itself finds nothing"
    assignments = [unwrapped(p.payload) for p in shift.published(up=False) if p.topic.endswith("/down/assign")]
    assert any(ASSIGNED[0].encode() in data for data in assignments), "the search itself finds nothing"
