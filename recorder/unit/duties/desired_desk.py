"""Configuration pushed from afar: verified, checked, taken up by the reload, on probation, taken back; and reported.

The uplink hands it over and knows nothing of it. What becomes of it is decided by ``config.pushed`` and
``config.probation``; when it takes effect by the reload (:mod:`recorder.unit.duties.reload_desk`), as for any other
change of the files.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from recorder.config import pushed
from recorder.config.layers import lookup
from recorder.config.load import Loaded
from recorder.config.probation import Limits, Probation
from recorder.config.problems import KeyPath, Problem, dotted
from recorder.config.pushed import ConfigError, Push, PushedState, Why
from recorder.evidence.config_order import NAME, detail
from recorder.evidence.desired import Refused, verify_desired
from recorder.evidence.files import OsFiles
from recorder.evidence.records import AgencyLine, Config, Event, Fault, Record
from recorder.evidence.records import Command as CommandRecord
from recorder.evidence.state import JournalState
from recorder.unit.agency_key import agency_key
from recorder.unit.background import Background
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty, UnitServices
from recorder.unit.events import ReloadRequested
from recorder.unit.push_offer import Offer, push_of
from recorder.unit.pushed_keeper import PushedKeeper
from recorder.unit.pushed_store import PushedStore
from recorder.unit.wanted_layer import LAYER, WantedLayer

log = logging.getLogger("recorder.unit")

ROLLED_BACK = "config-rolled-back"
CHECK = "desired"
"""Name of the thread that checks a push."""
REJECTIONS_RECORDED = 32
"""So many refused ones are signed facts per start: whoever sends rubbish must not fill the journal."""


class DesiredDesk(Duty):
    name = "desired"
    own_record: ClassVar[frozenset[str]] = frozenset({"desired"})
    for_uplink: ClassVar[frozenset[str]] = frozenset({"desired"})

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        config = services.p.config
        store = PushedStore(services.p.files, Path(config.storage.data_dir))
        self._keeper = PushedKeeper(store, lambda: self._unit.p.events.put(ReloadRequested()))
        self._trust = Path(config.trust.dir)
        self._checking: tuple[Offer, Background[Loaded]] | None = None
        self._next: Offer | None = None
        self._patience_us: int | None = None
        """Till then cameras that do not deliver yet are waited for."""
        self._probation: Probation | None = None
        self._before = services.p.reloading.sha256
        """Digest of what was in force when the newest push was accepted."""
        self._rejections = 0
        self._wanted = WantedLayer()
        self._reported_of: tuple[Any, ...] = ()
        self._reported_state: PushedState | None = None
        self._reported_loaded: Loaded | None = None

    @property
    def _state(self) -> PushedState:
        return self._keeper.state

    def commands(self) -> Mapping[str, Command]:
        return {"desired": self._desired}

    def started(self, before: JournalState) -> None:
        """A push that was accepted and is not in force with this start is none the files can be blamed for later."""
        del before
        self._record_rollback()
        loaded = self._unit.p.reloading.loaded
        if self._state.on_probation and loaded is not None and loaded.errors and not self._loaded_as_wanted():
            self._take_back(Why(code="errors", zh=loaded.errors[0][:300], en="in error at the start"))

    def observe(self, record: Record) -> None:
        if self._probation is not None and isinstance(record, Fault) and record.phase == "onset":
            self._probation.fault(record.code)

    def tick(self, now_us: int) -> None:
        if self._checking is None:
            return
        offer, check = self._checking
        if not check.done or (self._next is None and self._waits_for_cameras(now_us, check)):
            return
        self._checking = None
        if self._next is not None:  # a newer one came meanwhile: nobody wants this one any more
            newer, self._next = self._next, None
            self._patience_us = None
            self._check(newer)
        else:
            self._patience_us = None
            self._judge(offer, check)

    def poll(self, now_us: int, wall_us: int) -> None:
        self._keeper.retry(now_us)
        trouble = self._keeper.trouble
        self._unit.fault("storage-fault", "config", bool(trouble), {"error": trouble} if trouble else {})
        if self._state.on_probation:
            self._watch(now_us)
        elif self._unit.p.reloading.urgent and self._in_force():
            self._unit.p.reloading.urgent = False
        self._unit.p.reloading.reported = self._report()

    def close(self) -> None:
        if self._checking is not None:
            self._checking[1].join(2)
        if self._state.on_probation:
            self._keeper.save(pushed.process_ended(self._state))
        self._keeper.flush()

    # --- what came ---------------------------------------------------------------------------------------------------

    def _desired(self, message: dict[str, Any]) -> Answer:
        """Answered at once: ``reported`` says what became of it, for the check takes a while on a small board."""
        parts = self._unit.p
        if not parts.config.remote.enabled or parts.reloading.check is None:
            return self._reject(
                Refused("desired-off", "本设备不接受下发的配置", "this unit takes no configuration from afar")
            )
        text = str(message.get("desired", ""))
        key = agency_key(self._trust, OsFiles())
        found = verify_desired(text, key, parts.config.device.id, parts.config.device.groups)
        if isinstance(found, Refused):
            return self._reject(found)
        self._keeper.heal()
        assert key is not None
        push = push_of(found)
        waits = self._next or (self._checking[0] if self._checking is not None else None)
        waiting = None if waits is None else waits.push
        if pushed.repeats(self._state, push) or push == waiting:
            return {"ok": True, "version": push.version, "repeated": True}
        why = pushed.not_considered(self._state, push, self._unit.p.journal.state.config_order)
        if why is not None:
            return self._reject(Refused(why.code, why.zh, why.en, push.version, push.jti))
        if waiting is not None and push.version <= waiting.version:
            zh, en = f"正在检查版本 {waiting.version}", f"version {waiting.version} is being looked at"
            return self._reject(Refused("desired-replayed", zh, en, push.version, push.jti))
        offer = Offer(push, key.kid, text)
        if self._checking is None:
            self._check(offer)
        else:
            self._next = offer
        return {"ok": True, "version": push.version}

    def _reject(self, refused: Refused) -> Answer:
        """Changes nothing but what is reported, and that it was refused is a signed fact. The disk is left alone: what was
        refused is offered again with the next connection, and anybody may offer rubbish as often as he likes."""
        why = pushed.Rejected(version=refused.version, code=refused.code, zh=refused.zh, en=refused.en)
        log.error("config.rejected", extra={"fields": {"code": why.code, "version": why.version}})
        if why != self._state.rejected:
            self._keeper.remember(pushed.rejected(self._state, why))
            self._rejections += 1
            if self._rejections <= REJECTIONS_RECORDED:
                self._record(refused.jti or str(uuid.uuid4()), "refused", refused.code)
        return refusal(refused.code, refused.zh, refused.en)

    def _record(self, jti: str, result: Any, told: str, line: AgencyLine | None = None) -> None:
        self._unit.write(
            CommandRecord(command_id=jti, source="mqtt", name=NAME, result=result, detail=told, agency_line=line)
        )

    def _considered(self, offer: Offer, result: Literal["accepted", "refused"], what: str = "") -> None:
        line = AgencyLine(kid=offer.kid, signed=self._unit.p.custody.sealed(offer.line))
        self._record(offer.push.jti, result, detail(offer.push.version, offer.push.digest, what), line)

    # --- checking ----------------------------------------------------------------------------------------------------

    def _check(self, offer: Offer) -> None:
        check = self._unit.p.reloading.check
        assert check is not None
        text, act = offer.push.toml.encode("utf-8"), check
        self._checking = offer, Background(lambda: act(text), CHECK)

    def _waits_for_cameras(self, now_us: int, check: Background[Loaded]) -> bool:
        """What comes before the cameras deliver could not be told from what keeps them from it: they are given the time a
        silent one is given on probation. One that does not deliver by then is none the push can be blamed for."""
        parts = self._unit.p
        late = [each for each, camera in parts.cameras.items() if not camera.ready and not self._unplugged(each)]
        if not late or check.result is None or self._errors(check.result):
            return False
        if self._patience_us is None:
            self._patience_us = now_us + round(parts.config.remote.unready_s * 1e6)
        return now_us < self._patience_us

    def _unplugged(self, camera_id: str) -> bool:
        return self._unit.p.faults.is_open("camera-unplugged", camera_id)

    def _judge(self, offer: Offer, check: Background[Loaded]) -> None:
        known, push = self._unit.p.reloading, offer.push
        if check.error is not None:
            log.error("config.check", extra={"fields": {"error": str(check.error)}})
            text = f"{type(check.error).__name__}: {check.error}"[:300]
            errors: tuple[ConfigError, ...] = (
                ConfigError(file=LAYER, line=None, column=None, key="", pointer="", zh=text, en=text),
            )
        else:
            assert check.result is not None
            errors = self._errors(check.result)
        if errors:
            self._considered(offer, "refused", f"{len(errors)} errors")
            layers = () if known.loaded is None else known.loaded.layer_names
            told = tuple(f"{each.file}:{each.line}: {each.key}: {each.zh} / {each.en}" for each in errors)
            told = told[: pushed.MAX_ERRORS]
            self._unit.write(Config(sha256=known.sha256, layers=layers, status="refused", errors=told))
            log.error("config.push-refused", extra={"fields": {"version": push.version, "errors": list(told)}})
            self._unit.after_commit(lambda: self._refuse(push, errors))
            return
        self._considered(offer, "accepted")
        found = check.result
        self._unit.after_commit(lambda: self._install(push, found))

    def _refuse(self, push: Push, errors: tuple[ConfigError, ...]) -> None:
        self._keeper.save(pushed.refused(self._state, push, errors))

    def _errors(self, loaded: Loaded) -> tuple[ConfigError, ...]:
        """What is wrong with the push; where files of the unit's own are in error, too, these: as at any reload, nothing is
        taken up beside a setting that had to be set aside."""
        known = self._unit.p.reloading.loaded
        before = set() if known is None else {(str(p.place), p.key, p.en) for p in known.problems}
        found = [p for p in loaded.problems if p.severity == "error"]
        news = [p for p in found if (str(p.place), p.key, p.en) not in before]
        return tuple(config_error(problem) for problem in news or (found if loaded.status != "applied" else ()))

    def _install(self, push: Push, loaded: Loaded | None) -> None:
        """The journal has it: from here on it is what the files say, and the reload takes it up when it can."""
        cameras = self._unit.p.cameras
        expected = tuple(camera_id for camera_id, camera in cameras.items() if camera.ready)
        self._keeper.save(pushed.accepted(self._state, push, expected))
        if loaded is not None:
            self._wanted.known(push, loaded)
        self._before = self._unit.p.reloading.sha256
        self._probation = None
        self._unit.p.reloading.urgent = False
        self._keeper.take_up()

    # --- probation ---------------------------------------------------------------------------------------------------

    def _watch(self, now_us: int) -> None:
        parts = self._unit.p
        cameras = parts.cameras
        launches = {camera_id: camera.supervisor.restarts for camera_id, camera in cameras.items()}
        whole = self._in_force()
        if self._probation is None:
            if not whole and parts.reloading.sha256 == self._before:
                return  # nothing of it can have done any harm yet
            limits = Limits.of(parts.config.remote)
            self._probation = Probation(limits, self._state.expected, launches)
        if whole and self._state.outcome == "pending":
            self._keeper.save(pushed.in_force(self._state))
        verdict = self._probation.look(
            now_us,
            whole=whole,
            ready=[camera_id for camera_id, camera in cameras.items() if camera.ready],
            unplugged=[camera_id for camera_id in cameras if self._unplugged(camera_id)],
            launches=launches,
        )
        if verdict == "proven":
            log.info("config.proven", extra={"fields": {"version": pushed.version_of(self._state.wanted)}})
            self._keeper.save(pushed.proven(self._state))
            self._probation = None
        elif verdict is not None:
            self._take_back(verdict)

    def _take_back(self, why: Why) -> None:
        log.error(
            "config.rolled-back",
            extra={"fields": {"version": pushed.version_of(self._state.wanted), "why": why.en, "code": why.code}},
        )
        self._probation = None
        self._keeper.save(pushed.failed(self._state, why))
        self._unit.p.reloading.urgent = True
        self._record_rollback()
        self._keeper.take_up()

    def _record_rollback(self) -> None:
        gone, why = self._state.unrecorded, self._state.why
        if gone is None:
            return
        told = {
            "version": gone.version,
            "digest": gone.digest,
            "back_to": pushed.version_of(self._state.wanted),
            "code": "" if why is None else why.code,
            "reason": "" if why is None else f"{why.zh} {why.en}",
        }
        self._unit.write(Event(event=ROLLED_BACK, at_us=self._unit.now_us(), detail=told))
        self._unit.after_commit(self._rollback_recorded)

    def _rollback_recorded(self) -> None:
        self._keeper.save(pushed.recorded(self._state))

    # --- what is so --------------------------------------------------------------------------------------------------

    def _loaded_as_wanted(self) -> bool:
        return self._wanted.is_in(self._unit.p.reloading.loaded, self._state.wanted)

    def _in_force(self) -> bool:
        known = self._unit.p.reloading
        return known.status in ("none", "applied") and not known.waiting and self._loaded_as_wanted()

    def _report(self) -> Mapping[str, Any]:
        """Asked for with every poll, made when something it is made of has changed."""
        parts = self._unit.p
        known, recording = parts.reloading, parts.machine.session_id is not None
        made_of = (known.status, known.errors, known.waiting, known.sha256, recording, parts.config.device.groups)
        same = self._reported_of == made_of and self._reported_state is self._state
        if not (same and self._reported_loaded is known.loaded and known.reported is not None):
            self._reported_of, self._reported_state, self._reported_loaded = made_of, self._state, known.loaded
            return self._new_report(recording)
        return known.reported

    def _new_report(self, recording: bool) -> dict[str, Any]:
        parts = self._unit.p
        known = parts.reloading
        waits_for = _waits_for(known.status, known.errors, recording) if self._state.outcome == "pending" else None
        return pushed.report(
            self._state,
            in_force=self._in_force(),
            waiting=known.waiting,
            covered=self._covered(),
            waits_for=waits_for,
            effective=known.sha256,
            groups=parts.config.device.groups,
        )

    def _covered(self) -> tuple[str, ...]:
        """Pushed settings that a layer above has another value for (the environment of the service)."""
        loaded = self._unit.p.reloading.loaded
        above = next(
            (layer for layer in (() if loaded is None else loaded.layers) if layer.kind == "environment"), None
        )
        if above is None:
            return ()
        return tuple(dotted(path) for path in leaves(self._wanted.data(self._state.wanted)) if _holds(above.data, path))


def config_error(problem: Problem) -> ConfigError:
    """The form it is reported in: the file without its folder, the key as text and as JSON pointer (RFC 6901)."""
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in problem.path]
    place = problem.place
    return ConfigError(
        file=Path(place.source).name,
        line=place.line,
        column=place.column,
        key=problem.key,
        pointer="".join(f"/{part}" for part in parts),
        zh=problem.zh[:300],
        en=problem.en[:300],
    )


def leaves(data: Mapping[str, Any], base: KeyPath = ()) -> list[KeyPath]:
    """The paths of every value that is no table."""
    found: list[KeyPath] = []
    for key, value in data.items():
        found += leaves(value, (*base, key)) if isinstance(value, Mapping) else [(*base, key)]
    return found


def _holds(data: dict[str, Any], path: KeyPath) -> bool:
    try:
        lookup(data, path)
    except KeyError:
        return False
    return True


def _waits_for(status: str, errors: tuple[str, ...], recording: bool) -> Why | None:
    if status == "refused":
        first = errors[0][:200] if errors else ""
        return Why(
            code="local-files", zh=f"本机配置文件有误：{first}", en=f"the unit's own files are in error: {first}"
        )
    if recording:
        return Why(
            code="recording", zh="正在录制，等待片段边界或录制结束", en="recording: waits for a boundary or its end"
        )
    return Why(code="taking-up", zh="正在生效", en="being taken up")
