"""The agency as one thing: authority, broker and store behind a line whose faults a scenario chooses.

Units talk to the proxies' ports and to nothing else; store and broker are real processes that can be killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Clock
from hw_sim.agency.assign import send_assignment
from hw_sim.agency.authority import Authority, AuthorityError, Enrolment
from hw_sim.agency.broker import Broker
from hw_sim.agency.processes import AgencyError, kill, stop, wait_until
from hw_sim.agency.proxy import FaultProxy, Mode
from recorder.evidence import jws
from recorder.evidence.enrol import CLIENT_REQUEST, DEVICE_REQUEST, UNIT_FILE
from recorder.evidence.files import OsFiles
from recorder.evidence.jws import JwsError

START_S = 30.0
HOST = "127.0.0.1"
_NETWORK: dict[str, Mode] = {"ok": "ok", "off": "refuse", "stuck": "stall", "silent": "stall"}


class StoreProcess:
    """``python -m hw_sim.agency.store`` as a child; its port stays the same over restarts."""

    def __init__(
        self, directory: Path, root: Path, authority: Authority, clock: Clock, extra: tuple[str, ...] = ()
    ) -> None:
        """``extra``: further command line options."""
        self._dir = directory
        self._authority = authority
        self._clock = clock
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None
        self.root = root
        self.port = 0
        self.log_file = directory / "store.log"

    @property
    def pid(self) -> int | None:
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Returns when it serves. Raises AgencyError."""
        if self.pid is not None:
            return
        self._dir.mkdir(parents=True, exist_ok=True)
        ready = self._dir / "store.port"
        ready.unlink(missing_ok=True)
        tls = self._authority.server_dir
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "hw_sim.agency.store", "--root", str(self.root)),
                    *("--listen", f"{HOST}:{self.port}", "--tls", str(tls)),
                    *("--store-key", str(self._authority.receipt_key_file)),
                    *("--ca", str(self._authority.ca_file), "--crl", str(self._authority.crl_file)),
                    *("--mqtt-tls", str(self._authority.store_client_dir), "--ready-file", str(ready)),
                    *self._extra,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        wait_until(ready.exists, self._process, self._clock, START_S, "store", self.log_file)
        self.port = int(ready.read_text(encoding="ascii"))

    def kill(self) -> None:
        kill(self._process)

    def stop(self) -> int | None:
        """SIGTERM; the exit status."""
        status = stop(self._process)
        self._process = None
        return status


