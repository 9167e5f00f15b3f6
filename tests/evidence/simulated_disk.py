"""A disk that forgets what was not synced and tears what was being written: ``recorder.evidence.files.Files`` in memory.

Harsher than most real ones on purpose. After a failed sync a file never becomes durable again, whatever later syncs say
(the kernel may have dropped the pages); after a power cut the unsynced end of a file is gone, cut short, zeroed or garbage.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


class PowerCut(Exception):
    """The power went: whatever was going on ends here."""


@dataclass(slots=True)
class Node:
    content: bytearray = field(default_factory=bytearray)
    durable: int = 0
    poisoned: bool = False


Step = Literal["create", "write", "sync", "replace", "truncate", "remove", "make_dir"]


class SimulatedDisk:
    """``cut_at``: number of the step at which the power goes; ``fail_at``: numbers of steps that fail with EIO.

    Every operation that changes something counts as one step (from 1 on).
    """

    def __init__(self, seed: int = 0) -> None:
        self.nodes: dict[Path, Node] = {}
        self.dirs: set[Path] = {Path("/")}
        self.rnd = random.Random(seed)
        self.steps = 0
        self.cut_at: int | None = None
        self.fail_at: frozenset[int] = frozenset()
        self.bytes_read = 0

    # --- faults ------------------------------------------------------------------------------------------------------

    def arm(self, cut_at: int | None = None, fail_at: frozenset[int] = frozenset()) -> None:
        self.steps, self.cut_at, self.fail_at = 0, cut_at, fail_at

    def power_off(self) -> None:
        """What is on the disk when power comes back."""
        for node in self.nodes.values():
            unsynced = bytes(node.content[node.durable :])
            length = self.rnd.randint(0, len(unsynced))
            survivor = self.rnd.choice([b"", unsynced, unsynced[:length], bytes(length), self.rnd.randbytes(length)])
            node.content[node.durable :] = survivor
            node.durable, node.poisoned = len(node.content), False
        self.arm()

    def _step(self, path: Path) -> bool:
        """True: this is the step at which the power goes. Raises OSError when this one is to fail."""
        self.steps += 1
        if self.steps in self.fail_at and self.steps != self.cut_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return self.steps == self.cut_at

    def _node(self, path: Path) -> Node:
        if path not in self.nodes:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return self.nodes[path]

    # --- Files -------------------------------------------------------------------------------------------------------

    def create(self, path: Path) -> SimulatedFile:
        if path.parent not in self.dirs:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        if path in self.nodes:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        cut = self._step(path)
        if not cut or self.rnd.random() < 0.5:
            self.nodes[path] = Node()
        if cut:
            raise PowerCut
        return SimulatedFile(self, path, self.nodes[path])

    def append(self, path: Path) -> SimulatedFile:
        return SimulatedFile(self, path, self._node(path))

    def read(self, path: Path) -> bytes:
        return self.read_at(path, 0, len(self._node(path).content))

    def read_chunks(self, path: Path, chunk: int = 1 << 20) -> Iterator[bytes]:
        for start in range(0, len(self._node(path).content), chunk):
            yield self.read_at(path, start, chunk)

    def read_at(self, path: Path, offset: int, size: int) -> bytes:
        data = bytes(self._node(path).content[offset : offset + size])
        self.bytes_read += len(data)
        return data

    def size(self, path: Path) -> int | None:
        return len(self.nodes[path].content) if path in self.nodes else None

    def names(self, directory: Path) -> list[str]:
        return sorted(path.name for path in [*self.nodes, *self.dirs] if path.parent == directory and path != directory)

    def make_dir(self, path: Path) -> None:
        if path in self.dirs:
            return
        self.make_dir(path.parent)
        if self._step(path):
            raise PowerCut
        self.dirs.add(path)

    def replace(self, path: Path, data: bytes, mode: int = 0o640) -> None:
        cut = self._step(path)
        if not cut or self.rnd.random() < 0.5:
            self.nodes[path] = Node(bytearray(data), len(data))
        if cut:
            raise PowerCut

    def truncate(self, path: Path, size: int) -> None:
        node = self._node(path)
        cut = self._step(path)
        if not cut or self.rnd.random() < 0.5:
            del node.content[size:]
            node.durable = min(size, node.durable) if node.poisoned else len(node.content)
        if cut:
            raise PowerCut

    def remove(self, path: Path) -> None:
        self._node(path)
        cut = self._step(path)
        if not cut or self.rnd.random() < 0.5:
            del self.nodes[path]
        if cut:
            raise PowerCut

    def settle(self, path: Path) -> None:
        """What a failed sync has dropped is dropped for readers too."""
        node = self._node(path)
        if self._step(path):
            raise PowerCut
        if node.poisoned:
            del node.content[node.durable :]
            node.poisoned = False
        node.durable = len(node.content)

    def free_bytes(self, path: Path) -> int:
        return 1 << 40

    def put(self, path: Path, data: bytes) -> None:
        """Set a file's bytes, durable, without any step (the test's own hand)."""
        for parent in path.parents:
            self.dirs.add(parent)
        self.nodes[path] = Node(bytearray(data), len(data))


class SimulatedFile:
    def __init__(self, disk: SimulatedDisk, path: Path, node: Node) -> None:
        self._disk = disk
        self._path = path
        self._node = node
        self._open = True

    def write(self, data: bytes | memoryview) -> None:
        assert self._open, f"{self._path} is closed"
        part = self._disk.rnd.randrange(len(data)) if len(data) else 0
        try:
            cut = self._disk._step(self._path)
        except OSError:
            self._node.content += bytes(data)[:part]
            raise
        if cut:
            self._node.content += bytes(data)[:part]
            raise PowerCut
        self._node.content += data

    def sync(self) -> None:
        assert self._open, f"{self._path} is closed"
        try:
            cut = self._disk._step(self._path)
        except OSError:
            self._node.poisoned = True
            raise
        if cut:
            raise PowerCut
        if not self._node.poisoned:
            self._node.durable = len(self._node.content)

    def close(self) -> None:
        self._open = False
