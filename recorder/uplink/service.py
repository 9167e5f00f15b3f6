"""Composition of the uplink: builds the parts, connects them, runs the main loop.

Three threads: this one (journal, MQTT desk, status, telling the unit), the uploader (everything over HTTPS) and the MQTT
connection. Nothing that can be missing at the start ends the process: no store, no certificates, no journal, no broker
are faults in ``uplink/status.json`` and the log, and are looked at again.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import random
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recorder import __version__
from recorder.evidence.files import OsFiles
from recorder.health.status_file import STATUS_FILE
from recorder.unit.logs import configure
from recorder.uplink.assignments import AssignmentCarrier
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.carrier import Carrier
from recorder.uplink.commands import CommandCarrier
from recorder.uplink.control import (
    announce_receipt,
    hand_over_assignment,
    hand_over_command,
    hand_over_desired,
    tell_forecast,
)
from recorder.uplink.desired import DesiredCarrier
from recorder.uplink.durable_mark import durable_seq
from recorder.uplink.facts import (
    JournalGrew,
    JournalReset,
    Notice,
    ReceiptRecorded,
    Segment,
    SessionStarted,
    SessionStopped,
)
from recorder.uplink.fault_board import FaultBoard
from recorder.uplink.faults import (
    DEADLINE_AT_RISK,
    DISK,
    INTERNAL,
    JOURNAL_ABSENT,
    STORE_KEY_MISSING,
    UNIT_AWAY,
    UplinkFault,
)
from recorder.uplink.grants import GrantCarrier
from recorder.uplink.http import credentials_stamp, parse_store_url, tls_context
from recorder.uplink.journal_tail import JournalTail, TailEvent
from recorder.uplink.mqtt import Inbound, MqttLink, MqttOptions, Will
from recorder.uplink.mqtt_desk import MqttDesk, subscriptions
from recorder.uplink.outbox_keeper import OutboxKeeper
from recorder.uplink.pace import LateNotice
from recorder.uplink.receipt_book import ReceiptBook
from recorder.uplink.receipts import Receipt, ReceiptStore
from recorder.uplink.settings import UplinkSettings, settings_of
from recorder.uplink.stop_flag import Stop
from recorder.uplink.unit_health import configuration, health_message
from recorder.uplink.uploader import Hurry, Inbox, ReceiptKept, Uploader

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it: 13 MB this process has no use for
    from recorder.config.models import RecorderConfig

log = logging.getLogger("recorder.uplink")
TICK_S = 0.5
TELL_AGAIN_US = 5_000_000
EXIT_OUTDATED = 75
"""EX_TEMPFAIL of sysexits.h: started again, it gets the new credentials."""
EXIT_RECONFIGURED = 76
"""There are new settings to read: ``process`` does so in place, anybody else by starting it again."""


def run_uplink(config: RecorderConfig, clock: Clock, stop: Stop) -> int:
    """Run until ``stop``; 0 after a clean end. Killing it at any instant is safe: it resumes where the store is.

    For a process of its own (it takes over logging). ``recorder.uplink.process`` is the same with half the memory.
    """
    configure()
    return run_with_settings(settings_of(config), clock, stop)


def run_with_settings(settings: UplinkSettings, clock: Clock, stop: Stop) -> int:
    uplink = UplinkProcess(settings, clock)
    log.info("uplink.started", extra={"fields": {"unit": settings.unit_id, "version": __version__}})
    tick_s = min(TICK_S, settings.journal_interval_s)
    try:
        while not (stop.is_set() or uplink.outdated or uplink.reconfigured):
            if uplink.tick():
                stop.wait(tick_s)
    finally:
        uplink.close()
    if uplink.outdated:
        log.info("uplink.credentials-changed")
        return EXIT_OUTDATED
    if uplink.reconfigured:
        log.info("uplink.settings-changed")
        return EXIT_RECONFIGURED
    log.info("uplink.stopped")
    return 0


class UplinkProcess:
    """``tick`` does one round of the main thread's work and says whether to wait before the next."""

    def __init__(
        self,
        settings: UplinkSettings,
        clock: Clock,
        fraction: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._fraction = fraction
        self._board = FaultBoard(clock)
        self._receipts = ReceiptStore(settings.receipts_dir, Path(settings.trust_dir), settings.unit_id, OsFiles())
        self._book = ReceiptBook()
        self._kept: queue.SimpleQueue[tuple[Receipt, bool]] = queue.SimpleQueue()
        self._unit_status = status_file = Path(settings.run_dir) / STATUS_FILE
        self._tail = JournalTail(settings.journal_dir, lambda: durable_seq(status_file, clock.boot_id()))
        self._held_back: list[Inbox] | None = []
        self._open_sessions: set[str] = set()
        self._journal: tuple[str | None, int] = (None, -1)
        self._stamp: object = None
        self._late = LateNotice()
        self._tell_again_us = 0
        self.outdated = False
        """The credentials have changed, and only a new process gets the new ones."""
        self.reconfigured = False
        """There are other settings for this process, and only a new one gets them."""
        self._unit_says: str | None = None
        self._status_text = ""
        self._uploader = Uploader(
            settings, clock, self._receipts, self._board, fraction, lambda receipt, new: self._kept.put((receipt, new))
        )
        self._grants = GrantCarrier(self._uploader.inbox.put, self._fleet_status, self._linked)
        self._read_receipts()
        self._desk: MqttDesk | None = None
        self._desk = self._open_desk()
        if settings.uplink_enabled:
            self._uploader.start()

    # --- start -------------------------------------------------------------------------------------------------------

    def _read_receipts(self) -> None:
        found, faults = self._receipts.stored()
        for fault in faults:
            self._board.report(f"receipt {fault.subject}", fault)
        for receipt in found:
            self._book.kept(receipt)
            self._uploader.inbox.put(ReceiptKept(receipt))

    def _open_desk(self) -> MqttDesk | None:
        settings = self._settings
        if not settings.mqtt_enabled or not settings.mqtt_host:
            return None
        outbox = OutboxKeeper(settings.outbox_file, self._clock, self._board, self._outbox_rebuilt)
        carriers = self._carriers()
        return MqttDesk(
            settings.unit_id,
            self._clock,
            self._board,
            outbox,
            lambda deliver, will: self._make_link(subscriptions(settings.unit_id, carriers), deliver, will),
            self._fraction,
            self._fleet_status,
            self._unit_health,
            settings.mqtt_status_interval_s,
            self._receipt_arrived,
            lambda: self._uploader.inbox.put(Hurry()),
            carriers,
            self._grants.store_state,
        )

    def _outbox_rebuilt(self) -> None:
        """The whole journal is announced again, in its order. What the desk still holds is only the end of it."""
        self._tail.start_over()
        if self._desk is not None:
            self._desk.journal_reset(JournalReset())

    def _carriers(self) -> tuple[Carrier, ...]:
        control = self._settings.control_socket
        return (
            AssignmentCarrier(lambda text: hand_over_assignment(control, text), self._unit_answered),
            self._grants,
            DesiredCarrier(lambda text: hand_over_desired(control, text), self._unit_answered, self._reported),
            CommandCarrier(
                lambda text: hand_over_command(control, text), self._unit_answered, self._command_carried_out
            ),
        )

    def _command_carried_out(self, kind: str) -> None:
        """What the unit has believed and recorded, and only this process can do. A ``grant`` and a ``refetch-receipt`` are
        read in the journal (``facts``), where the session or segment they are about is known."""
        if self._desk is None:
            return
        if kind == "report-now":
            self._desk.report_now()
        elif kind == "config":
            self._desk.fetch_retained()

    def _unit_answered(self, fault: UplinkFault | None) -> None:
        """A carrier spoke to the unit process, or could not."""
        if fault is not None:
            self._board.report("unit", fault)
        else:
            self._board.clear("unit")

    def _linked(self) -> bool:
        return self._desk is not None and self._desk.connected

    def _make_link(
        self, subscribe: tuple[str, ...], deliver: Callable[[Inbound], None], will: Callable[[], str]
    ) -> MqttLink:
        settings = self._settings
        unit = settings.unit_id
        options = MqttOptions(
            host=settings.mqtt_host,
            port=settings.mqtt_port,
            keepalive_s=settings.mqtt_keepalive_s,
            connect_timeout_s=settings.connect_timeout_s,
            client_id=unit,
            subscribe=subscribe,
            will=Will(f"fleet/v1/{unit}/up/status", will),
        )
        backoff = BackoffPolicy(settings.backoff_base_s, settings.backoff_max_s)
        return MqttLink(options, self._tls, self._clock, backoff, self._fraction, deliver)

    def _tls(self) -> ssl.SSLContext:
        return tls_context(Path(self._settings.tls_dir), self._settings.key_file)

    # --- one round ---------------------------------------------------------------------------------------------------

    def tick(self) -> bool:
        self._check_store_settings()
        caught_up = self._follow_journal()
        if self._desk is not None:
            self._desk.tick()
        self._settle_receipts()
        self._watch_uploader()
        self._look_at_configuration()
        self._tell_forecast()
        self._write_status()
        return caught_up

    def _check_store_settings(self) -> None:
        """Report an unusable address or missing credentials even while there is nothing to send, and hurry when the
        files change: an enrolment need not wait for a back-off of minutes."""
        stamp = credentials_stamp(Path(self._settings.tls_dir))
        if stamp == self._stamp:
            return
        first, self._stamp = self._stamp is None, stamp
        if not first and self._settings.credentials_dir:
            # systemd copied the key when it started us: a new one comes with a new start.
            self.outdated = True
        self._board.clear("settings")
        if not self._settings.uplink_enabled:
            return
        try:
            parse_store_url(self._settings.store_url)
            tls_context(Path(self._settings.tls_dir), self._settings.key_file)
        except UplinkFault as fault:
            self._board.report("settings", fault)
            return
        if not first:
            self._uploader.inbox.put(Hurry())

    def _follow_journal(self) -> bool:
        events, caught_up = self._tail.poll()
        if not any(isinstance(event, UplinkFault) and event.kind is DISK for event in events):
            self._board.clear("journal-file", DISK.code)
        for event in events:
            self._journal_event(event)
        if caught_up and self._held_back is not None:
            # Order needs the whole journal: a mark or a return at its end decides about segments at its beginning.
            waiting, self._held_back = self._held_back, None
            for item in waiting:
                self._uploader.inbox.put(item)
        if caught_up and self._journal[0] is None:
            if not any(entry["area"] == "journal-file" for entry in self._board.active()):
                self._board.report("journal-file", UplinkFault(JOURNAL_ABSENT, str(self._settings.journal_dir)))
        elif self._journal[0] is not None:
            self._board.clear("journal-file", JOURNAL_ABSENT.code)
        return caught_up

    def _journal_event(self, event: TailEvent) -> None:
        if isinstance(event, UplinkFault):
            self._board.report("journal-file", event)
            return
        if isinstance(event, JournalGrew):
            self._journal = (event.journal_id, event.head_seq)
        elif isinstance(event, SessionStarted):
            self._open_sessions.add(event.session_id)
        elif isinstance(event, SessionStopped):
            self._open_sessions.discard(event.session_id)
        elif isinstance(event, ReceiptRecorded):
            self._book.recorded(event.receipt_id)
        elif isinstance(event, JournalReset):
            self._open_sessions.clear()
        self._to_desk(event)
        if self._held_back is not None:
            self._held_back.append(event)
        else:
            self._uploader.inbox.put(event)

    def _to_desk(self, event: TailEvent) -> None:
        if self._desk is None:
            return
        if isinstance(event, Segment | Notice):
            self._desk.announce(event)
        elif isinstance(event, JournalReset):
            self._desk.journal_reset(event)
        elif isinstance(event, JournalGrew):
            self._desk.journal_grew(event)

    # --- receipts ----------------------------------------------------------------------------------------------------

    def _receipt_arrived(self, text: str) -> None:
        """A receipt over MQTT: the same care as one over HTTPS."""
        try:
            receipt, new = self._receipts.accept(text)
        except UplinkFault as fault:
            self._board.report("receipt", fault)
            return
        except OSError as error:
            self._board.report("receipt", UplinkFault(DISK, str(error)))
            return
        self._uploader.inbox.put(ReceiptKept(receipt))
        self._kept.put((receipt, new))

    def _settle_receipts(self) -> None:
        while True:
            try:
                receipt, new = self._kept.get_nowait()
            except queue.Empty:
                break
            if receipt.verified:
                self._board.clear("trust")
            else:
                self._board.report("trust", UplinkFault(STORE_KEY_MISSING, f"{self._settings.trust_dir}/store-key.pem"))
            if new:
                self._book.kept(receipt)
        self._tell_unit()

    def _tell_unit(self) -> None:
        now = self._clock.boottime_us()
        for receipt_id in self._book.to_tell(now):
            try:
                announce_receipt(self._settings.control_socket, receipt_id)
            except UplinkFault as fault:
                self._board.report("unit", fault)
                if fault.kind is UNIT_AWAY:
                    self._book.unit_away(now)
                    return
            else:
                self._board.clear("unit")
            self._book.told(receipt_id)

    def _tell_forecast(self) -> None:
        """The officer is to hear in time that the recordings will not be stored in time."""
        now, late = self._clock.boottime_us(), self._uploader.status["pace"]["late_segments"]
        news = self._late.due(late, now)
        if news is None or now < self._tell_again_us:
            return
        if news:
            self._board.report("deadline", UplinkFault(DEADLINE_AT_RISK, f"{news} 段 segments"))
        else:
            self._board.clear("deadline")
        try:
            tell_forecast(self._settings.control_socket, news)
        except UplinkFault as fault:
            self._board.report("unit", fault)
            self._tell_again_us = now + TELL_AGAIN_US
        else:
            self._board.clear("unit")
            self._late.told(news, now)

    # --- status ------------------------------------------------------------------------------------------------------

    def _watch_uploader(self) -> None:
        if self._settings.uplink_enabled and not self._uploader.alive():
            # It catches everything it does; should it end all the same, the service manager starts us afresh.
            raise UplinkFault(INTERNAL, "uploader thread ended")

    def _fleet_status(self) -> dict[str, Any]:
        """Members of up/status (docs/wire.md) besides ``online``, ``msg_id`` and ``sent_at``. Only reads: the last will
        asks on the connection's thread."""
        return {
            "boot_id": self._clock.boot_id(),
            "journal_id": self._journal[0],
            "head_seq": self._journal[1],
            "recording": bool(self._open_sessions),
            "free_mb": self._free_mb(),
            "backlog": self._uploader.status["backlog"],
            "version": __version__,
            **self._fleet_configuration(),
        }

    def _fleet_configuration(self) -> dict[str, Any]:
        said = self._reported() or {}
        layer = said.get("layer")
        version = layer.get("version") if isinstance(layer, dict) else None
        return {"config_version": version, "config_digest": said.get("effective")}

    def _reported(self) -> dict[str, Any] | None:
        """Members of up/reported (docs/wire.md) besides ``msg_id`` and ``sent_at``, None before the unit said anything."""
        said = configuration(self._unit_status).get("remote")
        return said if isinstance(said, dict) else None

    def _look_at_configuration(self) -> None:
        """The unit process has taken up other settings of ours (a reload, or a push from afar): read them, too. Only what
        changes under our eyes counts; whatever we came up with, the next process would come up with as well."""
        said = configuration(self._unit_status).get("uplink_sha256")
        if not isinstance(said, str) or said == self._unit_says:
            return
        self.reconfigured = self._unit_says is not None and said != self._settings.config_sha256
        self._unit_says = said

    def _unit_health(self) -> dict[str, Any]:
        """Members of up/health (docs/wire.md) besides ``msg_id`` and ``sent_at``."""
        now_us, boot_id = self._clock.boottime_us(), self._clock.boot_id()
        return health_message(self._unit_status, boot_id, now_us, self._board.active())

    def _free_mb(self) -> int | None:
        try:
            state = os.statvfs(self._settings.data_dir)
        except OSError:
            return None
        return state.f_bavail * state.f_frsize // 1_000_000

    def _write_status(self) -> None:
        values = {
            "version": __version__,
            "unit_id": self._settings.unit_id,
            "pid": os.getpid(),
            **self._uploader.status,
            "journal_id": self._journal[0],
            "head_seq": self._journal[1],
            "mqtt_connected": self._linked(),
            "mqtt_unacknowledged": 0 if self._desk is None else self._desk.unacknowledged(),
            "faults": self._board.active(),
            "last_errors": self._board.recent(),
        }
        text = json.dumps(values, ensure_ascii=False, indent=1)
        if text == self._status_text:
            return
        path = self._settings.status_file
        temporary = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            self._board.report("status-file", UplinkFault(DISK, str(error)))
            return
        self._status_text = text
        self._board.clear("status-file")

    def close(self) -> None:
        if self._settings.uplink_enabled:
            self._uploader.close(3.0)
        self._write_status()
        if self._desk is not None:
            self._desk.close()
