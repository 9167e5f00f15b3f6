"""What takes minutes to build is built once: a folder for each set of inputs, named by their digest.

``$VIRTUAL_PI_CACHE``, else ``$XDG_CACHE_HOME/zfy-recorder/virtual-pi``, else ``~/.cache/zfy-recorder/virtual-pi``. An entry
appears under its name only when it is whole; deleting any of it costs a build and nothing else.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from firmware_bridge.ports import Clock
from hw_sim.virtual_pi.errors import VirtualPiError


def cache_root(env: Mapping[str, str]) -> Path:
    if chosen := env.get("VIRTUAL_PI_CACHE"):
        return Path(chosen)
    base = env.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "zfy-recorder" / "virtual-pi"


def digest(*parts: str | bytes | Path) -> str:
    """One name for all inputs, 16 hex digits. A Path stands for its content: a folder for all names, kinds and contents."""
    hasher = hashlib.sha256()
    for part in parts:
        for piece in _pieces(part):
            hasher.update(len(piece).to_bytes(8, "big") + piece)
    return hasher.hexdigest()[:16]


def _pieces(part: str | bytes | Path) -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
    elif isinstance(part, str):
        yield part.encode()
    elif part.is_dir():
        for path in sorted(part.rglob("*")):
            if (path.is_dir() and not path.is_symlink()) or "__pycache__" in path.parts:
                continue
            yield str(path.relative_to(part)).encode()
            if path.is_symlink():
                yield b"-> " + str(path.readlink()).encode()
            else:
                yield b"x" if path.stat().st_mode & 0o100 else b"-"
                yield path.read_bytes()
    else:
        yield part.read_bytes()


@dataclass
class Steps:
    """Says what is being done and how long each step took."""

    clock: Clock
    say: Callable[[str], None] = click.echo
    taken: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.say(f"virtual-pi: {name} …")
        start = self.clock.boottime_us()
        yield
        seconds = (self.clock.boottime_us() - start) / 1e6
        self.taken.append((name, seconds))
        self.say(f"virtual-pi: {name}: {seconds:.1f} s")

    def total(self) -> str:
        """What was built rather than found, in sum."""
        return f"virtual-pi: {len(self.taken)} step(s), {sum(seconds for _, seconds in self.taken):.0f} s"


class Cache:
    def __init__(self, root: Path, steps: Steps) -> None:
        self.root = root
        self.steps = steps

    def entry(self, kind: str, key: str, build: Callable[[Path], object]) -> Path:
        """The folder ``KIND-KEY``; where there is none, ``build`` fills an empty folder that then takes the name.

        One builder of a kind at a time over all processes; whoever waited finds it made."""
        target = self.root / f"{kind}-{key}"
        if target.is_dir():
            return target
        with self.locked(kind):
            if target.is_dir():
                return target
            half = self.root / f".building-{kind}"
            if half.exists():
                remove(half)
            half.mkdir()
            build(half)
            half.rename(target)
        return target

    @contextmanager
    def locked(self, kind: str) -> Iterator[None]:
        """One at a time of this kind, over all threads and processes that use this cache."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f".{kind}.lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def prune(self, keep: Iterable[Path]) -> list[Path]:
        """Remove every entry that is not in ``keep``; what was removed."""
        kept = {path.resolve() for path in keep}
        stale = [path for path in sorted(self.root.glob("[!.]*-*")) if path.is_dir() and path.resolve() not in kept]
        for path in stale:
            remove(path)
        return stale


def remove(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Remove a folder and all below it. Raises VirtualPiError when something is mounted there: a bootstrap that was killed
    leaves this machine's own /proc, /sys and /dev/shm mounted in what it was building: they would be emptied with it."""
    inside = []
    for line in mounts.read_text(encoding="utf-8").splitlines():
        # Blanks and the like stand there as \040.
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split()[1]))
        if point == folder.absolute() or folder.absolute() in point.parents:
            inside.append(str(point))
    if inside:
        raise VirtualPiError(
            f"{folder}: 里面还有挂载，先卸载 something is mounted in it, umount first: {' '.join(inside)}"
        )
    shutil.rmtree(folder)
