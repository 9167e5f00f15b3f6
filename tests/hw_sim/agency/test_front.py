"""Two instances of the store behind a real nginx: who is believed, who is thrown off, what a SIGKILL leaves (ADR 0019)."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import Agency
from hw_sim.agency.authority import Authority
from hw_sim.agency.front import StoreFront
from hw_sim.agency.processes import AgencyError
from hw_sim.agency.store_process import StoreProcess
from tests.hw_sim.agency.mqtt_client import MqttDouble
from tests.hw_sim.agency.proxied import HEADER, ProxiedUnit, at, escaped
from tests.hw_sim.agency.test_bodies import answered, begin_post
from tests.hw_sim.agency.test_store_journal import alarms, believed, stored_lines, vault
from tests.hw_sim.agency.test_store_uploads import closed
from tests.hw_sim.agency.underway import underway
from tests.hw_sim.agency.unit_double import TUS, Reply, UnitDouble, client_context
from tests.support import require_program

_numbers = itertools.count(1)
OPTIONS = ("--io-timeout", "60", "--reserve-mb", "16")
"""A stale connection outlives the patience of whoever waits for it: only being thrown off ends it in time."""


def make_front(authority: Authority, folder: Path, **options: object) -> StoreFront:
    require_program("/usr/sbin/nginx")
    return StoreFront(folder, folder / "root", authority, SystemClock(), extra=OPTIONS, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def front(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreFront]:
    """Round-robin: one unit's requests go to both."""
    folder = tmp_path_factory.mktemp("front")
    made = make_front(authority, folder, balance="round-robin")
    made.start()
    yield made
    assert made.stop() == 0
    for log in folder.glob("*.log"):
        assert "Traceback" not in log.read_text(encoding="utf-8"), log


@pytest.fixture
def unit(front: StoreFront, authority: Authority, tmp_path: Path) -> UnitDouble:
    return new_unit(front, authority, tmp_path)


def new_unit(front: StoreFront, authority: Authority, tmp_path: Path) -> UnitDouble:
    name = f"zfy-front-{next(_numbers)}"
    return UnitDouble.enrolled(authority, name, tmp_path / name, front.port)


def both(front: StoreFront, unit: UnitDouble) -> tuple[ProxiedUnit, ProxiedUnit]:
    """The unit as nginx brings it to either instance."""
    return at(front.socket(0), unit), at(front.socket(1), unit)


def objects(front: StoreFront, unit: UnitDouble) -> list[bytes]:
    return [path.read_bytes() for path in (vault(front, unit) / "segments").rglob("*.mp4.age")]


def receipts_with_segments(front: StoreFront, unit: UnitDouble, authority: Authority) -> list[str]:
    found = [believed(authority, path.read_text().strip()) for path in (vault(front, unit) / "receipts").iterdir()]
    return [item.segment_id for receipt in found for item in receipt.segments]


# --- one store in two processes ---------------------------------------------------------------------------------------


def test_an_upload_through_nginx_is_one_object_and_one_receipt(
    front: StoreFront, unit: UnitDouble, authority: Authority
) -> None:
    segment = closed(unit, 2_000_000)
    location = unit.create(segment).headers["location"]
    for begin in range(0, 2_000_000, 250_000):
        assert unit.patch(location, begin, segment.data[begin : begin + 250_000]).status == 204
        assert unit.head(location).offset == begin + 250_000
    assert unit.receipt(segment).status == 200
    assert objects(front, unit) == [segment.data]
    assert receipts_with_segments(front, unit, authority) == [segment.segment_id]


def test_a_journal_posted_to_both_is_one_journal(front: StoreFront, unit: UnitDouble, authority: Authority) -> None:
    unit.write_boot()
    for turn, instance in zip(range(8), itertools.cycle(both(front, unit)), strict=False):
        posted = unit.next_seq - 1 if turn else 0
        unit.write_events(5)
        answer = instance.post(posted)
        assert answer.status == 200, answer
        assert believed(authority, answer.json["receipt"]).head_seq == unit.next_seq - 1
    assert stored_lines(front, unit) == unit.lines
    assert alarms(front, unit) == []


