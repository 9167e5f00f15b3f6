"""How large an agency's store must be: the arithmetic behind deploy/README.md, to be repeated with one's own numbers.

python -m hw_sim.agency.sizing --units 1000 --hours 2
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields

GB, TB, DAY_S = 1e9, 1e12, 86400.0


@dataclass(frozen=True, slots=True)
class Needs:
    """``hours``: recorded per unit and day. ``kbps``: picture and sound. ``overhead``: container, telemetry, padding
    and sealing over payload (held at 7 %, design §10). ``window_h``: in how many hours of a day the units upload;
    ``headroom`` over that. ``outage_h``: how long the object store may be away. ``raw``: raw over stored bytes
    (erasure code 4+2: 1.5), and ``fill``: how full its disks may become. ``ingest_s_per_gb``: CPU seconds of an
    instance for a gigabyte over S3 (measured: docs/object-stores.md), ``busy``: how busy an instance may be.
    ``kept``: connections a unit keeps open to nginx (journal, segments); ``workers`` of nginx on a machine.
    ``journal_kb_s``: journal per recorded second (an estimate; docs/benchmarks.md, ``start``: 675 MB for 10 000
    segments of a minute, 1.1 kB/s); ``register_kb``: rows and receipt of a segment
    (estimated)."""

    units: int = 1000
    hours: float = 2.0
    kbps: float = 6064.0
    overhead: float = 1.07
    days: float = 183.0
    window_h: float = 8.0
    headroom: float = 1.25
    outage_h: float = 12.0
    raw: float = 1.5
    fill: float = 0.8
    disk_tb: float = 20.0
    ingest_s_per_gb: float = 5.3
    busy: float = 0.5
    journal_kb_s: float = 1.2
    register_kb: float = 2.0
    instances_per_machine: int = 8
    kept: int = 2
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Size:
    unit_gb_day: float
    all_tb_day: float
    link_gbit: float
    stored_pb: float
    disks: int
    instances: int
    machines: int
    machine_gbit: float
    staging_tb: float
    journal_tb: float
    register_gb: float
    connections: int


def size(needs: Needs) -> Size:
    unit_day = needs.hours * 3600 * needs.kbps * 1000 / 8 * needs.overhead
    all_day = unit_day * needs.units
    rate = all_day / (needs.window_h * 3600) * needs.headroom
    stored = all_day * needs.days
    instances = max(2, math.ceil(rate / GB * needs.ingest_s_per_gb / needs.busy))
    machines = math.ceil(instances / needs.instances_per_machine)
    recorded_s = needs.units * needs.hours * 3600
    return Size(
        unit_gb_day=unit_day / GB,
        all_tb_day=all_day / TB,
        link_gbit=rate * 8 / GB,
        stored_pb=stored / 1e15,
        disks=math.ceil(stored * needs.raw / needs.fill / (needs.disk_tb * TB)),
        instances=instances,
        machines=machines,
        # In from the units, out to the object store, and in once more: every byte is read back.
        machine_gbit=3 * rate * 8 / GB / machines,
        staging_tb=rate / needs.headroom * min(needs.outage_h, needs.window_h) * 3600 / TB / machines,
        journal_tb=recorded_s * needs.journal_kb_s * 1000 * needs.days / TB,
        # Each kept one may have its other half, to an instance. Half as many again: workers share unevenly.
        connections=2 ** math.ceil(math.log2(math.ceil(needs.units / machines) * needs.kept * 2 * 1.5 / needs.workers)),
        register_gb=recorded_s / 60 * needs.register_kb * 1000 * needs.days / GB,
    )


ROWS = (
    ("unit_gb_day", "每台每天 a unit and day", "GB", 2),
    ("all_tb_day", "全部每天 all, a day", "TB", 1),
    ("link_gbit", "进线 the link into the agency", "Gbit/s", 1),
    ("stored_pb", "存满期限 stored over the term", "PB", 2),
    ("disks", "对象存储的硬盘 disks of the object store", "× 20 TB", 0),
    ("instances", "接收服务实例 instances of the ingest service", "", 0),
    ("machines", "接收服务器 machines for them", "", 0),
    ("connections", "nginx `worker_connections`（2 个进程 workers）", "", 0),
    ("machine_gbit", "每台网卡 network of each", "Gbit/s", 1),
    ("staging_tb", "每台暂存盘 staging of each", "TB", 1),
    ("journal_tb", "日志（全期）journals over the term", "TB", 1),
    ("register_gb", "登记库（全期）register over the term", "GB", 0),
)


def table(columns: Sequence[Needs]) -> str:
    """Markdown, one column for each."""
    sizes = [size(needs) for needs in columns]
    lines = [
        "| | " + " | ".join(f"{needs.units:,} 台 units" for needs in columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for name, label, unit, digits in ROWS:
        cells = [f"{getattr(found, name):,.{digits}f} {unit}".strip() for found in sizes]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="hw_sim.agency.sizing", description="机关存储的规模 size of an agency's store"
    )
    for item in fields(Needs):
        default = item.default
        assert isinstance(default, int | float)
        parser.add_argument(f"--{item.name.replace('_', '-')}", type=type(default), default=default)
    sys.stdout.write(table([Needs(**vars(parser.parse_args(argv)))]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
