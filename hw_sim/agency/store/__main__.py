"""``python -m hw_sim.agency.store``: one agency store. SIGTERM ends it cleanly; SIGKILL may come at any instant."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import random
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.clock import SystemClock
from hw_sim.agency.objects.opening import open_objects
from hw_sim.agency.objects.ports import ObjectStore, ObjectStoreError
from hw_sim.agency.objects.settings import SettingsError, parse_objects
from hw_sim.agency.store.admin import FleetDesk
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.disk import make_dirs
from hw_sim.agency.store.fleet import Fleet
from hw_sim.agency.store.holders import Holders
from hw_sim.agency.store.http_handler import Timeouts
from hw_sim.agency.store.http_server import IngestServer
from hw_sim.agency.store.journals import JournalDesk
from hw_sim.agency.store.keeping import Keeper
from hw_sim.agency.store.receipts import ReceiptDesk
from hw_sim.agency.store.register import IssuedReceipt, Register
from hw_sim.agency.store.segments import Limits, SegmentDesk
from hw_sim.agency.store.staging import Staging
from hw_sim.agency.store.tls import TlsContexts, TlsFiles
from recorder.evidence.files import OsFiles
from recorder.evidence.signer import load_or_create

log = logging.getLogger("agency.store")

HOUSEKEEPING_S = 60.0
HOLD_PATIENCE_S = 10.0
DAY_S = 86400.0


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hw_sim.agency.store", description="机关存储 agency store")
    parser.add_argument("--root", type=Path, required=True, help="vaults, register, staging")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT; port 0: a free one")
    parser.add_argument(
        "--objects", default="folder:", help="where segments go: docs/object-stores.md; default: --root"
    )
    parser.add_argument("--tls", type=Path, required=True, help="folder with server-cert.pem, server-key.pem")
    parser.add_argument("--store-key", type=Path, required=True, help="P-256 key that signs receipts (PEM)")
    parser.add_argument("--ca", type=Path, required=True, help="agency CA (PEM)")
    parser.add_argument("--crl", type=Path, help="revocation list (PEM); default: crl.pem beside the CA")
    parser.add_argument("--mqtt", help="HOST:PORT of the broker; without it no MQTT")
    parser.add_argument("--mqtt-tls", type=Path, help="folder with client-cert.pem, client-key.pem, ca.pem")
    parser.add_argument("--ready-file", type=Path, help="gets the port once the store serves")
    parser.add_argument("--name", default="demo-store", help="iss of the receipts")
    parser.add_argument("--retain-days", type=float, default=183.0, help="retain_until of the receipts")
    parser.add_argument("--io-timeout", type=float, default=20.0, help="seconds without a byte within a request")
    parser.add_argument("--expire-days", type=float, default=14.0, help="unfinished uploads nobody touches")
    parser.add_argument("--reserve-mb", type=int, default=256, help="kept free for journals")
    parser.add_argument("--max-upload-mb", type=int, default=16384)
    return parser.parse_args(argv)


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def lock_root(root: Path) -> int:
    """One store per root. The lock goes with the process, however it ends. Raises BlockingIOError."""
    fd = os.open(root / "store.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    make_dirs(options.root)
    try:
        lock_root(options.root)
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
    """Composition root: build the parts, connect them, finish what the last life left, serve until ``stop``."""
    clock = SystemClock()
    root: Path = options.root
    register = Register(root / "store.db")
    alarms = Alarms(root / "alarms.log", clock)
    contexts = TlsContexts(TlsFiles(options.tls, options.ca, options.crl or options.ca.parent / "crl.pem"))
    signer = load_or_create(options.store_key, options.store_key.with_name("no-chain.pem"))
    receipts = ReceiptDesk(register, signer, clock, options.name)
    keeper = Keeper(objects, clock, options.retain_days * DAY_S)
    staging = Staging(root / "staging", register, clock)
    fleet: Fleet | None = None
    if options.mqtt:
        host, port = address(options.mqtt)
        fleet = Fleet(register, clock, host, port, options.mqtt_tls or options.tls, random.random)

    def published(receipt: IssuedReceipt) -> None:
        if fleet is not None:
            fleet.publish_receipt(receipt)

    journals = JournalDesk(root, register, receipts, keeper, contexts.trust, clock, alarms, staging.whole, published)
    limits = Limits(options.max_upload_mb << 20, options.reserve_mb << 20, options.expire_days * DAY_S)
    segments = SegmentDesk(register, staging, journals, alarms, limits, Holders(HOLD_PATIENCE_S))
    journals.recover()
    segments.recover()
    timeouts = Timeouts(io_s=options.io_timeout)
    server = IngestServer(address(options.listen), contexts, journals, segments, clock, timeouts, FleetDesk(register))
    server.start()
    if fleet is not None:
        fleet.start()
    if options.ready_file is not None:
        OsFiles().replace(options.ready_file, f"{server.port}\n".encode("ascii"))
    log.info("store ready on port %d", server.port)
    while not stop.wait(HOUSEKEEPING_S):
        try:
            segments.settle_all()
            segments.expire()
        except Exception:
            log.exception("housekeeping")
    server.stop()
    if fleet is not None:
        fleet.close()
    register.close()
    log.info("store stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
