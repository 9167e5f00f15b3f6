"""Commands (指令) a journal says the agency gave: the agency's own line, sealed in the record, against its command key.

The unit records what it believed; here the same line is judged again, by another library. A record may say less than the
agency signed (the line itself may stay sealed) and never something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from joserfc.jwk import ECKey
from pydantic import ValidationError

from recorder.evidence import formatting, jose, jws
from recorder.evidence import records as r
from recorder.evidence.command_book import SOURCE
from recorder.evidence.commands import SKEW_S, TYP, AgencyCommand
from recorder.evidence.config_order import newest
from recorder.evidence.jws import JwsError
from recorder.evidence.trust import Trust
from recorder.evidence.verify.bounds import CLOCK_TOLERANCE_S
from recorder.evidence.verify.chain import Link
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.opened import SealedFields

ASSIGN = "assign"
FIELD = "order.signed"
_DISK_REFUSES = frozenset({"storage-fault", "signing-fault"})
Opener = Callable[[Link, str, r.SealedField | None], object | None]
"""``(record, field's name, field)``: its value, None when it stays closed."""


@dataclass(frozen=True, slots=True)
class _Late:
    """An ``accepted`` outside its term, unless the disk kept the record waiting. ``uptime_us``: when it was written."""

    seq: int
    uptime_us: int
    bootseed: str
    times: str
    term: str


@dataclass(slots=True)
class OrderCheck:
    """Feed every record in order, then :meth:`finish`. ``seen``: orders of the agency; ``checked``: those whose signature
    verified here."""

    trust: Trust
    findings: Findings
    opener: Opener
    whole: Callable[[], bool]
    """Whether no line was lost so far: what is missing may have stood there."""
    seen: int = 0
    checked: int = 0
    _keys: dict[str, ECKey] = field(init=False)
    _known: set[str] = field(default_factory=set)
    _accepted: dict[str, int] = field(default_factory=dict)
    _late: list[_Late] = field(default_factory=list)
    _waited: tuple[str, int] = ("", -1)
    """Boot and moment of the newest record that the disk had kept waiting."""
    _unchecked: int = 0
    _sealed: int = 0
    _bare: int = 0

    def __post_init__(self) -> None:
        self._keys = {jose.thumbprint(key): jose.verification_key(key) for key in self.trust.command_keys}

    def feed(self, link: Link, unit_id: str, common: r.Common, record: r.Record) -> None:
        """``unit_id``: whose journal it is."""
        if isinstance(record, r.Command):
            self._command(link, unit_id, common, record)
        elif isinstance(record, r.Fault) and record.component == "journal" and record.code in _DISK_REFUSES:
            self._written_late(common, record)

    def finish(self) -> None:
        """After the last record."""
        for late in self._late:
            self.findings.add(
                "command-out-of-term", f"record {late.seq}", seq=late.seq, times=late.times, term=late.term
            )
        for code, count in (
            ("command-unchecked", self._unchecked),
            ("command-sealed", self._sealed),
            ("command-text-absent", self._bare),
        ):
            if count:
                self.findings.add(code, "commands", count=count)

    # --- one record ---

    def _command(self, link: Link, unit_id: str, common: r.Common, record: r.Command) -> None:
        if record.order is None:
            self._without_order(link, record)
            return
        self.seen += 1
        self._known.add(record.command_id)
        if record.result == "accepted":
            self._effect(link, record, record.order, common)
        if not self._keys:
            self._unchecked += 1
            return
        key = self._keys.get(record.order.kid)
        if key is None:
            self._forged(link, f"its key {record.order.kid} is not in command-key.pem")
            return
        text = self._text(link, record.order.signed)
        if text is None:
            return
        try:
            command = _read(text, record.order.kid, key)
        except JwsError as error:
            self._forged(link, str(error))
            return
        if command.unit_id != unit_id:
            self.findings.add("command-other-unit", f"record {link.seq}", seq=link.seq, unit=command.unit_id)
            return
        others = ", ".join(_differences(record, record.order, command))
        if others:
            self.findings.add("command-altered", f"record {link.seq}", seq=link.seq, fields=others)
            return
        self.checked += 1

    def _without_order(self, link: Link, record: r.Command) -> None:
        """The end of one whose beginning bears the order; one that was not believed; or one of the two the journal names
        by id and digest only. Anything else had an effect and nothing the agency signed."""
        if (record.name == ASSIGN and record.source in (SOURCE, "qr")) or newest(None, record.model_dump()) is not None:
            self._bare += record.result == "accepted"
        elif self._bare_effect(record) and self.whole():
            self.findings.add("command-unsigned", f"record {link.seq}", seq=link.seq, name=record.name[:40])

    def _bare_effect(self, record: r.Command) -> bool:
        return record.source == SOURCE and record.result != "refused" and record.command_id not in self._known

    def _effect(self, link: Link, record: r.Command, order: r.Ordered, common: r.Common) -> None:
        before = self._accepted.setdefault(record.command_id, link.seq)
        if before != link.seq:
            self.findings.add("command-repeated", f"record {link.seq}", seq=link.seq, before=before)
        begins, ends = order.iat - SKEW_S - CLOCK_TOLERANCE_S, order.exp + CLOCK_TOLERANCE_S
        if begins <= common.iat < ends or self._kept_waiting(common):
            return
        term = f"{formatting.wall(order.iat)} – {formatting.wall(order.exp)}"
        self._late.append(_Late(link.seq, common.uptime_us, common.bootseed, formatting.wall(common.iat), term))

    def _text(self, link: Link, sealed: r.SealedField) -> str | None:
        """With sealing off it stands there plain, whoever looks."""
        if sealed.plain is not None:
            value = SealedFields((), self.findings).open_field(link.seq, FIELD, sealed)
        else:
            value = self.opener(link, FIELD, sealed)
            self._sealed += value is None
        if value is not None and not isinstance(value, str):
            self._forged(link, "no text is sealed in it")
            return None
        return value

    def _forged(self, link: Link, reason: str) -> None:
        self.findings.add("command-forged", f"record {link.seq}", seq=link.seq, reason=reason)

    # --- a disk that refused ---

    def _kept_waiting(self, common: r.Common) -> bool:
        bootseed, until_us = self._waited
        return common.bootseed == bootseed and common.uptime_us - until_us < CLOCK_TOLERANCE_S * 1e6

    def _written_late(self, common: r.Common, record: r.Fault) -> None:
        """What happens while the disk refuses is written when it does so no more, and dated then."""
        if record.phase != "onset" or common.uptime_us - record.onset_us < CLOCK_TOLERANCE_S * 1e6:
            return
        self._waited = common.bootseed, common.uptime_us
        self._late = [
            late
            for late in self._late
            if late.bootseed != common.bootseed or not record.onset_us <= late.uptime_us <= common.uptime_us
        ]


def _read(text: str, kid: str, key: ECKey) -> AgencyCommand:
    """The command in the agency's line. Raises JwsError saying why it is none."""
    if not text.isascii():
        raise JwsError("not ASCII")
    parts = jws.split(text)
    if parts.typ != TYP:
        raise JwsError(f"typ is {parts.typ[:40]!r}, not {TYP!r}")
    if parts.kid != kid:
        raise JwsError("the record names another key than its line")
    jose.check(text, parts, key)
    try:
        return AgencyCommand.model_validate(parts.payload)
    except ValidationError as error:
        raise JwsError("signed, and not the form of a command") from error


def _differences(record: r.Command, order: r.Ordered, command: AgencyCommand) -> Iterator[str]:
    """Fields of the record that say something else than the agency signed."""
    said = command.order
    for name, ours, theirs in (
        ("command_id", record.command_id, command.jti),
        ("name", record.name, said.kind),
        ("iat", order.iat, command.iat),
        ("exp", order.exp, command.exp),
        ("sessions", order.sessions, getattr(said, "sessions", ())),
        ("segments", order.segments, getattr(said, "segments", ())),
        ("until", order.until, getattr(said, "until", None)),
        ("metered", order.metered, getattr(said, "metered", False)),
    ):
        if ours != theirs:
            yield name
