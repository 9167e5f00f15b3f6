"""The store as child processes: one on its own, or whatever else can be started, killed and reached in its place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from firmware_bridge.ports import Clock
from hw_sim.agency.authority import Authority
from hw_sim.agency.processes import kill, stop, wait_until

START_S = 30.0
TUNABLES = "glibc.malloc.tcache_count=0"
"""GLIBC_TUNABLES of a process with many threads: otherwise each keeps up to 200 KiB that it has freed, and mallopt cannot
forbid it. deploy/ sets the same."""
HOST = "127.0.0.1"


class StoreServer(Protocol):
    """A store to talk to. ``port`` stays the same over restarts."""

    root: Path
    port: int
    log_file: Path

    def start(self) -> None:
        """Returns when it serves. Raises AgencyError."""
        ...

    def kill(self) -> None:
        """SIGKILL."""
        ...

    def stop(self) -> int | None:
        """SIGTERM; the exit status."""
        ...

    def reload(self) -> None:
        """The revocation list has changed."""
        ...


class StoreProcess:
    """``python -m hw_sim.agency.store`` as a child; its port stays the same over restarts. With a ``socket`` it is an
    instance among others, behind a proxy (``front``)."""

    def __init__(
        self,
        directory: Path,
        root: Path,
        authority: Authority,
        clock: Clock,
        extra: tuple[str, ...] = (),
        socket: Path | None = None,
        name: str = "store",
    ) -> None:
        """``extra``: further command line options; ``name``: of its files in ``directory``."""
        self._dir = directory
        self._authority = authority
        self._clock = clock
        self._extra = extra
        self._socket = socket
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None
        self.root = root
        self.port = 0
        self.log_file = directory / f"{name}.log"

    @property
    def pid(self) -> int | None:
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Returns when it serves. Raises AgencyError."""
        if self.pid is not None:
            return
        self._dir.mkdir(parents=True, exist_ok=True)
        ready = self._dir / f"{self._name}.port"
        ready.unlink(missing_ok=True)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "hw_sim.agency.store", "--root", str(self.root)),
                    *self._door(),
                    *("--store-key", str(self._authority.receipt_key_file)),
                    *("--ca", str(self._authority.ca_file), "--crl", str(self._authority.crl_file)),
                    *("--mqtt-tls", str(self._authority.store_client_dir), "--ready-file", str(ready)),
                    *self._extra,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "GLIBC_TUNABLES": TUNABLES},
                start_new_session=True,
            )
        wait_until(ready.exists, self._process, self._clock, START_S, self._name, self.log_file)
        self.port = int(ready.read_text(encoding="ascii"))

    def _door(self) -> tuple[str, ...]:
        if self._socket is not None:
            return ("--shared", "--listen", f"unix:{self._socket}")
        return ("--listen", f"{HOST}:{self.port}", "--tls", str(self._authority.server_dir))

    def kill(self) -> None:
        kill(self._process)

    def stop(self) -> int | None:
        """SIGTERM; the exit status."""
        status = stop(self._process)
        self._process = None
        return status

    def reload(self) -> None:
        """A new revocation list: the store looks at the file itself, at each connection."""
