"""The uplink as the process it is: starts with nothing, ends cleanly, survives SIGKILL at any moment, stays small."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.ports import Clock
from recorder.uplink.service import EXIT_OUTDATED
from recorder.uplink.settings import UplinkSettings
from tests.uplink.broker import Mosquitto
from tests.uplink.fake_store import FakeStore
from tests.uplink.pki import Pki
from tests.uplink.unit_files import UnitFiles
from tests.uplink.uplink_process import ROOT, UplinkProcess

MB = 1_000_000


@pytest.fixture
def process(settings: UplinkSettings, store: FakeStore, clock: Clock, tmp_path: Path) -> Iterator[UplinkProcess]:
    made = UplinkProcess(dataclasses.replace(settings, store_url=store.url), clock, tmp_path / "uplink.log")
    yield made
    made.kill()


def test_it_starts_with_nothing_at_all_and_says_what_is_missing(
    settings: UplinkSettings, clock: Clock, tmp_path: Path
) -> None:
    shutil.rmtree(settings.run_dir)
    bare = dataclasses.replace(settings, tls_dir=str(tmp_path / "no-tls"), trust_dir=str(tmp_path / "no-trust"))
    process = UplinkProcess(bare, clock, tmp_path / "log")
    process.start()
    process.until(lambda: {"store-not-configured", "journal-absent"} <= process.codes())
    assert process.terminate() == 0
    for line in process.log.read_text().splitlines():
        json.loads(line.partition(">")[2])


def test_missing_certificates_are_named_and_used_as_soon_as_they_come(
    process: UplinkProcess, unit: UnitFiles, tmp_path: Path, pki: Pki
) -> None:
    tls = tmp_path / "late"
    process.settings = dataclasses.replace(process.settings, tls_dir=str(tls), backoff_base_s=1.0, backoff_max_s=3600.0)
    segment = unit.segment(MB)
    process.start()
    process.until(lambda: "tls-credentials" in process.codes())
    shutil.copytree(pki.tls, tls)
    process.until(lambda: process.status().get("backlog", {}).get("segments") == 0 and process.receipts() > 0)
    assert process.terminate() == 0
    assert segment.size == MB


def test_everything_up_to_the_receipt_and_a_clean_end(
    process: UplinkProcess, store: FakeStore, unit: UnitFiles
) -> None:
    segments = [unit.segment(MB), unit.segment(2 * MB, close="recovery")]
    process.start()
    process.until(lambda: all(segment.segment_id in store.receipts for segment in segments))
    process.until(lambda: process.status()["backlog"]["segments"] == 0)
    later = unit.segment(MB)
    process.until(lambda: later.segment_id in store.receipts)
    process.until(lambda: process.status()["posted_seq"] == unit.seq - 1)
    assert store.journal[unit.journal_id] == unit.lines
    assert process.terminate() == 0
    sent = store.count("PATCH")
    process.start()
    process.until(lambda: process.status().get("pid") == process.child.pid and process.status()["online"])
    assert process.terminate() == 0
    assert store.count("PATCH") == sent, "receipted segments are not touched again"


def test_the_unit_is_told_of_each_receipt(process: UplinkProcess, store: FakeStore, unit: UnitFiles) -> None:
    """The unit process is away first, then answers on its control socket."""
    segment = unit.segment(MB)
    process.start()
    process.until(lambda: segment.segment_id in store.receipts and "unit-away" in process.codes())
    told: list[dict[str, Any]] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(process.settings.control_socket))
        listener.listen()
        listener.settimeout(15)
        while not any((process.settings.receipts_dir / f"{t['receipt_id']}.jws").exists() for t in told):
            connection, _ = listener.accept()
            with connection:
                told.append(json.loads(connection.makefile("rb").readline()))
                connection.sendall(b'{"v":1,"ok":true}\n')
    assert all(message["v"] == 1 and message["cmd"] == "receipt" for message in told)
    assert process.terminate() == 0


def test_a_disk_that_refuses_every_write_is_a_fault_and_the_process_stays(
    process: UplinkProcess, store: FakeStore, unit: UnitFiles
) -> None:
    """What it refuses: that any file of this process grows (RLIMIT_FSIZE), so SQLite has its "disk I/O error". Uploads go
    on meanwhile; what is to be announced, and the receipts, come when the disk is back."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        process.settings = dataclasses.replace(
            process.settings, mqtt_enabled=True, mqtt_host="127.0.0.1", mqtt_port=nobody.getsockname()[1]
        )
        first = unit.segment(MB)
        process.start()
        process.until(lambda: process.status().get("mqtt_unacknowledged") == 1 and first.segment_id in store.receipts)
        pid = process.child.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        second = unit.segment(MB)
        process.until(lambda: store.journal[unit.journal_id] == unit.lines)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        process.until(lambda: process.status()["mqtt_unacknowledged"] == 2)
        process.until(lambda: process.status()["backlog"]["segments"] == 0 and second.segment_id in store.receipts)
        process.until(lambda: "disk" not in {entry["code"] for entry in process.status()["faults"]})
        status = process.status()
        assert status["pid"] == pid
        assert ("disk", "outbox") in {(entry["code"], entry["area"]) for entry in status["last_errors"]}
        assert process.terminate() == 0


