"""Several instances of the store behind an nginx, as one: what a pilot would run (docs/adr/0019)."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.agency.authority import Authority
from hw_sim.agency.nginx import Balance, FrontSettings, configuration
from hw_sim.agency.processes import AgencyError, accepts, free_port, kill, stop, wait_until
from hw_sim.agency.store_process import HOST, START_S, StoreProcess

ATTEMPTS = 5
"""A free port may be taken by somebody else before nginx binds it."""


class StoreFront:
    """``instances`` share ``root``; ``kill`` and ``stop`` are for all of them, ``instance`` gives one to be killed alone.

    The sockets lie in a folder of their own with a short name: an address holds 108 bytes.
    """

    def __init__(
        self,
        directory: Path,
        root: Path,
        authority: Authority,
        clock: Clock,
        *,
        instances: int = 2,
        extra: tuple[str, ...] = (),
        balance: Balance = "unit",
        requests: int = 8,
        creates_per_minute: int = 600,
        uploads: int = 200,
    ) -> None:
        """``extra``: further options of each instance."""
        self.root = root
        self.port = 0
        self.log_file = directory / "nginx.log"
        self._dir = directory
        self._authority = authority
        self._clock = clock
        self._extra = extra
        self._balance: Balance = balance
        self._requests = requests
        self._creates = creates_per_minute
        self._uploads = uploads
        self._count = instances
        self._sockets: Path | None = None
        self._instances: list[StoreProcess] = []
        self._nginx: subprocess.Popen[bytes] | None = None

    def instance(self, number: int) -> StoreProcess:
        """From 0."""
        return self._instances[number]

    @property
    def count(self) -> int:
        return self._count

    @property
    def nginx_pid(self) -> int | None:
        """Its master; the workers are that one's children."""
        return None if self._nginx is None or self._nginx.poll() is not None else self._nginx.pid

    def start(self) -> None:
        """Returns when all instances and nginx serve; whatever runs is left alone. Raises AgencyError."""
        if self._sockets is None:
            self._sockets = Path(tempfile.mkdtemp(prefix="zfy-ingest-"))  # 0700
            self._instances = [self._instance(number) for number in range(self._count)]
        for instance in self._instances:
            instance.start()
        if self._nginx is not None and self._nginx.poll() is None:
            return
        if self.port:
            self._start_nginx()
            return
        for attempt in range(ATTEMPTS):
            self.port = free_port()
            try:
                self._start_nginx()
            except AgencyError:
                if attempt + 1 == ATTEMPTS:
                    raise
            else:
                return

    def kill(self) -> None:
        """SIGKILL to every instance. nginx stays and says that nobody is there."""
        for instance in self._instances:
            instance.kill()

    def stop(self) -> int | None:
        """nginx, then the instances. The worst exit status."""
        stop(self._nginx)
        self._nginx = None
        statuses = [status for instance in self._instances if (status := instance.stop()) is not None]
        self._instances = []
        if self._sockets is not None:
            shutil.rmtree(self._sockets)
            self._sockets = None
        return max(statuses, default=None)

    def reload(self) -> None:
        """nginx reads the revocation list at a reload; the instances look at the file themselves."""
        if self._nginx is not None and self._nginx.poll() is None:
            self._nginx.send_signal(signal.SIGHUP)

    def socket(self, number: int) -> Path:
        assert self._sockets is not None, "not started"
        return self._sockets / f"{number}.sock"

    def _instance(self, number: int) -> StoreProcess:
        return StoreProcess(
            self._dir,
            self.root,
            self._authority,
            self._clock,
            self._extra,
            socket=self.socket(number),
            name=f"ingest-{number}",
        )

    def _start_nginx(self) -> None:
        work = self._dir / "nginx"
        (work / "temp").mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = FrontSettings(
            listen=f"{HOST}:{self.port}",
            sockets=tuple(self.socket(number) for number in range(self._count)),
            tls=self._authority.server_dir,
            ca=self._authority.ca_file,
            crl=self._authority.crl_file,
            work=work,
            user=_me() if os.geteuid() == 0 else "",
            balance=self._balance,
            requests=self._requests,
            creates_per_minute=self._creates,
            uploads=self._uploads,
        )
        file = work / "nginx.conf"
        file.write_text(configuration(settings), encoding="utf-8")
        with self.log_file.open("ab") as log:
            self._nginx = subprocess.Popen(
                [program(), "-e", "stderr", "-p", str(work), "-c", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(lambda: accepts(self.port), self._nginx, self._clock, START_S, "nginx", self.log_file)
        except AgencyError:
            kill(self._nginx)
            raise


def program() -> str:
    """nginx, also where /usr/sbin is not on the path of an ordinary user. Raises AgencyError."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        raise AgencyError("没有程序 missing program: nginx (packages.apt: nginx-light)")
    return found


def _me() -> str:
    """Root's nginx would run its workers as nobody, who may not enter the folder of the sockets."""
    user = pwd.getpwuid(os.geteuid())
    return f"{user.pw_name} {grp.getgrgid(user.pw_gid).gr_name}"
