"""No inbound port (docs/threat-model.md): nothing of a unit that records and uploads listens on the network."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from hw_sim.agency.agency import Agency
from tests.integration.rig import Rig

LISTENING = {"tcp": "0A", "udp": "07"}
"""``st`` of /proc/net/tcp and udp (Linux include/net/tcp_states.h): TCP_LISTEN; TCP_CLOSE, which is a bound UDP socket that
anybody may send to."""


def inbound(pid: int) -> set[str]:
    """Local addresses, as /proc/net writes them, on which sockets of this very process would take in strangers."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes |= set(re.findall(r"^socket:\[(\d+)\]$", str(link.readlink())))
        except FileNotFoundError:
            continue  # closed since the folder was listed
    found = set()
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        table = Path(f"/proc/{pid}/net/{protocol}")
        for line in table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[9] in inodes and fields[3] == LISTENING[protocol[:3]]:
                found.add(f"{protocol} {fields[1]}")
    return found


def test_a_port_that_listens_would_be_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        ports = {f"tcp 0100007F:{server.getsockname()[1]:04X}", f"udp 0100007F:{datagrams.getsockname()[1]:04X}"}
        with socket.create_connection(server.getsockname()):  # a connection of our own is none
            assert inbound(os.getpid()) >= ports
    assert not inbound(os.getpid()) & ports


@pytest.mark.timeout(90)
def test_no_process_of_the_unit_listens(agency: Agency, tmp_path: Path) -> None:
    """While it records and after it has uploaded: broker and store have been connected to by then."""
    with Rig(tmp_path / "run", agency, unit_id="zfy-ports") as rig:
        rig.enrol(agency)
        rig.start()
        rig.unit.start_uplink()
        rig.record()
        rig.wait(lambda: bool(rig.view().receipted), "a receipt came")
        pids = {"unit": rig.unit.pid("unit"), "uplink": rig.unit.pid("uplink")}
        pids |= {f"worker {pid}": pid for pid in rig.unit.worker_pids()}
        assert len(pids) >= 3
        assert {name: inbound(pid) for name, pid in pids.items()} == {name: set() for name in pids}
        rig.end_recording()
        rig.unit.stop("uplink")
        assert rig.stop() == 0
