"""``python -m hw_sim.agency.store``: an instance of an agency store. SIGTERM ends it cleanly, SIGKILL may come any time."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Clock
from hw_sim.agency.objects.opening import open_objects
from hw_sim.agency.objects.ports import ObjectStore, ObjectStoreError
from hw_sim.agency.objects.settings import SettingsError, parse_objects
from hw_sim.agency.store.disk import make_dirs
from hw_sim.agency.store.http_handler import Timeouts
from hw_sim.agency.store.http_server import Door, ProxyDoor, TlsDoor
from hw_sim.agency.store.quota import UnitLimits
from hw_sim.agency.store.segments import Limits
from hw_sim.agency.store.service import BrokerAddress, Instance, StoreOptions, lock_root
from hw_sim.agency.store.tls import AgencyTrust, TlsContexts, TlsFiles
from recorder.evidence.files import OsFiles
from recorder.evidence.signer import KeyFileError
from recorder.fleet.gauge import slot_limits
from recorder.lean import give_memory_back
from recorder.units import MB

log = logging.getLogger("agency.store")

UNIX = "unix:"
DAY_S = 86400.0


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hw_sim.agency.store", description="机关存储 agency store")
    parser.add_argument("--root", type=Path, required=True, help="vaults, register, staging")
    parser.add_argument("--shared", action="store_true", help="several instances on this root, on one machine")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT (0: a free one), or unix:PATH behind nginx")
    parser.add_argument(
        "--objects", default="folder:", help="where segments go: docs/object-stores.md; default: --root"
    )
    parser.add_argument("--tls", type=Path, help="folder with server-cert.pem, server-key.pem; for HOST:PORT")
    parser.add_argument("--store-key", type=Path, required=True, help="P-256 key that signs receipts (PEM)")
    parser.add_argument("--ca", type=Path, required=True, help="agency CA (PEM)")
    parser.add_argument("--crl", type=Path, help="revocation list (PEM); default: crl.pem beside the CA")
    parser.add_argument("--mqtt", help="HOST:PORT of the broker; without it no MQTT")
    parser.add_argument("--mqtt-tls", type=Path, help="folder with client-cert.pem, client-key.pem, ca.pem")
    parser.add_argument("--ready-file", type=Path, help="gets the port (0: a socket) once the store serves")
    parser.add_argument("--name", default="demo-store", help="iss of the receipts")
    parser.add_argument("--retain-days", type=float, default=183.0, help="retain_until of the receipts")
    parser.add_argument("--io-timeout", type=float, default=20.0, help="seconds without a byte within a request")
    parser.add_argument("--expire-days", type=float, default=14.0, help="unfinished uploads nobody touches")
    parser.add_argument("--reserve-mb", type=int, default=256, help="kept free for journals")
    parser.add_argument("--max-upload-mb", type=int, default=16_000)
    parser.add_argument("--slots", type=int, default=0, help="upload slots to begin with; 0: units upload as they like")
    unit = UnitLimits()
    group = parser.add_argument_group("每台设备的限额 limits of one unit; 0: none")
    group.add_argument("--unit-requests", type=int, default=unit.requests, help="uploads under way at once")
    group.add_argument("--unit-creates", type=int, default=unit.creates_per_minute, help="new uploads per minute")
    group.add_argument("--unit-unfinished-mb", type=int, default=unit.unfinished_bytes // MB)
    group.add_argument(
        "--unit-unnamed-mb", type=int, default=unit.unnamed_bytes // MB, help="whole uploads the journal does not name"
    )
    group.add_argument(
        "--unit-apart-mb",
        type=int,
        default=unit.apart_bytes // MB,
        help="kept apart: contradictory uploads; then digests",
    )
    group.add_argument("--unit-quota-mb", type=int, default=unit.stored_bytes // MB, help="stored bytes of one unit")
    group.add_argument("--quota-mb", type=int, default=unit.total_bytes // MB, help="stored bytes of all units")
    options = parser.parse_args(argv)
    if not options.listen.startswith(UNIX) and options.tls is None:
        parser.error("--listen HOST:PORT: 缺少 also needs --tls")
    return options


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    give_memory_back()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    make_dirs(options.root)
    try:
        lock_root(options.root, options.shared)
    except BlockingIOError:
        log.error("%s: 已有存储进程在用 another store process uses it", options.root)
        return 2
    try:
        objects = open_objects(parse_objects(options.objects), options.root)
    except (SettingsError, ObjectStoreError) as error:
        log.error("%s", error)
        return 2
    return serve(options, objects, stop)


def serve(options: argparse.Namespace, objects: ObjectStore, stop: threading.Event) -> int:
    clock = SystemClock()
    trust = AgencyTrust(options.ca, options.crl or options.ca.parent / "crl.pem")
    try:
        door = door_of(options, trust, clock)
    except PermissionError as error:
        log.error("--listen: %s", error)
        return 2
    try:
        instance = Instance(store_options(options), objects, door, trust, clock)
    except KeyFileError as error:
        log.error("--store-key: %s", error)
        return 2

    def ready() -> None:
        if options.ready_file is not None:
            OsFiles().replace(options.ready_file, f"{instance.server.port}\n".encode("ascii"))
        log.info("store ready on %s", options.listen if options.listen.startswith(UNIX) else instance.server.port)

    instance.run(stop, ready)
    log.info("store stopped")
    return 0


def door_of(options: argparse.Namespace, trust: AgencyTrust, clock: Clock) -> Door:
    """Raises PermissionError when others could reach the socket."""
    if options.listen.startswith(UNIX):
        return ProxyDoor(Path(options.listen.removeprefix(UNIX)), trust, clock)
    return TlsDoor(address(options.listen), TlsContexts(TlsFiles(options.tls, options.ca, trust.crl), trust), clock)


def store_options(options: argparse.Namespace) -> StoreOptions:
    broker = None
    if options.mqtt:
        broker = BrokerAddress(*address(options.mqtt), options.mqtt_tls or options.tls)
    return StoreOptions(
        root=options.root,
        store_key=options.store_key,
        credentials_dir=Path(credentials) if (credentials := os.environ.get("CREDENTIALS_DIRECTORY")) else None,
        name=options.name,
        retain_s=options.retain_days * DAY_S,
        shared=options.shared,
        broker=broker,
        limits=Limits(options.max_upload_mb * MB, options.reserve_mb * MB, options.expire_days * DAY_S),
        unit_limits=UnitLimits(
            requests=options.unit_requests,
            creates_per_minute=options.unit_creates,
            unfinished_bytes=options.unit_unfinished_mb * MB,
            unnamed_bytes=options.unit_unnamed_mb * MB,
            apart_bytes=options.unit_apart_mb * MB,
            stored_bytes=options.unit_quota_mb * MB,
            total_bytes=options.quota_mb * MB,
        ),
        timeouts=Timeouts(io_s=options.io_timeout),
        slots=slot_limits(options.slots) if options.slots else None,
    )


if __name__ == "__main__":
    sys.exit(main())