class Agency:
    """Context manager. ``directory``: keys, broker, logs; ``store_root``: the vaults."""

    def __init__(self, directory: Path, store_root: Path | None = None, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._files = OsFiles()
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(directory / "authority", self._clock)
        self.broker = Broker(directory / "broker", self.authority, self._clock)
        self.store_root = (store_root or directory / "store").absolute()
        self._dir = directory
        self._store: StoreProcess | None = None
        self._proxies: list[FaultProxy] = []

    def __enter__(self) -> Agency:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Broker, store, then the line. Raises AgencyError."""
        self.broker.start()
        self._store = StoreProcess(
            self._dir, self.store_root, self.authority, self._clock, ("--mqtt", f"{HOST}:{self.broker.port}")
        )
        self._store.start()
        self._proxies = [FaultProxy(port, self._clock) for port in (self._store.port, self.broker.port)]

    def stop(self) -> None:
        for proxy in self._proxies:
            proxy.close()
        self._proxies = []
        if self._store is not None:
            self._store.stop()
        self.broker.stop()

    # --- what a unit is configured with ------------------------------------------------------------------------------

    @property
    def store(self) -> StoreProcess:
        if self._store is None:
            raise AgencyError("机关未启动 the agency is not started")
        return self._store

    @property
    def store_proxy(self) -> FaultProxy:
        return self._proxies[0]

    @property
    def mqtt_proxy(self) -> FaultProxy:
        return self._proxies[1]

    @property
    def store_url(self) -> str:
        return f"https://{HOST}:{self.store_proxy.port}"

    @property
    def mqtt_host(self) -> str:
        return HOST

    @property
    def mqtt_port(self) -> int:
        return self.mqtt_proxy.port

    @property
    def recipients(self) -> tuple[str, ...]:
        return self.authority.recipients

    @property
    def trust_dir(self) -> Path:
        return self.authority.trust_dir

    @property
    def identity_file(self) -> Path:
        return self.authority.identity_file

    # --- enrolment ---------------------------------------------------------------------------------------------------

    def publish_trust(self, trust_dir: Path, identity_file: Path | None = None) -> None:
        """Copy the public trust folder, and the demo's age identity where it is asked for."""
        self.authority.publish_trust(trust_dir, identity_file)

    def answer_enrolment(self, unit_id: str, bundle: Path) -> Enrolment:
        """Answer what ``recorder enrol request`` left in ``bundle`` (``recorder.evidence.enrol`` names the files).

        Raises AuthorityError when the bundle is another unit's or a request is refused."""
        claimed = (bundle / UNIT_FILE).read_text(encoding="ascii").strip()
        if claimed != unit_id:
            raise AuthorityError(f"{bundle / UNIT_FILE}: {claimed!r} 不是 is not {unit_id}")
        enrolment = self.authority.enrol(
            unit_id, (bundle / DEVICE_REQUEST).read_bytes(), (bundle / CLIENT_REQUEST).read_bytes()
        )
        for name, data in (
            ("device-cert.pem", enrolment.device_cert_pem_chain),
            ("client-cert.pem", enrolment.client_cert_pem),
            ("ca.pem", enrolment.ca_pem),
            ("agency-ca.pem", enrolment.ca_pem),
            ("store-key.pem", enrolment.store_key_pem),
            ("command-key.pem", enrolment.command_key_pem),
        ):
            self._files.replace(bundle / name, data, 0o644)
        return enrolment

    # --- the duty desk ---------------------------------------------------------------------------------------------

    def assign(self, unit_id: str, name: str, cert_no: str) -> dict[str, object]:
        """Send a signed assignment over MQTT and return the unit's answer. Raises AgencyError when none comes."""
        text = self.authority.assignment(unit_id, name, cert_no)
        return send_assignment(HOST, self.broker.port, self.authority.desk_client_dir, self._clock, unit_id, text)

    def revoke(self, unit_id: str) -> int:
        """A lost unit: its certificates stop working at the store (next connection) and, after a restart, the broker."""
        count = self.authority.revoke(unit_id)
        self.broker.restart()
        return count

    # --- faults ------------------------------------------------------------------------------------------------------

    def network(self, mode: str) -> None:
        """``ok``, ``off`` (refused and reset), ``stuck`` or ``silent`` (connections stay, not a byte moves)."""
        if mode not in _NETWORK:
            raise AgencyError(f"network: {mode!r} 不是 is none of {', '.join(_NETWORK)}")
        for proxy in self._proxies:
            proxy.mode(_NETWORK[mode])

    def outage(self, on: bool) -> None:
        self.network("off" if on else "ok")

    def start_store(self) -> None:
        self.store.start()

    def kill_store(self) -> None:
        """SIGKILL."""
        self.store.kill()

    def restart_store(self) -> None:
        """Orderly: SIGTERM, then a new process on the same port."""
        self.store.stop()
        self.store.start()

    def start_broker(self) -> None:
        self.broker.start()

    def kill_broker(self) -> None:
        """SIGKILL."""
        self.broker.kill()

    # --- looking -----------------------------------------------------------------------------------------------------

    @staticmethod
    def anchored_seq(receipts: Path) -> int:
        """The highest journal ``seq`` the receipts in this folder cover; -1 without any."""
        best = -1
        for path in receipts.glob("*.jws"):
            try:
                payload = jws.split(path.read_text(encoding="ascii").strip()).payload
            except (FileNotFoundError, JwsError):
                continue  # pruned or being replaced at this very moment
            head_seq = payload.get("head_seq")
            best = max(best, head_seq if isinstance(head_seq, int) else -1)
        return best

    def alarms(self) -> list[dict[str, object]]:
        """What the store raised so far (``alarms.log``)."""
        try:
            text = (self.store_root / "alarms.log").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines()]
