"""The object stores the conformance suite runs on. An engine more is an entry in ``ENGINES`` and its class."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from firmware_bridge.clock import SystemClock
from hw_sim.agency.objects.folder import FolderStore
from hw_sim.agency.objects.ports import Content, ObjectStore, content_of
from hw_sim.agency.objects.s3 import S3Store, Sizes
from hw_sim.agency.objects.s3_client import client_of
from hw_sim.agency.objects.seaweed import SeaweedFS
from hw_sim.agency.objects.settings import S3Settings, parse_objects
from recorder.evidence.records import LockMode

_numbers = itertools.count(1)

SMALL = Sizes(single=6 << 20, part=5 << 20)
"""So that a few megabytes already go up in parts."""


class Engine(Protocol):
    """A running engine. ``kill`` is SIGKILL; ``store`` gives an empty store of its own each time."""

    @property
    def name(self) -> str: ...

    @property
    def lock_mode(self) -> LockMode: ...

    def url(self) -> str:
        """For ``--objects``: an empty store."""

    def store(self, folder: Path) -> ObjectStore: ...

    def again(self, store: ObjectStore) -> ObjectStore:
        """The same store through a new connection."""

    def kill(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class FolderEngine:
    name = "folder"
    lock_mode: LockMode = "none"

    def url(self) -> str:
        return "folder:"

    def store(self, folder: Path) -> FolderStore:
        store = FolderStore(folder / "worm")
        store.check()
        return store

    def again(self, store: ObjectStore) -> ObjectStore:
        return store

    def kill(self) -> None:
        """Nothing runs."""

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""


@dataclass(slots=True)
class S3Stores:
    """Stores on an S3 endpoint: one bucket, a prefix for each."""

    url: Callable[[str, str], str]

    def new(self, prefix: str | None = None) -> S3Store:
        settings = parse_objects(self.url("evidence", prefix or f"store-{next(_numbers)}"))
        assert isinstance(settings, S3Settings)
        store = S3Store(client_of(settings), settings.bucket, settings.prefix, SMALL)
        store.prepare()
        store.check()
        return store


class SeaweedEngine:
    name = "seaweedfs"
    lock_mode: LockMode = "compliance"

    def __init__(self, directory: Path) -> None:
        self.weed = SeaweedFS(directory, SystemClock())
        self.stores = S3Stores(self.weed.url)

    def url(self) -> str:
        store = self.stores.new()
        return self.weed.url(store.bucket, store.prefix.strip("/"))

    def store(self, folder: Path) -> S3Store:
        return self.stores.new()

    def again(self, store: ObjectStore) -> ObjectStore:
        assert isinstance(store, S3Store)
        return self.stores.new(store.prefix.strip("/"))

    def start(self) -> None:
        self.weed.start()

    def kill(self) -> None:
        self.weed.kill()

    def stop(self) -> None:
        self.weed.kill()  # it takes more than ten seconds over SIGTERM, and nothing of it is looked at afterwards


ENGINES: dict[str, Callable[[Path], Engine]] = {"folder": lambda _: FolderEngine(), "seaweedfs": SeaweedEngine}

LOCKING = sorted(set(ENGINES) - {"folder"})
"""Those that promise a lock nobody can lift."""


def file_of(folder: Path, data: bytes) -> tuple[Path, Content]:
    """A staged file with these bytes."""
    path = folder / f"staged-{next(_numbers)}"
    path.write_bytes(data)
    with path.open("rb") as file:
        return path, content_of(file)
