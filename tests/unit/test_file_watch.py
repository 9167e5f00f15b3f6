"""The watch when the kernel has nothing left to watch with."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from inotify_simple import INotify

from recorder.unit.file_watch import FileChange, FileWatch


class Scarce(INotify):
    """A kernel that has no watch left for some folders."""

    refused: frozenset[Path] = frozenset()

    def add_watch(self, path: Any, mask: int) -> int:
        if path in self.refused:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")
        return int(super().add_watch(path, mask))  # type: ignore[no-untyped-call]


def test_a_folder_without_a_watch_costs_no_event_of_the_others_and_is_tried_again(tmp_path: Path) -> None:
    kernel = Scarce(nonblocking=True)  # type: ignore[no-untyped-call]
    receipts, session = tmp_path / "receipts", tmp_path / "segments" / "s"
    receipts.mkdir()
    session.parent.mkdir()
    watch = FileWatch(tmp_path, lambda: kernel)
    kernel.refused = frozenset({session})
    session.mkdir()
    (receipts / "r.jws").write_text("x")
    (receipts / "r.jws").unlink()
    assert watch.read()[-1] == FileChange(receipts / "r.jws", "removed")
    assert list(watch.unwatched) == [session]
    kernel.refused = frozenset()
    watch.read()
    assert not watch.unwatched
    assert watch.missed, "what happened there meanwhile has to be looked for"
    (session / "a").write_text("x")
    (session / "a").unlink()
    assert watch.read()[-1] == FileChange(session / "a", "removed")
    watch.close()


def test_a_folder_moved_away_is_told_although_it_could_not_be_watched(tmp_path: Path) -> None:
    kernel = Scarce(nonblocking=True)  # type: ignore[no-untyped-call]
    session = tmp_path / "segments" / "s"
    session.mkdir(parents=True)
    kernel.refused = frozenset({session})
    watch = FileWatch(tmp_path, lambda: kernel)
    session.rename(tmp_path / "elsewhere")
    assert watch.read() == [FileChange(session, "removed")]
    watch.close()


def test_writing_again_and_again_is_told_once_for_each_look(tmp_path: Path) -> None:
    folder = tmp_path / "receipts"
    folder.mkdir()
    watch = FileWatch(tmp_path)
    for text in ("a", "b", "c"):
        for name in ("one", "two"):
            with (folder / name).open("a") as file:
                file.write(text)
    assert watch.read() == [FileChange(folder / "one", "altered"), FileChange(folder / "two", "altered")]
    watch.close()
