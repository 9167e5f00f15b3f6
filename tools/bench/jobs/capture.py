"""Record a packet file through the capture path, signed by the file signer, into a unit's data directory.

``--times 0`` only loads and opens everything: what a process costs before its first frame.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Clock
from recorder.evidence.files import OsFiles
from recorder.evidence.signer import FileSigner, load_or_create
from tools.bench.clocks import START_US, ShiftedClock
from tools.bench.identity import recipients
from tools.bench.packet_file import read
from tools.bench.recording import Recording, Setting, camera
from tools.bench.unit_side import UnitSide, new_id


@click.command()
@click.argument("packets", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--times", default=1, help="the stream so many times over")
@click.option("--sealed/--plain", default=True)
@click.option("--channel/--no-channel", default=False, help="with the channel's messages and the index")
@click.option("--size", nargs=2, type=int, default=(1920, 1080))
@click.option("--segment-s", default=60.0)
def main(
    packets: Path, out: Path, times: int, sealed: bool, channel: bool, size: tuple[int, int], segment_s: float
) -> None:
    unit = out / "unit"
    clock = ShiftedClock(SystemClock(), START_US * 24)
    signer = _signer(unit, out / "trust", clock)
    files = OsFiles()
    side = UnitSide(unit, signer, clock, files, channel=channel)
    setting = Setting(unit, camera(*size, 6000), recipients() if sealed else (), segment_s)
    session_id = new_id()
    stream = list(read(packets)) if times else []
    length_us = max((packet.at_us for packet in stream), default=0) + 33_333
    begin_us = clock.boottime_us() - max(1, times) * length_us
    payload = 0
    if times:
        side.start_session(session_id, begin_us)
        recording = Recording(setting, clock, files, side.report, session_id)
        for number in range(times):
            shift_us = begin_us + number * length_us
            recording.feed(packet.at(shift_us) for packet in stream)
        side.stop_session(session_id, recording.finish())
        payload = times * sum(len(packet.data) for packet in stream)
    side.close()
    answer = {
        "segments": side.segments,
        "entries": side.entries,
        "payload": payload,
        "stored": sum(side.sizes),
        "media_s": times * length_us / 1e6,
        "records": side.journal.state.next_seq,
    }
    click.echo(json.dumps(answer))


def _signer(unit: Path, trust: Path, clock: Clock) -> FileSigner:
    key_file, chain_file = unit / "keys" / "device-key.pem", unit / "keys" / "device-cert.pem"
    if not chain_file.exists():
        # Issuing certificates is an agency's work and loads its libraries: the row that counts CPU has it done before.
        from tools.bench.pki import enrol

        enrol(unit, trust, clock)
    return load_or_create(key_file, chain_file)


if __name__ == "__main__":
    main()
