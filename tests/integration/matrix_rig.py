"""What the failure matrix is played with: one store per engine; for each test a unit of its own on a line of its own."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from firmware_bridge.ports import Clock
from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from hw_sim.agency.certificates import file_signer
from hw_sim.agency.objects.opening import open_objects
from hw_sim.agency.objects.ports import Content, ObjectStore, StoredVersion
from hw_sim.agency.objects.settings import parse_objects
from hw_sim.agency.proxy import FaultProxy
from recorder.evidence import jws
from recorder.uplink.facts import Segment
from tests.hw_sim.agency.objects.engines import Engine
from tests.hw_sim.agency.unit_double import csr, key_pem, new_key
from tests.uplink.settings_builder import quick_settings
from tests.uplink.unit_files import UnitFiles
from tests.uplink.uplink_process import UplinkProcess

MB = 1_000_000
PER_FAULT = 500_000
"""Design §10: bytes sent twice per fault."""

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
        unit = UnitFiles(folder / "data", seed=next(_numbers), signer=file_signer(signing, chain))
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
        return cls(site, unit_id, unit, UplinkProcess(own, site.clock, folder / "uplink.log"), proxy)

    def close(self) -> None:
        self.process.kill()
        self.proxy.close()

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
