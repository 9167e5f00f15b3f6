"""A disk that forgets what was not synced, tears, fills up, refuses and is slow: ``recorder.evidence.files.Files``.

The files themselves lie in a real folder (best in memory), so that code that reads with ``os`` (the uplink, the verifier)
sees what a process sees: the page cache. What the *medium* holds is kept here, and ``power_off`` brings the two together:
the unsynced end of a file is gone, cut short, zeroed or garbage. After a failed sync nothing of what was unsynced ever
becomes durable, whatever later syncs say (the kernel may have dropped the pages). Names are durable at once, because every
function of ``Files`` that makes one syncs the folder.
"""

from __future__ import annotations

import errno
import mmap
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from recorder.evidence.files import OsFiles

SYNC_US = (1_500, 9_000)
"""What a sync takes on a healthy card."""


class PowerCut(BaseException):
    """The power goes in the middle of an operation. No ``except Exception`` may survive it."""


class ProcessKilled(BaseException):
    """SIGKILL in the middle of an operation: the process is gone, what it wrote is still in the page cache."""


@dataclass(slots=True)
class Node:
    size: int = 0
    durable: int = 0
    poisoned: bool = False


@dataclass(slots=True)
class Trouble:
    """What the card does to operations on paths that begin with ``prefix``: fail with ``errno`` with this probability.
    ``takes_names``: the file system's own journal is well, so files are made and removed; their bytes are refused."""

    prefix: str
    probability: float
    errno: int = errno.EIO
    takes_names: bool = False


@dataclass(slots=True)
class Watcher:
    """Told of what is removed or cut, before it happens: (path) and (path, new size)."""

    removed: Callable[[Path], None] = lambda path: None
    truncated: Callable[[Path, int], None] = lambda path, size: None


@dataclass(slots=True)
class Strike:
    """``error`` in the middle of the ``steps``-th changing operation from now on."""

    steps: int
    error: BaseException


