"""The failure matrix of the upload, the rows in which something other than the line is wrong: portals, names, certificates,
clocks, and a store that lies; against a double of the store. (docs/testing.md has the table; the line itself, and
these rows against the real store over each engine, are in ``tests/integration/test_failure_matrix.py``.)

Whatever happens: no segment counts as stored without a receipt of the agency's store that names its bytes, and once the
trouble is over everything arrives.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Clock, ClockQuality
from hw_sim.agency.authority import Authority
from hw_sim.agency.certificates import file_signer
from hw_sim.deterministic.network import Network, SimulatedClient
from hw_sim.deterministic.store import SimulatedStore
from recorder.evidence import jws
from recorder.uplink.connection import AddressInfo, ConnectionOptions
from recorder.uplink.facts import Segment
from recorder.uplink.http import StoreClient
from recorder.uplink.link_watch import LinkWatch
from recorder.uplink.links import LinkNames
from recorder.uplink.queue import Wait
from recorder.uplink.settings import UplinkSettings
from recorder.uplink.tls_socket import use_tls_socket
from tests.hw_sim.agency.unit_double import csr, new_key
from tests.uplink.fake_store import FakeStore, Reply, Upload
from tests.uplink.impostors import HTML, listening_on, portal_in_the_clear, portal_with_a_certificate
from tests.uplink.pki import UNIT, Pki, issue_for
from tests.uplink.running import Running
from tests.uplink.unit_files import UnitFiles

MB = 1_000_000
PER_FAULT = 500_000
DAY_S = 86400


@pytest.fixture
def running(store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles) -> Iterator[Running]:
    made = Running(store, dataclasses.replace(settings, store_url=store.url), clock, unit)
    made.uploader.start()
    yield made
    store.released.set()
    assert made.uploader.close(5)


def claims_nothing(running: Running, *segments: Segment) -> None:
    """No receipt on the disk names a segment, and all of them are still to be sent."""
    found, _ = running.receipt_files.stored()
    assert [covered for receipt in found for covered in receipt.segments] == []
    assert running.uploader.status["backlog"]["segments"] == len(segments)
    assert all(running.unit.path(segment).stat().st_size == segment.size for segment in segments)


# --- portals and proxies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("portal", "code"), [("clear", "tls-failed"), ("own certificate", "tls-untrusted")])
def test_a_captive_portal_is_no_store(
    pki: Pki, settings: UplinkSettings, clock: Clock, unit: UnitFiles, portal: str, code: str
) -> None:
    """Behind a hotel's door every address answers 200 with a page."""
    with FakeStore(pki) as first:
        port = first.port
    running = Running(first, dataclasses.replace(settings, store_url=f"https://127.0.0.1:{port}"), clock, unit)
    segment = unit.segment(MB)
    own = portal_with_a_certificate(pki.rogue_tls / "client-cert.pem", pki.rogue_tls / "client-key.pem")
    with listening_on(port, portal_in_the_clear if portal == "clear" else own):
        running.uploader.start()
        running.give(segment)
        running.until(lambda: code in running.codes())
        claims_nothing(running, segment)
    with FakeStore(pki, port):
        running.until(running.done(segment))
        assert running.uploader.close(5)


