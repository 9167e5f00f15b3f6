"""The process that faces the network: asks the server, downloads, hands over, reports. Decides nothing: :mod:`carriage`.

Its first look at signature and gates only spares the network; the installer looks for itself.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, Protocol

from recorder.evidence.files import Files
from recorder.update import carriage, ddi, places
from recorder.update.carriage import Carriage
from recorder.update.ddi import Attributes, DdiError
from recorder.update.gates import MB, Conditions, Gate, GateLimits, closed
from recorder.update.installation import Installation
from recorder.update.manifest import MAX_TEXT, Manifest, Refused
from recorder.uplink.faults import UplinkFault

log = logging.getLogger("recorder.update")

LOOK_S: Final = 5.0
"""Between two looks at gates and installer while something is under way."""


class NoRoom(Exception):
    """The card has no more than what is to stay free."""


HELD_BACK: Final = Gate("server", "服务器要求暂不安装", "the server wants it installed later")


class Server(Protocol):
    """:class:`recorder.update.client.DdiClient`; each call raises UplinkFault."""

    def base(self) -> bytes: ...

    def get(self, url: str) -> bytes: ...

    def send(self, method: str, url: str, body: dict[str, Any]) -> None: ...

    def feedback(self, channel: str, action_id: str, body: dict[str, Any]) -> bool: ...

    def download(self, url: str, into: IO[bytes], most: int, between_blocks: Callable[[int], None]) -> None: ...


class Carrier:
    """``verify``: the text of a manifest; ``conditions(needed_bytes)``: how the unit is now; ``pace(count)``: waits, or
    raises Stopped."""

    def __init__(
        self,
        server: Server,
        files: Files,
        folder: Path,
        root_dir: Path,
        attributes: Attributes,
        verify: Callable[[str], Manifest | Refused],
        conditions: Callable[[int], Conditions],
        limits: GateLimits,
        poll_s: float,
        pace: Callable[[int], None],
    ) -> None:
        self._server = server
        self._files = files
        self._folder = folder
        self._root_dir = root_dir
        self._attributes = attributes
        self._verify = verify
        self._conditions = conditions
        self._limits = limits
        self._poll_s = poll_s
        self._pace = pace
        self._state = carriage.resumed(self._load())
        self._held_back = False
        self.fault: UplinkFault | DdiError | None = None
        """Of the last turn, None when the server could be asked."""

    @property
    def state(self) -> Carriage:
        return self._state

    def ask(self) -> float:
        """One conversation with the server; seconds until the next. Never raises for what the server or the line does."""
        sleep = self._poll_s
        try:
            self._report()
            base = ddi.read(self._server.base(), ddi.Base)
            sleep = ddi.sleep_s(base) or sleep
            if base.links.config_data is not None:
                self._server.send("PUT", base.links.config_data.href, self._attributes.body())
            if base.links.cancel_action is not None:
                cancel = ddi.read(self._server.get(base.links.cancel_action.href), ddi.Cancel)
                self._become(carriage.cancelled(self._state, cancel.cancel_action.stop_id, cancel.id))
            elif base.links.confirmation_base is not None:
                url = base.links.confirmation_base.href.split("?")[0]
                ddi.action_of(url)
                self._server.send("POST", f"{url}/feedback", ddi.confirmation())
                sleep = min(sleep, ddi.LEAST_SLEEP_S)
            elif base.links.deployment_base is not None:
                self._deployment(base.links.deployment_base.href)
            self._report()
            self.fault = None
        except (UplinkFault, DdiError) as error:
            log.warning("update.server", extra={"fields": {"error": str(error)[:300]}})
            self.fault = error
            if isinstance(error, UplinkFault) and error.retry_after_s is not None:
                sleep = max(sleep, error.retry_after_s)
        return sleep

    def look(self) -> None:
        """At the gates, and at what the installer says; costs no network. Raises OSError of this unit's card."""
        state = self._state
        if state.phase == "waiting":
            gates = closed(self._conditions(state.size), self._limits)
            self._become(carriage.gates(state, (*gates, HELD_BACK) if self._held_back else gates))
        if self._state.phase == "installing":
            self._installing()

    def _installing(self) -> None:
        state = self._state
        installed = places.load(self._files, self._root_dir / places.STATE, Installation, Installation())
        order = self._folder / places.ORDER
        if installed.order_id != state.order_id:
            # Not taken up yet. While another installation is under way this one waits its turn.
            if installed.phase in ("idle", "done") and self._files.size(order) is None:
                places.save(self._files, order, places.Order(state.order_id))
        elif installed.phase == "done":
            code, zh, en = installed.why or (installed.outcome, "", "")
            if installed.outcome == "committed":
                self._become(carriage.installed(state))
            elif installed.outcome == "put-off":
                self._become(carriage.put_off(state, Gate(code, zh, en)))
            else:
                self._become(carriage.failed(state, Refused(code, zh, en)))

    # --- the server --------------------------------------------------------------------------------------------------

    def _deployment(self, href: str) -> None:
        action = ddi.action_of(href)
        before = self._state
        self._become(carriage.offered(before, action))
        if self._state.action_id != action or self._state.phase not in ("downloading", "waiting"):
            return
        deployment = ddi.read(self._server.get(href), ddi.Deployment)
        self._held_back = not deployment.may_install
        if self._state.phase == "downloading" and deployment.deployment.download != "skip":
            self._report()
            self._download(deployment)

    def _download(self, deployment: ddi.Deployment) -> None:
        if not self._state.manifest:
            link = _link(deployment, places.MANIFEST)
            if link is None:
                why = Refused("update-unsigned", "没有签名清单", f"no {places.MANIFEST} with an https link in it")
                self._become(carriage.failed(self._state, why))
                return
            raw = self._server.get(link)
            text = raw.decode("ascii", "replace").strip() if len(raw) <= MAX_TEXT + 2 else ""
            manifest = self._verify(text)
            if not isinstance(manifest, Refused):
                self._forget(places.ARTEFACT)
                self._files.make_dir(self._folder)
                self._files.replace(self._folder / places.MANIFEST, text.encode("ascii"))
            self._become(carriage.manifest_read(self._state, text, manifest))
            if isinstance(manifest, Refused):
                return
        link = _link(deployment, self._state.filename)
        if link is None:
            name = self._state.filename
            why = Refused("update-artefact", f"没有清单所列的 {name}", f"no {name} with an https link, as signed")
            self._become(carriage.failed(self._state, why))
            return
        path = self._folder / places.ARTEFACT
        try:
            with path.open("r+b" if path.exists() else "w+b") as file:
                if (there := file.seek(0, 2)) != self._state.size:
                    self._leave_room(self._state.size - there)
                    self._server.download(link, file, self._state.size, self._between_blocks)
        except NoRoom:
            self._forget(places.ARTEFACT)
            self._become(carriage.no_room(self._state))
            return
        self._files.settle(path)
        digest = hashlib.sha256()
        for block in self._files.read_chunks(path):
            digest.update(block)
        if digest.hexdigest() == self._state.sha256:
            self._become(carriage.downloaded(self._state))
            return
        self._forget(places.ARTEFACT)
        why = Refused("update-digest", "下载内容与签名清单不符", "what was downloaded is not what was signed")
        self._become(carriage.failed(self._state, why))

    def _between_blocks(self, count: int) -> None:
        self._leave_room(0)
        self._pace(count)

    def _leave_room(self, needed_bytes: int) -> None:
        """Recordings lie on the same card. Raises NoRoom."""
        if self._files.free_bytes(self._folder) < needed_bytes + self._limits.free_mb * MB:
            raise NoRoom

    def _report(self) -> None:
        for report in self._state.reports:
            known = self._server.feedback(report.channel, report.action_id, ddi.feedback(report))
            if not known:
                log.warning("update.forgotten", extra={"fields": {"action": report.action_id}})
            self._become(carriage.confirmed(self._state, report))

    # --- the card ----------------------------------------------------------------------------------------------------

    def _become(self, state: Carriage) -> None:
        if state == self._state:
            return
        if state.phase == "idle":
            # What is given up takes its order back; one the installer has begun with is past this.
            self._forget(places.ORDER)
        self._files.make_dir(self._folder)
        places.save(self._files, self._folder / places.CARRIAGE, state)
        self._state = state
        if state.phase == "idle":
            self._forget(places.ARTEFACT)

    def _forget(self, name: str) -> None:
        if self._files.size(self._folder / name) is not None:
            self._files.remove(self._folder / name)

    def _load(self) -> Carriage:
        try:
            return places.load(self._files, self._folder / places.CARRIAGE, Carriage, Carriage())
        except ValueError as error:
            # The server offers again what it has had no answer to; the installer's own state is another file.
            log.error("update.state", extra={"fields": {"error": str(error)[:300]}})
            return Carriage()


def _link(deployment: ddi.Deployment, filename: str) -> str | None:
    found = deployment.artifact(filename)
    return None if found is None or found.links.download is None else found.links.download.href
