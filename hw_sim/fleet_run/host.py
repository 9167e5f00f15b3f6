"""The light part of every unit, all of them in one thread: control sockets, and real custody behind each.

A receipt the uplink announces is judged by ``recorder.unit.custody`` with the unit's own journal, index and pinned store
key; what is believed is recorded, then the segment's release, then the file goes. Everything else a unit process does
(sessions, commands, configuration) is refused.
"""

from __future__ import annotations

import json
import logging
import queue
import selectors
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Clock
from hw_sim.fleet_run.light_unit import CHECKPOINT_RECORDS, UnitFolder
from recorder.config.models import RecorderConfig
from recorder.evidence.files import OsFiles
from recorder.evidence.journal import Journal
from recorder.evidence.personal import load_officer_key
from recorder.evidence.receipts import LockPolicy, ReceiptCheck
from recorder.evidence.records import Event
from recorder.evidence.recovery import recover
from recorder.evidence.state import CLEAN_END_EVENT
from recorder.unit.catch_up import CatchUp
from recorder.unit.control_socket import MAX_LINE, refusal
from recorder.unit.custody import Custody
from recorder.unit.index import Index
from recorder.unit.ledger import Ledger
from recorder.unit.store_key import StoreKeyFile

log = logging.getLogger("fleet.host")

TURN_S = 0.5
CATCH_UP_US = 200_000
ANSWER_S = 2.0
DOCKED = ("receipt", "store-forecast")
"""What the uplink of a docked unit tells."""


@dataclass(slots=True)
class HostedUnit:
    """``docked_us``: wall time. ``head_seq``: of the finished journal, None while there is still something to do."""

    folder: UnitFolder
    docked_us: int
    journal: Journal
    index: Index
    ledger: Ledger
    custody: Custody
    catch_up: CatchUp
    listener: socket.socket
    head_seq: int | None = None
    forecasts: list[int] = field(default_factory=list)

    @classmethod
    def dock(cls, folder: UnitFolder, config: RecorderConfig, clock: Clock) -> HostedUnit:
        """A start as ``recorder.daemon`` does it. Raises what a start may raise."""
        files, signer = OsFiles(), folder.signer()
        recovered = recover(folder.data, signer, clock, files, folder.facts(), checkpoint_records=CHECKPOINT_RECORDS)
        journal = recovered.journal
        index = Index(folder.data / "index.db")
        index.behind = True
        catch_up = CatchUp(index, files, journal, clock)
        catch_up.step(CATCH_UP_US)
        ledger = Ledger(journal, index)
        policy = LockPolicy(require_lock=config.trust.require_lock, min_days=config.trust.min_lock_days)
        store_key = StoreKeyFile(
            folder.trust / "store-key.pem",
            lambda key: ReceiptCheck(
                key, unit_id=folder.unit_id, device_kids=[signer.kid], journal_id=journal.journal_id, policy=policy
            ),
        )
        officer_key = load_officer_key(folder.data / "keys" / "officer-ref.key", files)
        custody = Custody(config, folder.data, files, journal, ledger, index, store_key, officer_key)
        folder.run.mkdir(parents=True, exist_ok=True)
        return cls(folder, clock.wall_us(), journal, index, ledger, custody, catch_up, _listen(folder.run))

    def turn(self, clock: Clock) -> None:
        """One turn of a unit's loop. Raises JournalError when the disk refuses."""
        self.custody.poll(clock.boottime_us(), clock.wall_us())
        self._commit()
        self.catch_up.step(CATCH_UP_US)
        if self.head_seq is None and not self.index.behind and not self.index.held() and not self.index.released():
            self.ledger.write(Event(event=CLEAN_END_EVENT, at_us=clock.boottime_us(), detail={}))
            self._commit()
            self.head_seq = self.journal.state.next_seq - 1

    def _commit(self) -> None:
        if not self.ledger.commit() and self.ledger.error is not None:
            raise self.ledger.error

    def answer(self, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
            command = message["cmd"]
        except (ValueError, KeyError, TypeError):
            return refusal("bad-request", "请求无法读取", "not a request")
        if command not in DOCKED:
            return refusal("not-here", "轻量设备不做这件事", "a light unit does not do this")
        if command == "receipt":
            self.custody.receipts_arrived()
        else:
            self.forecasts.append(int(message["late_segments"]))
        return {"v": 1, "ok": True}

    def close(self) -> None:
        self.listener.close()
        (self.folder.run / "control.sock").unlink(missing_ok=True)
        self.journal.close()
        self.index.close()


class UnitHost:
    """Thread. ``dock`` and ``undock`` from outside; ``error`` is what ended it, if anything did."""

    def __init__(self, config: RecorderConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._orders: queue.SimpleQueue[tuple[str, UnitFolder]] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="unit-host", daemon=True)
        self.units: dict[str, HostedUnit] = {}
        self.docked: dict[str, int] = {}
        """Wall time in microseconds each unit docked at; stays after it has left."""

        self.error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def dock(self, folder: UnitFolder) -> None:
        self._orders.put(("dock", folder))

    def undock(self, folder: UnitFolder) -> None:
        self._orders.put(("undock", folder))

    def head_seq(self, unit_id: str) -> int | None:
        """The last record of a unit that has nothing left to do; None before."""
        unit = self.units.get(unit_id)
        return None if unit is None else unit.head_seq

    def close(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(30)

    def _run(self) -> None:
        try:
            next_us = 0
            while not self._stop.is_set():
                self._obey()
                for key, _ in self._selector.select(TURN_S / 4):
                    self._serve(key.data)
                if self._clock.boottime_us() >= next_us:
                    for unit in list(self.units.values()):
                        if unit.head_seq is None:
                            unit.turn(self._clock)
                    next_us = self._clock.boottime_us() + round(TURN_S * 1e6)
        except BaseException as error:
            log.exception("the unit host has ended")
            self.error = error
        finally:
            for unit in self.units.values():
                unit.close()
            self._selector.close()

    def _obey(self) -> None:
        while True:
            try:
                what, folder = self._orders.get_nowait()
            except queue.Empty:
                return
            if what == "dock":
                unit = HostedUnit.dock(folder, self._config, self._clock)
                self._selector.register(unit.listener, selectors.EVENT_READ, unit)
                self.units[folder.unit_id], self.docked[folder.unit_id] = unit, unit.docked_us
            else:
                unit = self.units.pop(folder.unit_id)
                self._selector.unregister(unit.listener)
                unit.close()

    def _serve(self, unit: HostedUnit) -> None:
        """One connection, one line each way. An uplink that was killed meanwhile hears nothing, and asks again."""
        try:
            connection, _ = unit.listener.accept()
            with connection:
                connection.settimeout(ANSWER_S)
                line = b""
                while not line.endswith(b"\n") and len(line) < MAX_LINE and (data := connection.recv(MAX_LINE)):
                    line += data
                connection.sendall(json.dumps(unit.answer(line), ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            log.info("%s: control: %s", unit.folder.unit_id, error)


def _listen(run: Path) -> socket.socket:
    path = run / "control.sock"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(16)
    return listener
