"""The simulated disk as one unit process has it: with a memory of what this process did (``recorder.unit.noted_files``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hw_sim.deterministic.disk import SimulatedDisk
from recorder.evidence.files import AppendFile, OsFiles
from recorder.unit.noted_files import NotedFiles


class _DiskFiles(OsFiles):
    """``OsFiles`` by name only: every operation is the simulated disk's."""

    _disk: SimulatedDisk

    def create(self, path: Path) -> AppendFile:
        return self._disk.create(path)

    def append(self, path: Path) -> AppendFile:
        return self._disk.append(path)

    def read(self, path: Path) -> bytes:
        return self._disk.read(path)

    def read_chunks(self, path: Path, chunk: int = 1 << 20) -> Iterator[bytes]:
        return self._disk.read_chunks(path, chunk)

    def read_at(self, path: Path, offset: int, size: int) -> bytes:
        return self._disk.read_at(path, offset, size)

    def size(self, path: Path) -> int | None:
        return self._disk.size(path)

    def names(self, directory: Path) -> list[str]:
        return self._disk.names(directory)

    def make_dir(self, path: Path) -> None:
        self._disk.make_dir(path)

    def replace(self, path: Path, data: bytes, mode: int = 0o640) -> None:
        self._disk.replace(path, data, mode)

    def truncate(self, path: Path, size: int) -> None:
        self._disk.truncate(path, size)

    def remove(self, path: Path) -> None:
        self._disk.remove(path)

    def settle(self, path: Path) -> None:
        self._disk.settle(path)

    def free_bytes(self, path: Path) -> int:
        return self._disk.free_bytes(path)


class NotedDisk(NotedFiles, _DiskFiles):
    """``NotedFiles`` with the simulated disk where ``OsFiles`` would be (it comes next in the order of resolution)."""

    def __init__(self, disk: SimulatedDisk) -> None:
        super().__init__()
        self._disk = disk