def test_posts_to_both_at_the_same_time_neither_double_nor_lose_a_line(front: StoreFront, unit: UnitDouble) -> None:
    unit.write_boot()
    unit.write_events(120)
    statuses: list[int] = []

    def post(instance: ProxiedUnit) -> None:
        at_seq = 0
        while at_seq < unit.next_seq:
            reply = instance.post(at_seq, at_seq + 7)
            statuses.append(reply.status)
            at_seq = reply.json["next_seq"]

    threads = [threading.Thread(target=post, args=(instance,)) for instance in both(front, unit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(statuses) == {200}
    assert stored_lines(front, unit) == unit.lines


@pytest.mark.parametrize("holder", [0, 1])
def test_a_request_at_one_instance_throws_off_the_stale_connection_at_the_other(
    front: StoreFront, unit: UnitDouble, holder: int
) -> None:
    segment = closed(unit)
    instances = both(front, unit)
    stale_at, later = instances[holder], instances[1 - holder]
    location = later.create(segment).headers["location"]
    stale = stale_at.start_patch(location, 0, len(segment.data), segment.data[:100_000])
    underway(front.root, location)
    offset = later.head(location).offset
    assert offset <= 100_000
    assert later.patch(location, offset, segment.data[offset:]).status == 204
    with pytest.raises((OSError, http.client.HTTPException)):
        stale.send(segment.data[100_000:])
        stale.getresponse()
    stale.close()
    assert objects(front, unit) == [segment.data]


def test_a_request_through_nginx_throws_off_a_stale_one_wherever_it_is(front: StoreFront, unit: UnitDouble) -> None:
    """Six times: by round-robin they meet at the same instance and at different ones."""
    unit.write_boot()
    for _ in range(6):
        segment = unit.segment(300_000)
        location = unit.create(segment).headers["location"]
        stale = unit.start_patch(location, 0, len(segment.data), segment.data[:100_000])
        underway(front.root, location)
        offset = unit.head(location).offset
        assert unit.patch(location, offset, segment.data[offset:]).status == 204
        # nginx says that the instance gave up, or has closed already.
        try:
            stale.send(segment.data[100_000:])
            assert stale.getresponse().status == 503
        except OSError:
            pass
        stale.close()


def test_a_killed_instance_is_resumed_at_the_other_and_nothing_sent_twice(
    front: StoreFront, unit: UnitDouble, authority: Authority
) -> None:
    segment = closed(unit, 3_000_000)
    first, second = both(front, unit)
    location = unit.create(segment).headers["location"]
    assert first.patch(location, 0, segment.data[:1_000_000]).status == 204
    broken = first.start_patch(location, 1_000_000, 2_000_000, segment.data[1_000_000:1_500_000])
    underway(front.root, location, 1_000_000)
    front.instance(0).kill()
    try:
        offset = second.head(location).offset
        assert 1_000_000 < offset <= 1_500_000
        # nginx finds the living one by itself, at each of its turns.
        for begin in range(offset, 3_000_000, 500_000):
            assert unit.patch(location, begin, segment.data[begin : begin + 500_000]).status == 204
        assert unit.receipt(segment).status == 200
    finally:
        broken.close()
        front.instance(0).start()
    assert objects(front, unit) == [segment.data]
    assert receipts_with_segments(front, unit, authority) == [segment.segment_id]
    assert first.receipt(segment).status == 200


def test_while_all_are_dead_nginx_says_so_and_how_long_to_wait(front: StoreFront, unit: UnitDouble) -> None:
    unit.write_boot()
    front.kill()
    try:
        reply = unit.post(0)
        assert (reply.status, reply.json["type"], reply.headers["retry-after"]) == (503, "urn:zfy:unavailable", "1")
    finally:
        front.start()
    assert unit.post(0).status == 200


def test_an_early_refusal_reaches_a_unit_that_is_still_sending(unit: UnitDouble) -> None:
    segment = closed(unit, 8_000_000)
    location = unit.create(segment).headers["location"]
    link = unit.start_patch(location, 17, len(segment.data) - 17, segment.data[17:100_000])
    answer = link.getresponse()  # 7.9 MB are still to be sent
    assert (answer.status, json.loads(answer.read())["offset"]) == (409, 0)
    link.close()


def test_the_leader_alone_recovers_and_another_takes_over(front: StoreFront) -> None:
    logs = [front.instance(number).log_file for number in (0, 1)]
    leads = [log.read_text(encoding="utf-8").count("this instance leads") for log in logs]
    assert sum(leads) >= 1
    # The one that leads now is the one that began to lead last; kill both in turn, and each has led more often.
    waiting = threading.Event()
    for number in (0, 1):
        front.instance(number).kill()
        front.instance(number).start()
    for _ in range(100):
        now = [log.read_text(encoding="utf-8").count("this instance leads") for log in logs]
        if sum(now) > sum(leads):
            break
        waiting.wait(0.1)
    assert sum(now) > sum(leads)


def test_a_store_alone_and_instances_never_share_a_root(
    front: StoreFront, authority: Authority, tmp_path: Path
) -> None:
    alone = StoreProcess(tmp_path, front.root, authority, SystemClock())
    with pytest.raises(AgencyError, match="another store process"):
        alone.start()


# --- who is believed --------------------------------------------------------------------------------------------------


def refusal(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json["type"]


FORBIDDEN = (403, "urn:zfy:forbidden")


def test_without_a_certificate_nginx_answers_for_the_store(unit: UnitDouble) -> None:
    unit.tls = client_context(unit.directory, with_certificate=False)
    assert refusal(unit.request("GET", f"/journals/{unit.journal_id}")) == FORBIDDEN
    assert refusal(unit.request("GET", f"/journals/{unit.journal_id}", {HEADER: escaped(unit.directory)})) == FORBIDDEN


def test_a_certificate_of_another_authority_is_refused(unit: UnitDouble, tmp_path: Path) -> None:
    other = UnitDouble.enrolled(Authority(tmp_path / "rogue", SystemClock()), unit.unit_id, tmp_path / "thief")
    rogue = client_context(unit.directory, with_certificate=False)
    rogue.load_cert_chain(other.directory / "client-cert.pem", other.directory / "client-key.pem")
    unit.tls = rogue
    for headers in ({}, {HEADER: escaped(unit.directory)}):
        assert refusal(unit.request("GET", f"/journals/{unit.journal_id}", headers)) == FORBIDDEN


@pytest.mark.parametrize("name", [HEADER, HEADER.lower(), HEADER.replace("-", "_")])
def test_a_header_the_client_sends_is_overwritten(
    front: StoreFront, unit: UnitDouble, authority: Authority, tmp_path: Path, name: str
) -> None:
    unit.write_boot()
    assert unit.post(0).status == 200
    thief = new_unit(front, authority, tmp_path)
    path = f"/journals/{unit.journal_id}"
    assert thief.request("GET", path, {name: escaped(unit.directory)}).status == 404
    assert unit.request("GET", path, {name: escaped(thief.directory)}).status == 200


def test_at_the_socket_only_a_good_certificate_is_anybody(
    front: StoreFront, unit: UnitDouble, authority: Authority, tmp_path: Path
) -> None:
    """Whoever got past nginx still needs a certificate that the agency issued for this and has not revoked."""
    unit.write_boot()
    assert unit.post(0).status == 200
    path = f"/journals/{unit.journal_id}"
    mine = escaped(unit.directory)
    rogue = UnitDouble.enrolled(Authority(tmp_path / "rogue", SystemClock()), unit.unit_id, tmp_path / "rogue-unit")
    ca = escaped(unit.directory, "ca.pem")
    cases = {
        "rogue": (escaped(rogue.directory),),
        "for signing": (escaped(unit.directory, "device-cert.pem"),),
        "twice": (mine, mine),
        "a chain": (mine + ca,),
        "the CA itself": (ca,),
        "text": ("zfy-1",),
        "cut": (mine[:-40],),
        "long": (mine + "%0A" * 20_000,),
    }
    socket = front.socket(0)
    assert at(socket, unit).request("GET", path).status == 200
    assert refusal(at(socket, unit, naked=True).request("GET", path)) == FORBIDDEN
    for name, certificates in cases.items():
        assert refusal(at(socket, unit, *certificates).request("GET", path)) == FORBIDDEN, name
    desk = at(socket, unit, escaped(authority.store_client_dir))  # of the agency, for clients, and no unit's
    assert refusal(desk.request("GET", path)) == FORBIDDEN


def test_a_revoked_unit_is_refused_before_nginx_has_read_the_new_list(
    front: StoreFront, unit: UnitDouble, authority: Authority
) -> None:
    path = f"/journals/{unit.journal_id}"
    assert unit.request("GET", path).status == 404
    authority.revoke(unit.unit_id)
    assert refusal(unit.request("GET", path)) == FORBIDDEN
    assert "revoked" in unit.request("GET", path).json["detail"]
    front.reload()
    waiting = threading.Event()
    for _ in range(100):
        reply = unit.request("GET", path)
        assert refusal(reply) == FORBIDDEN
        if "detail" not in reply.json:  # nginx's own words
            return
        waiting.wait(0.05)
    pytest.fail("nginx did not read the new list")


def test_a_store_with_a_door_of_its_own_does_not_look_at_the_header(
    authority: Authority, tmp_path: Path, front: StoreFront
) -> None:
    alone = StoreProcess(tmp_path, tmp_path / "root", authority, SystemClock())
    alone.start()
    try:
        victim, thief = new_unit(front, authority, tmp_path), new_unit(front, authority, tmp_path)
        victim.port = thief.port = alone.port
        victim.write_boot()
        assert victim.post(0).status == 200
        path = f"/journals/{victim.journal_id}"
        assert thief.request("GET", path, {HEADER: escaped(victim.directory)}).status == 404
    finally:
        alone.stop()


def test_a_socket_others_can_reach_is_no_door(authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "sockets"
    folder.mkdir()
    folder.chmod(0o755)
    open_door = StoreProcess(tmp_path, tmp_path / "root", authority, SystemClock(), socket=folder / "s")
    with pytest.raises(AgencyError, match="0750"):
        open_door.start()
    folder.chmod(0o750)
    open_door.start()
    assert (folder / "s").stat().st_mode & 0o777 == 0o660
    assert open_door.stop() == 0


# --- limits -----------------------------------------------------------------------------------------------------------


def test_nginx_counts_what_one_certificate_has_under_way_and_leaves_journals_alone(
    authority: Authority, tmp_path: Path
) -> None:
    front = make_front(authority, tmp_path, instances=1, requests=2, creates_per_minute=6)
    front.start()
    try:
        unit, other = new_unit(front, authority, tmp_path), new_unit(front, authority, tmp_path)
        unit.write_boot()
        locations = [unit.create(unit.segment(200_000)).headers["location"] for _ in range(3)]
        held = [unit.start_patch(location, 0, 200_000, bytes(70_000)) for location in locations[:2]]
        for location in locations[:2]:
            underway(front.root, location)
        refused = unit.head(locations[2])
        assert (refused.status, refused.headers["retry-after"]) == (429, "2")
        assert unit.post(0).status == 200
        journals = [begin_post(unit, 4 << 20) for _ in range(2)]
        assert answered(unit, 429)  # of journals and receipts no more at once, either
        for link in journals:
            link.close()
        assert answered(unit, 200)
        assert other.create(other.segment(10)).status == 201
        for link in held:
            link.close()
        statuses = [unit.create(unit.segment(10)).status for _ in range(12)]
        assert 429 in statuses
        assert set(statuses) <= {201, 429}
        busy = unit.create(unit.segment(10))
        assert (busy.status, busy.json["type"], busy.headers["retry-after"]) == (429, "urn:zfy:too-many-requests", "2")
        unit.write_events(1)
        assert unit.post(1).status == 200
    finally:
        front.stop()


def test_a_full_store_turns_ordinary_uploads_away_and_never_what_a_unit_calls_first(
    authority: Authority, tmp_path: Path
) -> None:
    front = make_front(authority, tmp_path, instances=1, uploads=1)
    front.start()
    try:
        unit, other = new_unit(front, authority, tmp_path), new_unit(front, authority, tmp_path)
        unit.write_boot()
        other.write_boot()
        segment = other.segment(200_000)
        mine, theirs = unit.create(unit.segment(200_000)), other.create(segment)
        held = unit.start_patch(mine.headers["location"], 0, 200_000, bytes(70_000))
        location = theirs.headers["location"]
        refused = other.head(location)
        assert (refused.status, refused.headers["retry-after"]) == (429, "2")
        assert other.post(0).status == 200, "a journal is never turned away"
        for priority in ("u=1", "u=0, i", "i, u=2"):
            assert other.request("HEAD", location, {**TUS, "Priority": priority}).status == 200, priority
        for priority in ("u=3", "u=10", "menu=1", ""):
            assert other.request("HEAD", location, {**TUS, "Priority": priority}).status == 429, priority
        assert other.patch(location, 0, segment.data, Priority="u=1").status == 204
        held.close()
    finally:
        front.stop()


# --- the whole agency -------------------------------------------------------------------------------------------------


def test_an_agency_with_two_instances_publishes_receipts_of_either(tmp_path: Path) -> None:
    """One instance speaks MQTT; what the other receives is published all the same, and so it is after a kill."""
    require_program("mosquitto")
    require_program("/usr/sbin/nginx")
    with Agency(tmp_path / "agency", tmp_path / "store", instances=2) as agency:
        front = agency.store
        assert isinstance(front, StoreFront)
        unit = UnitDouble.enrolled(agency.authority, "zfy-two", tmp_path / "unit", agency.store_proxy.port)
        instances: list[Callable[[], UnitDouble]] = [
            lambda: at(front.socket(0), unit),
            lambda: at(front.socket(1), unit),
        ]
        with MqttDouble(agency.mqtt_port, unit.directory, unit.unit_id, session_s=600) as mqtt:
            mqtt.subscribe(f"fleet/v1/{unit.unit_id}/down/#", "fleet/v1/store/state")
            while not mqtt.next("fleet/v1/store/state")["online"]:
                pass
            unit.write_boot()
            posted = 0
            for make in instances:
                segment = unit.segment(50_000)
                unit.close(segment)
                instance = make()
                assert instance.post(posted).status == 200
                posted = unit.next_seq
                assert instance.upload(segment).status == 204
                receipt = believed(agency.authority, mqtt.next(f"fleet/v1/{unit.unit_id}/down/receipt")["receipt"])
                assert [item.segment_id for item in receipt.segments] == [segment.segment_id]
            agency.kill_store()
            agency.start_store()
            while not mqtt.next("fleet/v1/store/state")["online"]:
                pass
            segment = unit.segment(50_000)
            unit.close(segment)
            assert unit.post(posted).status == 200
            assert unit.upload(segment).status == 204
            assert mqtt.next(f"fleet/v1/{unit.unit_id}/down/receipt")["receipt"]
