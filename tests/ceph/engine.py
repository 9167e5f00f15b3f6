"""Ceph's RADOS gateway from Debian's packages, in a chroot: the second S3 engine of the conformance suite."""

from __future__ import annotations

import http.client
import subprocess
from pathlib import Path

from firmware_bridge.clock import SystemClock
from hw_sim.agency.objects.ports import ObjectStore
from hw_sim.agency.objects.s3 import S3Store
from hw_sim.agency.objects.seaweed import Credentials
from hw_sim.agency.processes import free_port, kill, wait_until
from recorder.evidence.records import LockMode
from tests.hw_sim.agency.objects.engines import S3Stores
from tests.package.chroot import make

PACKAGES = ("ceph-common", "ceph-mon", "ceph-osd", "radosgw")
SCRIPT = Path(__file__).with_name("ceph.sh")
START_S = 180.0


class CephEngine:
    """An Engine. ``kill`` is SIGKILL of all daemons at once."""

    name = "ceph"
    lock_mode: LockMode = "compliance"

    def __init__(self, directory: Path) -> None:
        self._dir = directory
        self._chroot = make("trixie", "amd64", directory / "root", foreign=False, packages=PACKAGES)
        self._process: subprocess.Popen[bytes] | None = None
        self._s3, self._monitor = free_port(), free_port()
        (directory / "root/srv/ceph.sh").write_bytes(SCRIPT.read_bytes())
        self.credentials = Credentials()
        self.stores = S3Stores(self._url)

    def _url(self, bucket: str, prefix: str) -> str:
        return f"s3+http://127.0.0.1:{self._s3}/{bucket}/{prefix}"

    def url(self) -> str:
        store = self.stores.new()
        return self._url(store.bucket, store.prefix.strip("/"))

    def store(self, folder: Path) -> S3Store:
        return self.stores.new()

    def again(self, store: ObjectStore) -> ObjectStore:
        assert isinstance(store, S3Store)
        return self.stores.new(store.prefix.strip("/"))

    def start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        keys = f"{self.credentials.access_key} {self.credentials.secret_key}"
        log = self._dir / "ceph.log"
        self._process = self._chroot.start(f"sh /srv/ceph.sh {self._s3} {self._monitor} {keys}", log)
        wait_until(self._answers, self._process, SystemClock(), START_S, "ceph", log)

    def kill(self) -> None:
        kill(self._process)

    def stop(self) -> None:
        self.kill()

    def _answers(self) -> bool:
        link = http.client.HTTPConnection("127.0.0.1", self._s3, timeout=5)
        try:
            link.request("GET", "/")
            return link.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            link.close()
