"""A check that breaks and one that never returns, and that the process ends all the same."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from firmware_bridge.in_time import in_time
from firmware_bridge.ports import Check

SEEN = Check("x", "ok", "好", "well")


def all_ended() -> None:
    """``leave``, in a later test of this process, would end it."""
    for thread in threading.enumerate():
        if thread.name.startswith("check "):
            thread.join(30)


def test_a_check_that_breaks_is_told_after_what_it_saw() -> None:
    def broken() -> Iterator[Check]:
        yield SEEN
        raise ZeroDivisionError("of all things")

    first, second = in_time("x", broken)
    assert first == SEEN and second.verdict == "fault" and "of all things" in second.en


def test_a_check_that_hangs_is_told_after_what_it_saw() -> None:
    let_go = threading.Event()

    def hanging() -> Iterator[Check]:
        yield SEEN
        let_go.wait(60)
        yield SEEN

    first, second = in_time("x", hanging, 0.2)
    let_go.set()
    all_ended()
    assert first == SEEN and second.verdict == "fault" and "no answer within 0.2 s" in second.en
    assert second.zh and second.advice_zh and second.advice_en


@pytest.mark.parametrize("hangs", [True, False])
def test_the_process_ends_with_its_code_whatever_hangs(hangs: bool) -> None:
    """The clean-up at exit stands for that of a library, which waits for its own thread."""
    code = """
import atexit, sys, threading
from firmware_bridge.in_time import in_time, leave
hangs = sys.argv[1] == "True"
def check():
    threading.Event().wait(60 if hangs else 0)
    yield from ()
if hangs:
    atexit.register(threading.Event().wait)
print(len(list(in_time("x", check, 0.2 if hangs else 60))))
leave(2)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(hangs)], capture_output=True, text=True, timeout=40, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (2, "1" if hangs else "0"), done.stderr
