"""What the start finds of the time before: how the last process ended, and faults nobody was there to see the end of."""

from __future__ import annotations

from recorder.evidence.records import Fault
from recorder.evidence.state import JournalState
from recorder.faults.boots import LastSigned, found_at_start
from recorder.unit.duty import Duty


class StartFaults(Duty):
    name = "start-faults"

    def started(self, before: JournalState) -> None:
        unit = self._unit
        now_us, bootseed = unit.now_us(), unit.p.clock.boot_id()
        last = before.last
        signed = None if last is None else LastSigned(last.typ, last.uptime_us, last.bootseed, last.iat)
        clean = before.clean_end and not before.open_segments
        codes = [fault.code for fault in before.open_faults.values()]
        found = found_at_start(signed, clean, bootseed, unit.wall_us() / 1e6, codes)
        if found is not None and signed is not None:
            code, evidence = found
            evidence["found_us"] = now_us
            for record in unit.p.faults.found(code, "unit", signed.uptime_us, evidence):
                unit.write(record)
        # Whoever watched these is gone. What is still wrong begins a fault of its own, now.
        for fault in before.open_faults.values():
            evidence = {"ended_by": "restart", "from_bootseed": fault.onset.bootseed, "last_record": last and last.typ}
            unit.write(
                Fault(
                    fault_id=fault.fault_id,
                    code=fault.code,
                    phase="end",
                    component=fault.component,
                    onset_us=fault.onset.at_us,
                    evidence=evidence,
                )
            )
