"""The agency as one thing: authority, broker and store behind a line whose faults a scenario chooses.

Units talk to the proxies' ports and to nothing else; store and broker are real processes that can be killed.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Clock
from hw_sim.agency.assign import send_assignment
from hw_sim.agency.authority import Authority, AuthorityError, Enrolment
from hw_sim.agency.broker import Broker
from hw_sim.agency.front import StoreFront
from hw_sim.agency.processes import AgencyError
from hw_sim.agency.proxy import FaultProxy, Mode
from hw_sim.agency.store_process import HOST, StoreServer
from hw_sim.agency.store_process import StoreProcess as StoreProcess
from recorder.evidence import jws
from recorder.evidence.enrol import CLIENT_REQUEST, DEVICE_REQUEST, UNIT_FILE
from recorder.evidence.files import OsFiles
from recorder.evidence.jws import JwsError

_NETWORK: dict[str, Mode] = {"ok": "ok", "off": "refuse", "stuck": "stall", "silent": "stall"}


class Agency:
    """Context manager. ``directory``: keys, broker, logs; ``store_root``: the vaults; ``instances``: so many of the store
    behind an nginx, 0 for one on its own."""

    def __init__(
        self,
        directory: Path,
        store_root: Path | None = None,
        clock: Clock | None = None,
        instances: int = 0,
        slots: int = 0,
        options: tuple[str, ...] = (),
    ) -> None:
        """``slots``: upload slots the store grants (docs/wire.md); 0: none, units upload as they like. ``options``: further
        command line options of the store."""
        self._clock = clock or SystemClock()
        self._files = OsFiles()
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(directory / "authority", self._clock)
        self.broker = Broker(directory / "broker", self.authority, self._clock)
        self.store_root = (store_root or directory / "store").absolute()
        self._dir = directory
        self._instances = instances
        self._options = (*(("--slots", str(slots)) if slots else ()), *options)
        self._store: StoreServer | None = None
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
        self._store = self._make_store(("--mqtt", f"{HOST}:{self.broker.port}", *self._options))
        self._store.start()
        self._proxies = [FaultProxy(port, self._clock) for port in (self._store.port, self.broker.port)]
        self._files.replace(self.fleet_file, self._fleet_settings().encode("utf-8"), 0o644)

    def _fleet_settings(self) -> str:
        """An admin sits at the agency: he speaks to broker and store themselves, not over the units' line."""
        authority = self.authority
        return f"""\
# recorder fleet --settings {self.fleet_file} …
[broker]
host = "{HOST}"
port = {self.broker.port}

[store]
url = "https://{HOST}:{self.store.port}"

[tls]
dir = "{authority.desk_client_dir}"

[commands]
key = "{authority.command_key_file}"
"""

    def _make_store(self, options: tuple[str, ...]) -> StoreServer:
        parts = (self._dir, self.store_root, self.authority, self._clock)
        if self._instances:
            return StoreFront(*parts, instances=self._instances, extra=options)
        return StoreProcess(*parts, options)

    def stop(self) -> None:
        for proxy in self._proxies:
            proxy.close()
        self._proxies = []
        if self._store is not None:
            self._store.stop()
        self.broker.stop()

    @property
    def fleet_file(self) -> Path:
        """Settings of ``recorder fleet`` for the agency's admin."""
        return self._dir / "fleet.toml"

    # --- what a unit is configured with ------------------------------------------------------------------------------

    @property
    def store(self) -> StoreServer:
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
        self.store.reload()
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
