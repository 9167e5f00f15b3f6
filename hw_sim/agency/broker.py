"""The agency's MQTT broker: a real mosquitto, mutual TLS, an access list as docs/wire.md says.

``use_identity_as_username`` makes the certificate's CN the user, ``use_username_as_clientid`` makes it the client id too:
without the second another valid certificate may connect under a foreign client id, throw that unit off and inherit its
session. The price: two connections under one certificate throw each other off, so a unit has exactly one.

mosquitto 2.0 loses what it acknowledged shortly before a SIGKILL; nothing relies on it (application-level acks).
"""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_bridge.ports import Clock
from hw_sim.agency.authority import Authority
from hw_sim.agency.brokers.mosquitto_acl import acl_file
from hw_sim.agency.processes import AgencyError, accepts, free_port, kill, stop, wait_until

MAX_MESSAGE = 128 * 1024
START_S = 15.0
ATTEMPTS = 5
"""A free port may be taken by somebody else before mosquitto binds it."""


class Broker:
    """Context manager: started on entry, stopped on exit. The port stays the same over restarts."""

    def __init__(self, directory: Path, authority: Authority, clock: Clock, program: str = "mosquitto") -> None:
        self._dir = directory
        self._authority = authority
        self._clock = clock
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.log_file = directory / "mosquitto.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Returns when it accepts connections. Raises AgencyError."""
        if self._process is not None and self._process.poll() is None:
            return
        if self.port:
            self._start()
            return
        for attempt in range(ATTEMPTS):
            self.port = free_port()
            try:
                self._start()
                return
            except AgencyError:
                if attempt == ATTEMPTS - 1:
                    raise

    def _start(self) -> None:
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._dir / "acl").write_text(acl_file(), encoding="ascii")
        (self._dir / "mosquitto.conf").write_text(self._configuration(), encoding="utf-8")
        (self._dir / "acl").chmod(0o600)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._dir / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(lambda: accepts(self.port), self._process, self._clock, START_S, "mosquitto", self.log_file)

    def _configuration(self) -> str:
        tls = self._authority.server_dir
        return f"""\
user {pwd.getpwuid(os.getuid()).pw_name}
per_listener_settings false
allow_anonymous false
acl_file {self._dir}/acl
persistence true
persistence_location {self._dir}/
autosave_interval 5
persistent_client_expiration 14d
max_queued_messages 10000
message_size_limit {MAX_MESSAGE}
log_dest stdout
log_type error
log_type warning
log_type notice
listener {self.port} 127.0.0.1
cafile {tls}/ca.pem
certfile {tls}/server-cert.pem
keyfile {tls}/server-key.pem
crlfile {self._authority.crl_file}
require_certificate true
use_identity_as_username true
use_username_as_clientid true
"""

    @staticmethod
    def port_of(directory: Path) -> int:
        """The port of a broker that runs, or ran, in ``directory``. Raises AgencyError."""
        path = directory / "mosquitto.conf"
        try:
            line = next(line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("listener "))
            return int(line.split()[1])
        except (OSError, StopIteration, ValueError) as error:
            raise AgencyError(f"{path}: 没有消息服务器 no broker here: {error}") from error

    def restart(self) -> None:
        """An orderly restart; also how a new revocation list is read."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL; what was acknowledged in the last seconds may be lost."""
        kill(self._process)

    def stop(self) -> None:
        stop(self._process)
        self._process = None
