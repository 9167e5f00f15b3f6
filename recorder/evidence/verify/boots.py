"""Boots and clocks as the records claim them, and the lower time bound that receipts and certificates give."""

from __future__ import annotations

from dataclasses import dataclass, field

from recorder.evidence import formatting
from recorder.evidence import records as r
from recorder.evidence.trust import Trust, judge_chain, validity
from recorder.evidence.verify.bounds import CLOCK_TOLERANCE_S, StepWatch
from recorder.evidence.verify.chain import Link
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.state import At, Boot, Interval, Ledger


@dataclass(slots=True)
class BootRecords:
    """Follows which boot speaks. ``current``: its number, -1 before the first record. ``lower``: no record from here on is
    older than this (seconds since 1970), None while nobody vouches for anything."""

    ledger: Ledger
    findings: Findings
    trust: Trust
    current: int = -1
    lower: float | None = None
    _seeds: dict[str, int] = field(default_factory=dict)
    _steps: StepWatch = field(default_factory=StepWatch)
    _contradicted: set[int] = field(default_factory=set)

    def known(self, bootseed: object) -> int | None:
        """Number of the boot with this id."""
        return self._seeds.get(bootseed) if isinstance(bootseed, str) else None

    def at(self, us: int) -> At:
        """A moment of the current boot."""
        return At(self.current, us)

    def raise_lower(self, iat: float) -> None:
        self.lower = iat if self.lower is None else max(self.lower, iat)

    def inconsistent(self, link: Link, reason: str) -> None:
        self.findings.add("boot-inconsistent", f"record {link.seq}", seq=link.seq, reason=reason)

    def move_to(self, link: Link, common: r.Common) -> None:
        """Every record first: which boot it belongs to, and whether its clocks go on from the record before."""
        number = self._seeds.get(common.bootseed)
        if number is None:
            number = self._begin(link, common)
        boot = self.ledger.boots[number]
        if number < self.current:
            self.inconsistent(link, "the boot id of an earlier boot")
        elif common.bootcount != boot.bootcount:
            self.inconsistent(link, f"boot count {common.bootcount} within boot {boot.bootcount}")
        elif common.uptime_us < boot.last_us:
            self.inconsistent(link, "uptime goes back")
        self.current = max(number, self.current)
        self._steps.update(link.seq, number, common.uptime_us, common.iat, fresh=link.typ == "boot")
        boot.last_us, boot.last_iat = max(boot.last_us, common.uptime_us), common.iat

    def _begin(self, link: Link, common: r.Common) -> int:
        if link.typ != "boot":
            self.inconsistent(link, "a new boot id without a boot record")
        if self.current >= 0 and common.bootcount <= self.ledger.boots[self.current].bootcount:
            self.inconsistent(link, f"boot count {common.bootcount} does not grow")
        number = self._seeds[common.bootseed] = len(self.ledger.boots)
        us, iat = common.uptime_us, common.iat
        self.ledger.boots.append(Boot(common.bootseed, common.bootcount, link.seq, us, iat, us, iat))
        return number

    def check_clock(self, link: Link, common: r.Common) -> None:
        """Every record last. A contradiction is found once per boot: a wrong clock is wrong in every record."""
        if self.lower is None or common.iat >= self.lower - CLOCK_TOLERANCE_S or self.current in self._contradicted:
            return
        self._contradicted.add(self.current)
        bound = formatting.wall(self.lower)
        self.findings.add(
            "time-contradicted",
            f"record {link.seq}",
            seq=link.seq,
            times=formatting.wall(common.iat),
            why_zh=f"早于此前的回执或证书（{bound}）",
            why_en=f"before the receipt or certificate it already knew ({bound})",
        )

    def finish(self) -> None:
        for seq, change in self._steps.unrecorded:
            self.findings.add("clock-step-unrecorded", f"record {seq}", seq=seq, length=formatting.length(change))

    # --- records ---

    def on_boot(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Boot)
        if self.ledger.unit_id and record.unit_id != self.ledger.unit_id:
            self.inconsistent(link, f"unit {record.unit_id} instead of {self.ledger.unit_id}")
        self.ledger.unit_id = self.ledger.unit_id or record.unit_id
        self.ledger.hardware = f"{record.hwmodel} {record.hwversion}"
        self.ledger.software = f"{record.swname} {record.swversion}"
        if judge_chain(link.key.chain, record.unit_id, self.trust).trusted:
            # The certificate stands in this very line: the line, and all after it, is younger than the certificate.
            self.raise_lower(validity(link.key.chain[0])[0])

    def on_event(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Event)
        if record.event == "clock-step":
            change = self._steps.recorded()
            if change is not None:
                self.findings.add("clock-step", f"record {link.seq}", seq=link.seq, length=formatting.length(change))
        elif record.event == "unit-down":
            self._unit_down(link, record)

    def _unit_down(self, link: Link, record: r.Event) -> None:
        boot = self.known(record.detail.get("from_bootseed"))
        start, end = record.detail.get("from_us"), record.detail.get("to_us")
        if boot is None or type(start) is not int or type(end) is not int:
            self.inconsistent(link, "unit-down names no known boot or no times")
            return
        interval = Interval("off", At(boot, start), self.at(end))
        self.ledger.intervals.append(interval)
        lost = self.ledger.at(interval.end) - self.ledger.at(interval.start)
        self.findings.add(
            "unit-down",
            f"record {link.seq}",
            length=formatting.length(lost * 1e6),
            times=formatting.wall(self.ledger.at(interval.start)),
            cause=str(record.detail.get("cause"))[:40],
        )
