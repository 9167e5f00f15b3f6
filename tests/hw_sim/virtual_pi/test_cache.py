"""What is built once is found again, and never half."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.virtual_pi.cache import Cache, Steps, cache_root, digest, remove
from hw_sim.virtual_pi.errors import VirtualPiError


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", Steps(SystemClock(), say=lambda _: None))


def test_where_the_cache_is(tmp_path: Path) -> None:
    assert cache_root({"VIRTUAL_PI_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache_root({"XDG_CACHE_HOME": "/b"}) == Path("/b/zfy-recorder/virtual-pi")
    assert cache_root({}) == Path.home() / ".cache/zfy-recorder/virtual-pi"


def test_a_digest_changes_with_every_input(tmp_path: Path) -> None:
    folder = tmp_path / "guest"
    (folder / "etc").mkdir(parents=True)
    file = folder / "etc/hostname"
    file.write_text("a")
    seen = {digest("1", folder)}
    file.write_text("b")
    seen.add(digest("1", folder))
    file.chmod(0o755)
    seen.add(digest("1", folder))
    file.rename(folder / "etc/hosts")
    seen.add(digest("1", folder))
    (folder / "link").symlink_to("etc")
    seen.add(digest("1", folder))
    seen |= {digest("2", folder), digest("1", ""), digest("1"), digest("", "1")}
    assert len(seen) == 9
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/x.pyc").touch()
    assert digest("1", folder) in seen, "what Python leaves behind is no input"


def test_an_entry_is_built_once_and_appears_whole(cache: Cache) -> None:
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        assert not (cache.root / "kernel-k").exists()
        (folder / "linux").write_text("x")

    first = cache.entry("kernel", "k", build)
    assert cache.entry("kernel", "k", build) == first == cache.root / "kernel-k"
    assert len(built) == 1
    assert (first / "linux").read_text() == "x"


def test_a_build_that_fails_leaves_nothing_to_be_found(cache: Cache) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cache.entry("image", "k", fail)
    assert not (cache.root / "image-k").exists()
    assert list(cache.entry("image", "k", lambda folder: None).iterdir()) == []


def test_two_who_want_the_same_build_it_once(cache: Cache) -> None:
    inside, go_on = threading.Event(), threading.Event()
    built: list[str] = []

    def build(folder: Path) -> None:
        built.append(folder.name)
        inside.set()
        assert go_on.wait(10)

    threads = [threading.Thread(target=cache.entry, args=("image", "k", build)) for _ in range(2)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(built) == 1


def test_pruning_keeps_what_is_named(cache: Cache) -> None:
    kept = cache.entry("image", "new", lambda folder: None)
    stale = cache.entry("image", "old", lambda folder: None)
    assert cache.prune([kept]) == [stale]
    assert kept.is_dir()
    assert not stale.exists()


def test_steps_say_how_long_they_took(tmp_path: Path) -> None:
    said: list[str] = []
    steps = Steps(SystemClock(), said.append)
    with steps.step("kernel"):
        pass
    assert [name for name, _ in steps.taken] == ["kernel"]
    assert said[0] == "virtual-pi: kernel …"
    assert said[1].startswith("virtual-pi: kernel: 0.")


def test_a_folder_with_something_mounted_in_it_is_not_removed(tmp_path: Path) -> None:
    folder = tmp_path / "half 中 built"
    (folder / "proc").mkdir(parents=True)
    mounts = tmp_path / "mounts"
    mounts.write_text(f"proc {str(folder).replace(' ', chr(92) + '040')}/proc proc ro 0 0\n")
    with pytest.raises(VirtualPiError, match="umount first"):
        remove(folder, mounts)
    assert (folder / "proc").is_dir()
    mounts.write_text(f"proc {tmp_path}/other/proc proc ro 0 0\n")
    remove(folder, mounts)
    assert not folder.exists()
