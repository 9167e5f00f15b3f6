"""SIGKILL of the store at random moments of uploads and journal posts: afterwards everything is there once and right."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.front import StoreFront
from hw_sim.agency.store_process import StoreProcess, StoreServer
from recorder.uplink.sending import Sending
from tests.hw_sim.agency.test_store_journal import believed, stored_lines, vault
from tests.hw_sim.agency.unit_double import DoubleSegment, UnitDouble
from tests.support import require_program, tier

ROUNDS = {"quick": 12, "ci": 60, "nightly": 300}


class Restless:
    """Sends everything until it is receipted, through any number of deaths of the store; counts what it sent."""

    def __init__(self, unit: UnitDouble, back: threading.Event) -> None:
        self.unit = unit
        self.sent = 0
        self.broken = 0
        self.moment = threading.Event()
        self._steps_left = 0
        self._back = back

    def die_after(self, steps: int) -> None:
        """``moment`` is set after this many posts and blocks: kills must meet the work however fast the machine is."""
        self._steps_left = steps
        self.moment.clear()

    def _step(self) -> None:
        self._steps_left -= 1
        if self._steps_left == 0:
            self.moment.set()

    def _is(self, status: int, expected: int) -> None:
        """A proxy says that the store is dead (502, 503), the store itself cannot."""
        if status in (502, 503):
            raise http.client.HTTPException(f"{status}")
        assert status == expected, status

    def until_done(self, segments: list[DoubleSegment]) -> None:
        while not self._attempt(segments):
            self._back.wait(20)

    def _attempt(self, segments: list[DoubleSegment]) -> bool:
        try:
            return self._post() and all(self._segment(segment) for segment in segments)
        except (OSError, http.client.HTTPException):
            self.broken += 1
            return False

    def _post(self) -> bool:
        """In small posts: each is a moment to die in."""
        known = self.unit.request("GET", f"/journals/{self.unit.journal_id}")
        if known.status != 404:
            self._is(known.status, 200)
        at = known.json["next_seq"] if known.status == 200 else 0
        while at < self.unit.next_seq:
            self._step()
            reply = self.unit.post(max(0, at - 2), at + 25)
            self._is(reply.status, 200)
            at = reply.json["next_seq"]
        return True

    def _segment(self, segment: DoubleSegment) -> bool:
        if self.unit.receipt(segment).status == 200:
            return True
        created = self.unit.create(segment)
        self._is(created.status, 201)
        offset = created.offset
        rest = memoryview(segment.data)[offset:]
        if rest:
            link = self.unit.start_patch(created.headers["location"], offset, len(rest), b"")
            try:
                # nginx answers for an instance that died, and goes on reading: who does not listen sends it all.
                sending = Sending(cast(ssl.SSLSocket, link.sock), 20.0)
                for begin in range(0, len(rest), 65536):
                    self._step()
                    if sending.send(rest[begin : begin + 65536]) is not None:
                        raise http.client.HTTPException("answered in the middle of the body")
                    self.sent += min(65536, len(rest) - begin)
                answer = link.getresponse()
                answer.read()
                self._is(answer.status, 204)
            finally:
                link.close()
        return self.unit.receipt(segment).status == 200


class Killable(Protocol):
    def start(self) -> None: ...

    def kill(self) -> None: ...


@pytest.mark.kill
@pytest.mark.timeout(900)
def test_random_kills_lose_nothing_and_double_nothing(
    authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = StoreProcess(tmp_path, tmp_path / "root", authority, SystemClock())
    survive(store, lambda _: store, ROUNDS[tier()], authority, tmp_path, capsys, 0.5)


@pytest.mark.kill
@pytest.mark.timeout(900)
def test_random_kills_of_instances_behind_nginx_lose_nothing_and_double_nothing(
    authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Round-robin, so that one unit's requests meet at both."""
    require_program("/usr/sbin/nginx")
    front = StoreFront(tmp_path, tmp_path / "root", authority, SystemClock(), balance="round-robin")
    rounds = ROUNDS[tier()] // 2
    survive(front, lambda rnd: front.instance(rnd.randrange(2)), rounds, authority, tmp_path, capsys, 1.5)


def survive(
    store: StoreServer,
    victim: Callable[[random.Random], Killable],
    rounds: int,
    authority: Authority,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    again_mb: float,
) -> None:
    """``again_mb``: what one death may have sent twice: what fits into the buffers between sender and disk, with a proxy
    those of two connections and its own."""
    seed = int(os.environ.get("KILL_SEED", "20191201"))
    rnd = random.Random(seed)
    store.start()
    unit = UnitDouble.enrolled(authority, "zfy-kills", tmp_path / "unit", store.port)
    unit.write_boot()
    segments: list[DoubleSegment] = []
    back = threading.Event()
    restless = Restless(unit, back)
    pause = threading.Event()
    kills = 0
    try:
        for number in range(rounds):
            unit.write_events(rnd.randint(5, 60))
            made = [unit.segment(rnd.randint(100_000, 9_000_000)) for _ in range(2)]
            for segment in made:
                unit.close(segment)
            segments += made
            back.clear()
            restless.die_after(rnd.randint(1, 90))
            worker = threading.Thread(target=restless.until_done, args=(made,))
            worker.start()
            restless.moment.wait(10)
            pause.wait(rnd.uniform(0, 0.02))
            victim(rnd).kill()
            kills += 1
            store.start()
            back.set()
            worker.join(60)
            assert not worker.is_alive(), f"round {number}: {store.log_file.read_text()[-2000:]}"
    finally:
        store.stop()
    with capsys.disabled():
        total = sum(len(segment.data) for segment in segments)
        sys.stdout.write(
            f"\nKILL_SEED={seed}: {kills} SIGKILLs, {restless.broken} broken attempts, {len(segments)} segments,"
            f" {total / 1e6:.1f} MB, {(restless.sent - total) / 1e6:.2f} MB sent twice\n"
        )
    assert restless.broken >= rounds // 4, "the kills missed the work"
    assert restless.sent - total <= again_mb * 1e6 * restless.broken
    assert stored_lines(store, unit) == unit.lines
    folder = vault(store, unit)
    found = sorted(path.relative_to(folder / "segments") for path in (folder / "segments").rglob("*.mp4.age"))
    assert found == sorted(Path(item.session_id) / f"{item.segment_id}.mp4.age" for item in segments)
    covered: list[str] = []
    for path in (folder / "receipts").iterdir():
        receipt = believed(authority, path.read_text().strip())
        covered += [item.segment_id for item in receipt.segments]
        assert path.stem == receipt.jti
    assert sorted(covered) == sorted(item.segment_id for item in segments)
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    assert sorted(sums) == sorted(
        f"{hashlib.sha256(item.data).hexdigest()}  segments/{item.session_id}/{item.segment_id}.mp4.age"
        for item in segments
    )
    for item in segments:
        assert (folder / "segments" / item.session_id / f"{item.segment_id}.mp4.age").read_bytes() == item.data
    staging = tmp_path / "root" / "staging"
    assert [path for path in staging.rglob("*") if path.is_file()] == []
    assert not (tmp_path / "root" / "alarms.log").exists()
    for log in tmp_path.glob("*.log"):
        assert "Traceback" not in log.read_text(encoding="utf-8"), log
