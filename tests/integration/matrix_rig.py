"""What the failure matrix is played with: one store per engine; for each test a unit of its own on a line of its own."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import random
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firmware_bridge.ports import Clock
from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import HOSTS, Authority
from hw_sim.agency.certificates import Purpose, device_name, file_signer, make_leaf, pem, utc
from hw_sim.agency.objects.opening import open_objects
from hw_sim.agency.objects.ports import Content, ObjectStore, StoredVersion
from hw_sim.agency.objects.settings import parse_objects
from hw_sim.agency.proxy import FaultProxy
from recorder.evidence import jws
from recorder.evidence.signer import FileSigner
from recorder.uplink.facts import Segment
from tests.hw_sim.agency.objects.engines import Engine
from tests.hw_sim.agency.unit_double import DoubleSegment, UnitDouble, client_context, csr, key_pem, new_key
from tests.uplink.settings_builder import quick_settings
from tests.uplink.unit_files import UnitFiles
from tests.uplink.uplink_process import UplinkProcess

MB = 1_000_000
PER_FAULT = 500_000
"""Design §10: bytes sent twice per fault."""

NOW, EXPIRED, NOT_YET = dt.timedelta(0), dt.timedelta(days=-1096), dt.timedelta(days=2)
"""When a certificate is issued, from now: they begin a day before and last for 1095 (``hw_sim.agency.certificates``)."""

_numbers = itertools.count(1)


@dataclass
class Site:
    """An agency's store on one engine, shared by the tests of a module."""

    authority: Authority
    store: StoreProcess
    objects: ObjectStore
    clock: Clock

    @classmethod
    def open(cls, engine: Engine, folder: Path, authority: Authority, clock: Clock) -> Site:
        engine.start()
        url, root = engine.url(), folder / "root"
        options = ("--objects", url, "--io-timeout", "5", "--reserve-mb", "16")
        store = StoreProcess(folder, root, authority, clock, options)
        store.start()
        return cls(authority, store, open_objects(parse_objects(url), root), clock)

    def show_certificate(self, issued: dt.timedelta) -> None:
        """The store's own, at the next connection, as renewals are put in place."""
        key = _key(self.authority.server_dir / "server-key.pem")
        made = _leaf(self.authority, key, "agency-server", Purpose.SERVER, self.clock, issued, HOSTS)
        _replace(self.authority.server_dir / "server-cert.pem", made)

    def after_a_power_cut(self, unit_id: str, left: str) -> int:
        """The store is dead, and its machine starts again: of the unit's one upload there is ``left``. The offset up to
        which it is good."""
        with closing(sqlite3.connect(self.store.root / "store.db")) as register, register:
            [[upload_id, synced]] = register.execute(
                "SELECT upload_id, synced FROM upload WHERE unit_id = ?", [unit_id]
            )
            register.execute("UPDATE upload SET boot_id = 'the boot before' WHERE upload_id = ?", [upload_id])
        part = self.store.root / "staging" / f"{upload_id}.part"
        if left == "torn":
            part.write_bytes(part.read_bytes()[:synced].ljust(synced + 100_000, b"?"))
            return int(synced)
        if left == "rolled back":
            with part.open("r+b") as file:
                file.truncate(500_000)
            return min(int(synced), 500_000)
        part.unlink()
        return 0

    def alarms(self, unit_id: str) -> list[str]:
        path = self.store.root / "alarms.log"
        entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [str(entry["alarm"]) for entry in entries if entry.get("unit_id") == unit_id]