@pytest.mark.parametrize("method", ["POST", "PATCH", "HEAD", "GET"])
def test_a_page_with_status_200_is_no_answer_of_a_store(running: Running, method: str) -> None:
    """Even from behind the right certificate (a broken gateway): to creation, PATCH, HEAD, request for a receipt."""
    page: Reply = (200, {"Content-Type": "text/html"}, b"" if method == "HEAD" else HTML)
    if method == "GET":
        running.store.replies = [("PATCH", "/uploads", (404, {}, b"")), ("GET", "/journals", page)]
    elif method == "HEAD":
        running.store.drop_after = [MB // 2]
        running.store.replies = [("HEAD", "/uploads", page)]
    else:
        running.store.replies = [(method, "/uploads" if method == "PATCH" else "/", page)] * 2
    segment = running.unit.segment(MB)
    running.give(segment)
    running.until(lambda: bool({"protocol-error", "receipt-invalid"} & set(running.codes())))
    running.until(running.done(segment))
    held = running.store.uploads[f"/uploads/{segment.segment_id}"].data
    assert bytes(held) == running.unit.path(segment).read_bytes()


def test_a_gateway_whose_store_died_is_heard_before_the_rest_is_sent(running: Running) -> None:
    """502 in the middle of a body: without looking, the whole rest would go into a closed door (17–25 MB, measured)."""
    running.store.early = [(MB, (502, {"Content-Type": "text/html", "Content-Length": str(len(HTML))}, HTML))]
    segment = running.unit.segment(30 * MB)
    running.give(segment)
    running.until(running.done(segment), 60)
    assert "store-error" in running.codes()
    assert running.uploader.status["bytes_sent"] - segment.size <= 4 * MB


# --- names ------------------------------------------------------------------------------------------------------------


def test_without_name_resolution_it_waits_and_says_so(
    store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles
) -> None:
    gone = True

    def resolver(host: str, port: int) -> list[AddressInfo]:
        if gone:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        assert host == "localhost"
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    def client(own: UplinkSettings, clock: Clock, dscp: int) -> StoreClient:
        options = ConnectionOptions(own.connect_timeout_s, own.io_timeout_s, dscp=dscp)
        return StoreClient(own.store_url, Path(own.tls_dir), options, clock, resolver=resolver)

    running = Running(
        store, dataclasses.replace(settings, store_url=f"https://localhost:{store.port}"), clock, unit, client=client
    )
    segment = unit.segment(MB)
    running.give(segment)
    running.uploader.start()
    running.until(lambda: "store-unresolved" in running.codes())
    claims_nothing(running, segment)
    gone = False
    running.until(running.done(segment))
    assert running.uploader.close(5)


# --- clocks and certificates ------------------------------------------------------------------------------------------


def server_context(pki: Pki, folder: Path, begins: dt.timedelta, ends: dt.timedelta) -> ssl.SSLContext:
    """The store's side of TLS with a certificate valid from ``begins`` to ``ends`` after now."""
    folder.mkdir()
    issue_for(pki, folder, "server", begins, ends)
    context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.load_cert_chain(folder / "client-cert.pem", folder / "client-key.pem")
    context.load_verify_locations(pki.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


HOUR = dt.timedelta(hours=1)


@pytest.mark.parametrize(("begins", "ends"), [(HOUR, 9 * HOUR), (-9 * HOUR, -HOUR)], ids=["behind", "ahead"])
def test_a_unit_whose_clock_is_wrong_names_the_clock_and_goes_on_when_it_is_set(
    running: Running, pki: Pki, tmp_path: Path, begins: dt.timedelta, ends: dt.timedelta
) -> None:
    """TLS asks the system's clock, which a test cannot turn: instead the certificate is of another hour."""
    right, running.store.context = running.store.context, server_context(pki, tmp_path / "server", begins, ends)
    segment = running.unit.segment(MB)
    running.give(segment)
    running.until(lambda: "tls-not-now" in running.codes())
    assert "tls-untrusted" not in running.codes()
    claims_nothing(running, segment)
    running.store.context = right
    running.until(running.done(segment))


def test_a_store_whose_certificate_expires_in_the_middle(running: Running, pki: Pki, tmp_path: Path) -> None:
    """A connection that is up stays up; the next one is refused by us until the certificate is renewed."""
    right = running.store.context
    expired = server_context(pki, tmp_path / "server", -9 * HOUR, -HOUR)
    running.store.drop_after = [2 * MB]
    running.store.on_body = lambda _upload: setattr(running.store, "context", expired)
    segment = running.unit.segment(4 * MB)
    running.give(segment)
    running.until(lambda: "tls-not-now" in running.codes())
    claims_nothing(running, segment)
    running.store.on_body = lambda _upload: None
    running.store.context = right
    running.until(running.done(segment))
    assert running.uploader.status["bytes_sent"] - segment.size <= PER_FAULT


def test_our_certificate_expires_in_the_middle_and_is_renewed(
    store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles, pki: Pki, tmp_path: Path
) -> None:
    """It truly runs out while the segment is on its way; what the store has is not asked for again."""
    tls = tmp_path / "tls"
    tls.mkdir()
    shutil.copy(pki.ca, tls)
    issue_for(pki, tls, UNIT, -HOUR, dt.timedelta(seconds=3))
    over = threading.Event()
    timer = threading.Timer(4.0, over.set)
    timer.start()

    def body(upload: Upload) -> None:
        if upload.received >= 2 * MB and store.count("PATCH") == 1:
            over.wait(20)

    store.on_body = body
    store.drop_after = [2 * MB + 65536]
    slow = dataclasses.replace(settings, store_url=store.url, tls_dir=str(tls), io_timeout_s=10.0)
    running = Running(store, slow, clock, unit)
    segment = unit.segment(4 * MB)
    running.give(segment)
    running.uploader.start()
    running.until(lambda: "tls-refused" in running.codes(), 30)
    claims_nothing(running, segment)
    issue_for(pki, tls, UNIT, -HOUR, 9 * HOUR)
    running.until(running.done(segment))
    assert running.uploader.status["bytes_sent"] - segment.size <= PER_FAULT
    assert running.uploader.close(5)
    timer.join()


# --- a store that lies ------------------------------------------------------------------------------------------------


def other_bytes(store: FakeStore, _running: Running, uploads: list[Upload]) -> str:
    lies = [
        {"segment_id": upload.metadata["segment_id"], "sha256": "x" * 43, "size": upload.length} for upload in uploads
    ]
    return FakeStore.receipt(store, journal_of(store), [], segments=lies)


def other_size(store: FakeStore, _running: Running, uploads: list[Upload]) -> str:
    lies = [
        {"segment_id": upload.metadata["segment_id"], "sha256": upload.metadata["sha256"], "size": upload.length - 1}
        for upload in uploads
    ]
    return FakeStore.receipt(store, journal_of(store), [], segments=lies)


def forged(store: FakeStore, _running: Running, uploads: list[Upload]) -> str:
    payload = jws.split(FakeStore.receipt(store, journal_of(store), uploads)).payload
    return jws.sign("receipt", payload, store.pki.other_signer)


def under_a_stolen_signature(store: FakeStore, _running: Running, uploads: list[Upload]) -> str:
    """The words of one receipt, the signature of another."""
    words, _, _ = FakeStore.receipt(store, journal_of(store), uploads).rpartition(".")
    _, _, signature = FakeStore.receipt(store, journal_of(store), []).rpartition(".")
    return f"{words}.{signature}"


def another_units(store: FakeStore, _running: Running, uploads: list[Upload]) -> str:
    return FakeStore.receipt(store, journal_of(store), uploads, unit_id="zfy-000002")


def replayed(store: FakeStore, running: Running, _uploads: list[Upload]) -> str:
    """A true one of earlier, for lines and segments of earlier."""
    return (running.receipts_dir / f"{running.seen[0].receipt_id}.jws").read_text().strip()


def journal_of(store: FakeStore) -> str:
    return next(iter(store.journal))


LIES = [other_bytes, other_size, forged, under_a_stolen_signature, another_units, replayed]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: str(lie.__name__))
def test_a_store_that_lies_ends_no_upload(
    running: Running, lie: Callable[[FakeStore, Running, list[Upload]], str]
) -> None:
    """It takes all bytes, says 204 and 200, and gives something other than the receipt of these bytes. What the unit
    process releases, it releases by its own judgement of the same receipt (tests/evidence/test_receipts.py,
    tests/unit/test_custody.py)."""
    first = running.unit.segment(MB)
    running.give(first)
    running.until(running.done(first))
    kept = set(running.receipts_dir.glob("*.jws"))
    store, asked = running.store, threading.Event()

    def lying(_journal_id: str, uploads: list[Upload], **_changes: object) -> str:
        if any(upload.metadata["segment_id"] != first.segment_id for upload in uploads):
            asked.set()
        return lie(store, running, uploads)

    store.receipt = lying  # type: ignore[method-assign, assignment]  # the store lies
    second = running.unit.segment(MB)
    running.give(second)
    running.until(asked.is_set)
    times = store.count("GET", "/journals") + store.count("POST", "/journals")
    running.until(lambda: store.count("GET", "/journals") + store.count("POST", "/journals") >= times + 4)
    assert running.uploader.status["backlog"]["segments"] == 1, "what has no receipt is still to be sent"
    new = [jws.split(path.read_text().strip()).payload for path in set(running.receipts_dir.glob("*.jws")) - kept]
    named = [entry for payload in new for entry in payload["segments"]]
    assert (second.sha256, second.size) not in [(entry["sha256"], entry["size"]) for entry in named]
    del store.receipt  # and stops lying
    store.receipts.pop(second.segment_id, None)
    running.until(lambda: running.uploader.status["backlog"]["segments"] == 0)
    assert running.unit.path(second).stat().st_size == second.size


# --- a week away ------------------------------------------------------------------------------------------------------


class HandClock:
    """``ports.Clock`` that goes when it is told to."""

    def __init__(self, wall_s: float) -> None:
        self.now_us = 0
        self._wall_us = round(wall_s * 1e6)

    def boottime_us(self) -> int:
        return self.now_us

    def wall_us(self) -> int:
        return self._wall_us + self.now_us

    def boot_id(self) -> str:
        return "00000000-0000-4000-8000-000000000001"

    def quality(self) -> ClockQuality:
        return ClockQuality("ntp", True, 1.0)


def test_seven_days_offline_then_everything_arrives_oldest_deadline_first(
    settings: UplinkSettings, tmp_path: Path, pki: Pki
) -> None:
    """On a simulated clock: a week of recording without a network, then the network is back. The store is the simulator's
    in memory (the real rules for journals and receipts)."""
    authority = Authority(tmp_path / "authority", SystemClock())
    key = new_key()
    chain = tuple(
        x509.load_pem_x509_certificates(
            authority.enrol(UNIT, csr(key, UNIT), csr(new_key(), UNIT)).device_cert_pem_chain
        )
    )
    unit = UnitFiles(tmp_path / "data", signer=file_signer(key, chain))
    unit.boot(UNIT)
    clock, rnd = HandClock(unit.wall), random.Random(7)
    trusted = x509.load_pem_x509_certificate((authority.trust_dir / "agency-ca.pem").read_bytes())
    store_signer = file_signer(ec.generate_private_key(ec.SECP256R1()))
    (tmp_path / "no-key-yet").mkdir()  # carried unverified: whose signature it is, is the tests' of receipts
    store = SimulatedStore(UNIT, trusted, store_signer, clock, rnd)  # type: ignore[arg-type]  # it asks for the time only
    network = Network(rnd, store, up=False)
    own = dataclasses.replace(
        settings, store_url="https://store.invalid", backoff_base_s=60.0, backoff_max_s=600.0, journal_interval_s=5.0
    )
    running = Running(
        FakeStore(pki),
        dataclasses.replace(own, trust_dir=str(tmp_path / "no-key-yet")),
        clock,
        unit,
        LinkWatch(LinkNames(), Path("/nonexistent")),
        lambda _settings, clock, _dscp: SimulatedClient(network, clock),
    )
    running.store.server.server_close()
    attempts = 0

    def live(seconds: float) -> None:
        nonlocal attempts
        end_us = clock.now_us + round(seconds * 1e6)
        while clock.now_us < end_us:
            waiting = running.uploader.turn()
            spent_us = network.take_spent_us()
            if waiting is None:
                attempts += 1
                clock.now_us += spent_us + 1000
            else:
                clock.now_us = min(
                    end_us, end_us if waiting.until_us is None else max(clock.now_us + 1000, waiting.until_us)
                )

    segments: list[Segment] = []
    for day in range(7):
        for _ in range(3):
            unit.wall = clock.wall_us() / 1e6
            segments.append(unit.segment(20_000 + day))
            running.give(segments[-1])
            live(DAY_S / 3)
    assert store.objects == {}
    assert running.uploader.status["backlog"]["segments"] == 21
    least_pause_s = 0.1 * 60.0 * 8  # the draw of this test times the cap, shrunk as far as it goes
    assert 7 * 24 < attempts < 7 * DAY_S / least_pause_s + 100, "it never gives up, and it does not storm"
    network.heal()
    live(1800)
    assert list(store.objects) == [segment.segment_id for segment in segments], "each once, the oldest deadline first"
    assert all(store.objects[item.segment_id] == unit.path(item).read_bytes() for item in segments)
    assert store.lines == [line.rstrip(b"\n") for line in unit.lines]
    assert running.uploader.status["backlog"]["segments"] == 0
    assert isinstance(running.uploader.turn(), Wait)