class SimulatedDisk:
    """``root`` on the medium; ``volatile`` (the run folder) is a tmpfs that a power cut empties."""

    def __init__(self, root: Path, volatile: Path, rnd: random.Random, capacity: int) -> None:
        self.root = root
        self.volatile = volatile
        self._volatile = f"{volatile}/"
        self.capacity = capacity
        self.troubles: list[Trouble] = []
        self.sync_us = SYNC_US
        self.watcher = Watcher()
        self.used = 0
        self._os = OsFiles()
        self._rnd = rnd
        self._nodes: dict[Path, Node] = {}
        self._strikes: list[Strike] = []
        self._spent_us = 0

    # --- what the world does to it -----------------------------------------------------------------------------------

    def arm(self, strike: Strike) -> None:
        self._strikes.append(strike)

    def disarm(self, strike: Strike) -> bool:
        """True when it had not struck yet."""
        if strike in self._strikes:
            self._strikes.remove(strike)
            return True
        return False

    def calm(self) -> None:
        """The card is well again."""
        self.troubles.clear()
        self._strikes.clear()
        self.sync_us = SYNC_US

    def is_well(self) -> bool:
        return not self.troubles and self.sync_us == SYNC_US and self.free_bytes(self.root) > 0

    def take_spent_us(self) -> int:
        """How long the operations since the last call took: whoever did them was busy for so long."""
        spent, self._spent_us = self._spent_us, 0
        return spent

    def reader_synced(self, directory: Path) -> bool:
        """Another process calls ``fdatasync`` on what it reads there, as the uplink does before it believes a line: that
        makes it durable. False when the newest file's own sync failed before: the reader is told so as well.

        That is the kernel at its best. Whoever opens the file after the writer has been told gets no error from it, and
        would take lines for durable that are not: docs/testing.md, "not tested".
        """
        names = (name for name in reversed(self._os.names(directory)) if name.endswith(".jws"))
        newest = list(islice((node for name in names if (node := self._nodes.get(directory / name)) is not None), 2))
        for node in newest:
            if not node.poisoned:
                node.durable = node.size
        return not newest or newest[0].durable == newest[0].size

    def power_off(self) -> None:
        """What is on the medium when power comes back."""
        self._strikes.clear()
        for path, node in self._nodes.items():
            if self._is_volatile(path):
                path.unlink(missing_ok=True)
            elif node.size > node.durable:
                self._forget(path, node)
            node.poisoned = False
        self._nodes = {path: node for path, node in self._nodes.items() if not self._is_volatile(path)}

    def _forget(self, path: Path, node: Node) -> None:
        with path.open("r+b") as file:
            file.seek(node.durable)
            unsynced = file.read()
            length = self._rnd.randint(0, len(unsynced))
            survivor = self._rnd.choice(
                [b"", unsynced, unsynced[:length], bytes(length), self._rnd.randbytes(min(length, 4096))]
            )
            file.seek(node.durable)
            file.write(survivor)
            file.truncate()
        self.used += node.durable + len(survivor) - node.size
        node.size = node.durable = node.durable + len(survivor)

    def rot(self, path: Path, offset: int) -> None:
        """One bit of the medium flips. Through a mapping: whoever watches the file is not told, as of a real one."""
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            mapped[offset] ^= 1 << self._rnd.randrange(8)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _is_volatile(self, path: Path) -> bool:
        return str(path).startswith(self._volatile)

    def _trouble(self, path: Path, *, name: bool = False) -> None:
        for trouble in self.troubles:
            if (name and trouble.takes_names) or not str(path).startswith(trouble.prefix):
                continue
            if self._rnd.random() < trouble.probability:
                raise OSError(trouble.errno, os.strerror(trouble.errno), str(path))

    def _step(self, path: Path, *, name: bool = False) -> BaseException | None:
        """Counts a changing operation; the error it is to end with half done, if this is the one. ``name``: it is about
        the file's name and not its bytes."""
        for strike in self._strikes:
            strike.steps -= 1
            if strike.steps <= 0:
                self._strikes.remove(strike)
                return strike.error
        if not self._is_volatile(path):
            self._trouble(path, name=name)
        return None

    def _half(self) -> bool:
        return self._rnd.random() < 0.5

    def _took(self, path: Path) -> None:
        if not self._is_volatile(path):
            self._spent_us += self._rnd.randint(*self.sync_us)

    def _write(self, path: Path, node: Node, data: bytes | memoryview) -> None:
        struck = None
        part = len(data)
        try:
            struck = self._step(path)
        except OSError:
            self._put(path, node, bytes(data)[: self._rnd.randrange(len(data))])  # never all: that would be no error
            raise
        room = self.capacity - self.used
        if struck is not None:
            part = self._rnd.randrange(len(data) + 1)
        elif part > room and not self._is_volatile(path):
            self._put(path, node, bytes(data)[: max(0, room)])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        self._put(path, node, data if part == len(data) else bytes(data)[:part])
        if struck is not None:
            raise struck

    def _put(self, path: Path, node: Node, data: bytes | memoryview) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)
        node.size += len(data)
        if not self._is_volatile(path):
            self.used += len(data)

    def _sync(self, path: Path, node: Node) -> None:
        self._took(path)
        try:
            struck = self._step(path)
        except OSError:
            node.poisoned = True
            raise
        if struck is not None:
            raise struck
        if not node.poisoned:
            node.durable = node.size

    # --- Files -------------------------------------------------------------------------------------------------------

    def create(self, path: Path) -> SimulatedFile:
        struck = self._step(path, name=True)
        if struck is not None:
            if self._half():
                self._made(path)
            raise struck
        self._made(path)
        self._took(path)
        return SimulatedFile(self, path, self._nodes[path])

    def _made(self, path: Path) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        os.close(fd)
        self._nodes[path] = Node()

    def append(self, path: Path) -> SimulatedFile:
        if path not in self._nodes:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return SimulatedFile(self, path, self._nodes[path])

    def read(self, path: Path) -> bytes:
        self._trouble(path)
        return self._os.read(path)

    def read_chunks(self, path: Path, chunk: int = 1 << 20) -> Iterator[bytes]:
        self._trouble(path)
        return self._os.read_chunks(path, chunk)

    def read_at(self, path: Path, offset: int, size: int) -> bytes:
        self._trouble(path)
        return self._os.read_at(path, offset, size)

    def size(self, path: Path) -> int | None:
        return self._os.size(path)

    def names(self, directory: Path) -> list[str]:
        self._trouble(directory)
        return self._os.names(directory)

    def make_dir(self, path: Path) -> None:
        if path.is_dir():
            return
        self.make_dir(path.parent)
        struck = self._step(path, name=True)
        if struck is not None:
            raise struck
        path.mkdir(exist_ok=True)
        self._took(path)

    def replace(self, path: Path, data: bytes, mode: int = 0o640) -> None:
        struck = self._step(path)
        before = self._nodes.get(path)
        grows = len(data) - (before.size if before else 0)
        if grows > self.capacity - self.used and not self._is_volatile(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        if struck is None or self._half():
            temporary = path.with_name(f".{path.name}.new")
            temporary.write_bytes(data)
            temporary.replace(path)
            self._nodes[path] = Node(len(data), len(data))
            self.used += 0 if self._is_volatile(path) else grows
        if struck is not None:
            raise struck
        self._took(path)

    def truncate(self, path: Path, size: int) -> None:
        node = self._nodes[path]
        struck = self._step(path)
        if struck is None or self._half():
            self.watcher.truncated(path, size)
            os.truncate(path, size)
            self.used -= node.size - size
            node.size = size
            node.durable = min(size, node.durable) if node.poisoned else size
        if struck is not None:
            raise struck
        self._took(path)

    def remove(self, path: Path) -> None:
        if path not in self._nodes:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        struck = self._step(path, name=True)
        if struck is None or self._half():
            self.watcher.removed(path)
            path.unlink()
            self.used -= 0 if self._is_volatile(path) else self._nodes[path].size
            del self._nodes[path]
        if struck is not None:
            raise struck
        self._took(path)

    def settle(self, path: Path) -> None:
        node = self._nodes[path]
        struck = self._step(path)
        if struck is not None:
            raise struck
        if node.poisoned and node.size > node.durable:
            self._forget(path, node)
        node.poisoned, node.durable = False, node.size
        self._took(path)

    def free_bytes(self, path: Path) -> int:
        return max(0, self.capacity - self.used)


@dataclass(slots=True)
class SimulatedFile:
    disk: SimulatedDisk
    path: Path
    node: Node
    closed: bool = field(default=False)

    def write(self, data: bytes | memoryview) -> None:
        assert not self.closed, f"{self.path} is closed"
        self.disk._write(self.path, self.node, data)

    def sync(self) -> None:
        assert not self.closed, f"{self.path} is closed"
        self.disk._sync(self.path, self.node)

    def close(self) -> None:
        self.closed = True