@dataclass
class Field:
    """One unit in the field. ``proxy`` is the only way from it to the store."""

    site: Site
    unit_id: str
    unit: UnitFiles
    process: UplinkProcess
    proxy: FaultProxy
    signer: FileSigner

    @classmethod
    def enrolled(cls, site: Site, folder: Path) -> Field:
        unit_id = f"zfy-{next(_numbers):06d}"
        signing, client = new_key(), new_key()
        enrolment = site.authority.enrol(unit_id, csr(signing, unit_id), csr(client, unit_id))
        tls = folder / "tls"
        tls.mkdir()
        (folder / "run").mkdir()
        (tls / "client-key.pem").write_bytes(key_pem(client))
        (tls / "client-cert.pem").write_bytes(enrolment.client_cert_pem)
        (tls / "ca.pem").write_bytes(enrolment.ca_pem)
        chain = tuple(x509.load_pem_x509_certificates(enrolment.device_cert_pem_chain))
        signer = file_signer(signing, chain)
        unit = UnitFiles(folder / "data", seed=next(_numbers), signer=signer)
        unit.boot(unit_id)
        proxy = FaultProxy(site.store.port, site.clock)
        own = quick_settings(
            unit_id=unit_id,
            data_dir=str(folder / "data"),
            run_dir=str(folder / "run"),
            store_url=f"https://127.0.0.1:{proxy.port}",
            tls_dir=str(tls),
            trust_dir=str(site.authority.trust_dir),
        )
        return cls(site, unit_id, unit, UplinkProcess(own, site.clock, folder / "uplink.log"), proxy, signer)

    def close(self) -> None:
        self.process.kill()
        self.proxy.close()

    @property
    def tls(self) -> Path:
        return Path(self.process.settings.tls_dir)

    def show_certificate(self, issued: dt.timedelta) -> None:
        """The unit's own, at the next connection."""
        key = _key(self.tls / "client-key.pem")
        made = _leaf(self.site.authority, key, self.unit_id, Purpose.CLIENT, self.site.clock, issued, (self.unit_id,))
        _replace(self.tls / "client-cert.pem", made)

    def half_sent(self, count: int) -> None:
        """The uplink is in the middle of a PATCH, and stays there until the line's mode is "ok" again."""
        self.proxy.slow(6 * MB)
        self.process.start()
        self.process.until(lambda: self.proxy.bytes_up >= count)
        self.proxy.mode("stall")

    def reconnects(self) -> None:
        """Out of ``half_sent``: over a new connection."""
        self.proxy.reset()
        self.proxy.mode("ok")

    def says(self, code: str) -> None:
        self.process.until(lambda: code in self.process.codes())

    def double(self) -> UnitDouble:
        """The same unit, asking the store by hand and past the line."""
        context, port = client_context(self.tls), self.site.store.port
        return UnitDouble(
            self.unit_id, self.signer, context, self.tls, self.unit.journal_id, random.Random(self.unit_id), port
        )

    def by_hand(self, segment: Segment) -> DoubleSegment:
        return DoubleSegment(segment.session_id, segment.segment_id, self.unit.path(segment).read_bytes())

    # --- what has come about -----------------------------------------------------------------------------------------

    def receipts(self) -> list[dict[str, Any]]:
        """Payloads of the receipts on the unit's disk."""
        texts = [path.read_text().strip() for path in sorted(self.process.settings.receipts_dir.glob("*.jws"))]
        return [jws.split(text).payload for text in texts if text]

    def done(self, *segments: Segment) -> bool:
        """The uplink of this process says it has nothing left, and the store has the journal past all of them."""
        status = self.process.status()
        if status.get("pid") != self.process.child.pid or status["backlog"]["segments"]:
            return False
        return bool(status["posted_seq"] >= max(segment.seq for segment in segments))

    def until_done(self, *segments: Segment, timeout_s: float = 60.0) -> None:
        self.process.until(lambda: self.done(*segments), timeout_s)

    def twice(self, *segments: Segment) -> int:
        """Bytes the uplink gave to its kernel more than once; of one process, from its start."""
        return int(self.process.status()["bytes_sent"]) - sum(segment.size for segment in segments)

    def check(self, *segments: Segment) -> None:
        """Nothing lost, nothing doubled: one receipt for each segment, naming one object whose bytes, read from the engine,
        are those of the card; the journal whole; the agency not alarmed."""
        covered = [entry for receipt in self.receipts() for entry in receipt["segments"]]
        assert Counter(entry["segment_id"] for entry in covered) == Counter(item.segment_id for item in segments)
        by_id = {entry["segment_id"]: entry for entry in covered}
        for segment in segments:
            entry = by_id[segment.segment_id]
            stored = self.site.objects.digest_of(StoredVersion(entry["object"], entry["version"]))
            assert stored == Content(segment.sha256, segment.size) == Content(entry["sha256"], entry["size"])
        vault = self.site.store.root / self.unit_id / self.unit.journal_id
        assert b"".join(path.read_bytes() for path in sorted((vault / "journal").glob("*.jws"))) == b"".join(
            self.unit.lines
        )
        assert self.site.alarms(self.unit_id) == []

    def holds_all(self, *segments: Segment) -> None:
        """Nothing is claimed to be stored that is not: no receipt, and every segment still to be sent."""
        assert [entry for receipt in self.receipts() for entry in receipt["segments"]] == []
        assert self.process.status()["backlog"]["segments"] == len(segments)
        assert all(self.unit.path(segment).stat().st_size == segment.size for segment in segments)


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _replace(path: Path, data: bytes) -> None:
    """Whole at any moment: a server may look at it now."""
    new = path.with_name(f".{path.name}")
    new.write_bytes(data)
    new.replace(path)


def _leaf(
    authority: Authority,
    key: ec.EllipticCurvePrivateKey,
    name: str,
    purpose: Purpose,
    clock: Clock,
    issued: dt.timedelta,
    hosts: tuple[str, ...],
) -> bytes:
    """PEM, as the agency would have issued it that long before or after now."""
    ca = x509.load_pem_x509_certificate(authority.ca_file.read_bytes())
    ca_key = _key(authority.trust_dir.parent / "private" / "ca-key.pem")
    return pem(
        make_leaf(ca, ca_key, key.public_key(), device_name(name), purpose, utc(clock.wall_us()) + issued, hosts)
    )
