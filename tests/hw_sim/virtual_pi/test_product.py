"""Who builds at the same time as somebody else finds his own package."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.virtual_pi.cache import Cache, Steps
from hw_sim.virtual_pi.errors import VirtualPiError
from hw_sim.virtual_pi.product import build_deb, last_deb


def cache(root: Path) -> Cache:
    return Cache(root, Steps(SystemClock(), say=lambda _: None))


def program(content: str, *, seconds: float = 0.0) -> tuple[str, ...]:
    """Stands for ``./dev deb``: the same name whatever is inside, as of two working trees on one commit."""
    script = f'sleep {seconds}; [ -z "$(ls "$0")" ] && printf {content} >"$0/zfy-recorder_1~git_amd64.deb"'
    return ("sh", "-c", script)


def test_two_builds_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    built: dict[str, Path] = {}

    def build(content: str) -> None:
        built[content] = build_deb(cache(tmp_path), program(content, seconds=0.2))

    threads = [threading.Thread(target=build, args=(content,)) for content in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {content: path.read_text() for content, path in built.items()} == {
        content: content for content in ("one", "two", "three")
    }
    assert {path.name for path in built.values()} == {"zfy-recorder_1~git_amd64.deb"}


def test_the_same_package_again_is_the_same_file(tmp_path: Path) -> None:
    first = build_deb(cache(tmp_path), program("one"))
    assert build_deb(cache(tmp_path), program("one")) == first
    assert last_deb(cache(tmp_path)) == [first.parent]
    second = build_deb(cache(tmp_path), program("two"))
    assert last_deb(cache(tmp_path)) == [second.parent] and first.is_file()


def test_a_build_that_leaves_no_package_or_fails_says_so(tmp_path: Path) -> None:
    assert last_deb(cache(tmp_path / "none")) == []
    with pytest.raises(VirtualPiError, match="left 0"):
        build_deb(cache(tmp_path), ("true",))
    with pytest.raises(VirtualPiError, match="failed with 1"):
        build_deb(cache(tmp_path), ("false",))
    assert build_deb(cache(tmp_path), program("well")).is_file(), "what was left half done is no obstacle"
