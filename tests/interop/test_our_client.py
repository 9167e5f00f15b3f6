"""Our tus client against foreign servers: whole, over a line that breaks, over the death of the server, and what differs.

The journal and the receipts are ours alone; a foreign server is what a fleet may put in front of its ingest as staging."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.proxy import FaultProxy
from recorder.uplink.faults import LinkFault, UplinkFault
from recorder.uplink.http import StoreClient
from recorder.uplink.tus import Outcome, TusUploader
from tests.interop.conftest import OPTIONS
from tests.interop.foreign import Foreign, SeaweedTus
from tests.uplink.pki import Pki
from tests.uplink.unit_files import UnitFiles

MB = 1_000_000


class Line:
    """Our client, a line with faults, a foreign server."""

    def __init__(self, foreign: Foreign, pki: Pki, unit: UnitFiles) -> None:
        self.foreign, self.unit = foreign, unit
        self.proxy = FaultProxy(foreign.port, SystemClock())
        self.url = f"https://127.0.0.1:{self.proxy.port}"
        self.client = StoreClient(self.url, pki.tls, OPTIONS, SystemClock())
        self.segment = self.unit.segment(16 * MB)
        self._tus = TusUploader(self.client, self.url, lambda: None, foreign.endpoint(self.segment.segment_id))

    def send(self) -> Outcome:
        return self._tus.upload(self.segment, self.unit.path(self.segment), lambda: None)

    def check(self) -> None:
        assert self.foreign.stored(self.segment.segment_id) == self.unit.path(self.segment).read_bytes()


@pytest.fixture
def line(foreign: Foreign, pki: Pki, tmp_path: Path) -> Iterator[Line]:
    made = Line(foreign, pki, UnitFiles(tmp_path / "unit"))
    yield made
    made.client.close()
    made.proxy.close()


def test_a_segment_arrives_whole(line: Line) -> None:
    assert line.send() is Outcome.COMPLETE
    line.check()
    assert line.client.body_bytes_sent == line.segment.size


def test_over_a_line_that_breaks_each_few_megabytes(line: Line) -> None:
    """SeaweedFS keeps whole pieces of 4 MiB and is slow to notice that the connection is gone: the offset may first be the
    old one, and what is then sent at it is 409. The scheduler would pause; here the next try follows at once."""
    line.proxy.slow(8 * MB)
    line.proxy.mishap("reset", 6 * MB)
    for _ in range(40):
        try:
            assert line.send() is Outcome.COMPLETE
            break
        except UplinkFault:
            threading.Event().wait(0.2)
    line.check()
    assert line.proxy.strikes >= 2


def test_a_finished_upload_is_complete_or_gone_and_never_sent_blindly_again(line: Line) -> None:
    """The last answer is lost. SeaweedFS forgets what it has finished: HEAD is 404, which means "ask for the receipt"."""
    line.proxy.mishap("lose-answer", line.segment.size, times=1)
    assert line.send() is (Outcome.GONE if isinstance(line.foreign, SeaweedTus) else Outcome.COMPLETE)
    assert line.proxy.strikes == 1
    assert line.client.body_bytes_sent == line.segment.size
    line.check()


def test_the_server_dies_in_the_middle_and_comes_back(line: Line) -> None:
    line.proxy.slow(8 * MB)
    killer = threading.Thread(target=kill_after, args=(line, 7 * MB))
    killer.start()
    with pytest.raises(LinkFault):
        line.send()
    killer.join(20)
    line.foreign.start()
    line.proxy.slow(None)
    assert line.send() is Outcome.COMPLETE
    line.check()


def kill_after(line: Line, count: int) -> None:
    tick = threading.Event()
    while line.proxy.bytes_up < count:
        tick.wait(0.01)
    line.foreign.kill()
