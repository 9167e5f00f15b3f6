"""What lies between the uplink and the store: requests and answers that are late, lost, doubled or cut in the middle."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.deterministic.store import SimulatedStore
from hw_sim.deterministic.timeline import SECOND
from recorder.uplink.connection import ConnectionOptions
from recorder.uplink.faults import (
    CONNECTION_LOST,
    SEGMENT_SIZE,
    STORE_TIMEOUT,
    STORE_UNREACHABLE,
    LinkFault,
    UplinkFault,
)
from recorder.uplink.http import Answer, StoreClient
from recorder.uplink.sending import BLOCK

GOOD_RTT_US = (15_000, 90_000)


@dataclass(slots=True)
class Network:
    """The line as it is now. Probabilities are per request; ``spent_us`` adds up what waiting for it took."""

    rnd: random.Random
    store: SimulatedStore
    up: bool = True
    lost: float = 0.0
    cut: float = 0.0
    doubled: float = 0.0
    rtt_us: tuple[int, int] = GOOD_RTT_US
    bytes_per_s: int = 2_000_000
    spent_us: int = 0

    def heal(self) -> None:
        self.up, self.lost, self.cut, self.doubled = True, 0.0, 0.0, 0.0
        self.rtt_us, self.bytes_per_s, self.store.busy = GOOD_RTT_US, 2_000_000, False

    def take_spent_us(self) -> int:
        spent, self.spent_us = self.spent_us, 0
        return spent

    def _wait(self, us: int) -> None:
        self.spent_us += us

    def exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request through the line. Raises LinkFault: whether the store has seen it is then not known."""
        self._wait(self.rnd.randint(*self.rtt_us) + len(body) * SECOND // self.bytes_per_s)
        if not self.up:
            self._wait(3 * SECOND)
            raise LinkFault(STORE_UNREACHABLE, "partition")
        if self.rnd.random() < self.lost:
            self._wait(5 * SECOND)
            raise LinkFault(STORE_TIMEOUT, "request lost")
        answer = self.store.answer(method, target, headers, body)
        if self.rnd.random() < self.doubled:
            answer = self.store.answer(method, target, headers, body)
        if self.rnd.random() < self.lost + self.cut:
            raise LinkFault(CONNECTION_LOST, "answer lost")
        return answer


class SimulatedClient(StoreClient):
    """The uplink's client over :class:`Network`."""

    def __init__(self, network: Network, clock: Clock) -> None:
        super().__init__("https://store.invalid", Path("/nonexistent"), ConnectionOptions(10.0, 20.0), clock)
        self._network = network

    def close(self) -> None:
        """Nothing is held."""

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        return self._network.exchange(method, path, headers, body or b"")

    def send_file(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        file: io.FileIO,
        length: int,
        between_blocks: Callable[[], None],
    ) -> Answer:
        network, sent = self._network, 0
        parts: list[bytes] = []
        blocks = -(-length // BLOCK)
        cut_at = network.rnd.randrange(blocks) if network.rnd.random() < network.cut else None
        while sent < length:
            if cut_at is not None and sent >= cut_at * BLOCK:
                if network.up and parts:
                    network.exchange(method, path, headers, b"".join(parts))
                raise LinkFault(CONNECTION_LOST, "cut while sending")
            block = file.read(min(BLOCK, length - sent))
            if not block:
                raise UplinkFault(SEGMENT_SIZE, "bytes missing")
            parts.append(block)
            sent += len(block)
            self.body_bytes_sent += len(block)
            between_blocks()
        return network.exchange(method, path, headers, b"".join(parts))