@pytest.mark.kill
def test_sigkill_at_any_moment_loses_nothing_and_resumes_at_the_stores_offset(
    process: UplinkProcess, store: FakeStore, unit: UnitFiles
) -> None:
    """Kills fall at random points of the upload; not one byte reaches the store twice."""
    seed = int(os.environ.get("KILL_SEED", "20191201"))
    rounds = 20 if os.environ.get("CI") == "true" else 6
    rnd = random.Random(seed)
    segments = [unit.segment(6 * MB) for _ in range(3)]
    total = sum(segment.size for segment in segments)
    reached = threading.Event()
    mark = 0

    def body(_upload: object) -> None:
        if sum(upload.received for upload in store.uploads.values()) >= mark:
            reached.set()
        threading.Event().wait(0.0005)

    store.on_body = body
    for number in range(rounds):
        mark = round(total * (number + rnd.random()) / rounds)
        reached.clear()
        process.start()
        process.until(reached.is_set)
        process.kill()
    process.start()
    process.until(lambda: all(segment.segment_id in store.receipts for segment in segments), 60)
    for segment in segments:
        assert bytes(store.uploads[f"/uploads/{segment.segment_id}"].data) == unit.path(segment).read_bytes()
    assert store.journal[unit.journal_id] == unit.lines
    process.until(lambda: process.status().get("pid") == process.child.pid)
    received = sum(upload.received for upload in store.uploads.values())
    assert received == total, f"KILL_SEED={seed}: the store got {received - total} bytes twice"
    assert process.terminate() == 0


@pytest.mark.kill
def test_killed_between_receipt_and_the_next_start_nothing_is_sent_again(
    process: UplinkProcess, store: FakeStore, unit: UnitFiles
) -> None:
    segment = unit.segment(2 * MB)
    process.start()
    process.until(lambda: any(p.read_bytes() != b"" for p in process.settings.receipts_dir.glob("*.jws")))
    process.until(lambda: segment.segment_id in store.receipts)
    process.kill()
    process.start()
    process.until(lambda: process.status().get("pid") == process.child.pid and process.status()["online"])
    process.until(lambda: process.status()["backlog"]["segments"] == 0)
    assert sum(upload.received for upload in store.uploads.values()) == segment.size
    assert process.terminate() == 0


HOLD_MB = 40.0


def test_memory_stays_under_the_hold_and_does_not_grow_with_the_file(
    process: UplinkProcess, store: FakeStore, unit: UnitFiles, pki: Pki, tmp_path: Path
) -> None:
    """Everything on: MQTT connected, journal posted, a large segment sent. Byte code is cached, as on an installed unit."""
    process.environment = {"PYTHONPYCACHEPREFIX": str(tmp_path / "pyc")}
    process.environment_without = ("PYTHONDONTWRITEBYTECODE",)
    with Mosquitto(pki, tmp_path / "broker") as broker:
        process.settings = dataclasses.replace(
            process.settings, mqtt_enabled=True, mqtt_host="localhost", mqtt_port=broker.port
        )
        small = unit.segment(MB)
        process.start()
        process.until(lambda: small.segment_id in store.receipts, 60)
        assert process.terminate() == 0
        process.start()
        process.until(
            lambda: process.status().get("pid") == process.child.pid and bool(process.status()["mqtt_connected"])
        )
        before = process.rss_mb()
        large = unit.segment(120 * MB)
        process.until(lambda: large.segment_id in store.receipts, 90)
        after = process.rss_mb()
        assert process.terminate() == 0
    assert after - before < 3, f"{before:.1f} MB -> {after:.1f} MB over a 120 MB segment"
    assert after <= HOLD_MB, f"{before:.1f} MB before, {after:.1f} MB after"


def test_exec_replaces_the_process_by_the_lean_one(tmp_path: Path) -> None:
    """Same pid, no pydantic and no numpy in it."""
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from recorder.config.load import load_config\n"
        "from recorder.uplink.process import exec_uplink\n"
        "exec_uplink(load_config((), dict(os.environ)).config)\n"
    )
    environment = {
        **os.environ,
        "RECORDER__STORAGE__DATA_DIR": str(tmp_path / "data"),
        "RECORDER__STORAGE__RUN_DIR": str(tmp_path / "run"),
    }
    child = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert child.stdout is not None
    with child.stdout as output:
        for line in output:
            if b"journal-absent" in line:
                break
        maps = Path(f"/proc/{child.pid}/maps").read_text()
        child.send_signal(signal.SIGTERM)
        rest = output.read()
    assert child.wait(10) == 0, rest
    assert "pydantic" not in maps
    assert "numpy" not in maps


def test_a_key_the_service_manager_passes_on(process: UplinkProcess, unit: UnitFiles, tmp_path: Path, pki: Pki) -> None:
    """The uplink may not read the key where it lies. Before enrolment the credential holds a word instead of a key; a new
    one comes with a new process (systemd starts it again)."""
    tls, credentials = tmp_path / "tls", tmp_path / "credentials"
    shutil.copytree(pki.tls, tls)
    key = (tls / "client-key.pem").read_bytes()
    (tls / "client-key.pem").unlink()
    credentials.mkdir()
    (credentials / "client-key.pem").write_text("absent")
    process.settings = dataclasses.replace(process.settings, tls_dir=str(tls), credentials_dir=str(credentials))
    unit.segment(MB)
    process.start()
    process.until(lambda: "tls-credentials" in process.codes())
    (tls / "ca.pem").touch()  # an enrolment comes
    assert process.child.wait(20) == EXIT_OUTDATED
    (credentials / "client-key.pem").write_bytes(key)
    process.start()
    process.until(lambda: process.receipts() > 0)
    assert process.terminate() == 0


def test_a_hang_up_reads_the_configuration_again(settings: UplinkSettings, clock: Clock, tmp_path: Path) -> None:
    """``systemctl reload``: the same process, other settings."""
    unit_toml = tmp_path / "unit.toml"

    def write(store_url: str) -> None:
        lines = ["[storage]", f'data_dir = "{settings.data_dir}"', f'run_dir = "{settings.run_dir}"']
        unit_toml.write_text("\n".join([*lines, "[uplink]", f'store_url = "{store_url}"', ""]))

    write("")
    process = UplinkProcess(settings, clock, tmp_path / "log")
    process.command = (sys.executable, "-m", "recorder", "uplink", "--config", str(unit_toml))
    process.start()
    try:
        process.until(lambda: "store-not-configured" in process.codes())
        pid = process.child.pid
        write("https://127.0.0.1:1")
        process.child.send_signal(signal.SIGHUP)
        process.until(lambda: "tls-credentials" in process.codes())
        assert process.child.pid == pid == process.status()["pid"]
        assert process.terminate() == 0
    finally:
        process.kill()


def test_a_hang_up_ends_a_process_whose_credentials_are_copies(
    settings: UplinkSettings, clock: Clock, tmp_path: Path
) -> None:
    """Replaced in place it would keep the copies of before the reload; the service manager starts it again."""
    (tmp_path / "credentials").mkdir()
    settings = dataclasses.replace(settings, credentials_dir=str(tmp_path / "credentials"))
    process = UplinkProcess(settings, clock, tmp_path / "log")
    process.start()
    try:
        process.until(lambda: "store-not-configured" in process.codes())
        process.child.send_signal(signal.SIGHUP)
        assert process.child.wait(20) == EXIT_OUTDATED
    finally:
        process.kill()


def test_one_that_keeps_ending_begins_ever_more_slowly_and_can_be_stopped_meanwhile(
    process: UplinkProcess, clock: Clock
) -> None:
    starts = process.settings.status_file.with_name("starts.json")
    starts.parent.mkdir(parents=True, exist_ok=True)
    now_us = clock.boottime_us()
    starts.write_text(json.dumps({"boot_id": clock.boot_id(), "starts_us": [now_us - n for n in range(9, 0, -1)]}))
    process.environment = {"INVOCATION_ID": "storm"}
    process.start()
    process.until(lambda: "start.paused" in process.log.read_text())
    assert "uplink.started" not in process.log.read_text()
    assert process.terminate() == 0
    assert len(json.loads(starts.read_text())["starts_us"]) == 10
