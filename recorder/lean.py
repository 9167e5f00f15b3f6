"""Small processes: a program that needs little of a big library is started, or kept, without the rest.

Validating the configuration takes click, pydantic and tomlkit: 25 MB that worker and uplink would hold for as long as they
live. So whoever has validated it hands it over as JSON on standard input, and a fresh interpreter reads it with what it
has loaded anyway.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""malloc.h of glibc."""
_THRESHOLD: Final = 128 << 10


def settings_file(settings: bytes) -> int:
    """A descriptor of an anonymous file with ``settings`` in it, at its beginning; the caller closes it. Raises OSError."""
    fd = os.memfd_create("settings", os.MFD_CLOEXEC)
    try:
        view = memoryview(settings)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd


def module_command(module: str, arguments: Sequence[str] = ()) -> list[str]:
    """``python -m module``, isolated where this interpreter is (the package's is: docs/adr/0016-debian-package.md): ``-m``
    alone would look for modules in the working folder first."""
    isolated = ["-I"] if sys.flags.isolated else []
    return [sys.executable, *isolated, "-m", module, *arguments]


def exec_module(module: str, settings: bytes, arguments: Sequence[str] = ()) -> NoReturn:
    """Replace this process (same pid, so whoever started it notices nothing) by ``python -m module`` with ``settings`` on
    standard input. Does not return; raises OSError when that is impossible."""
    fd = settings_file(settings)
    os.dup2(fd, 0)
    os.close(fd)
    replace_process(module, arguments)


def replace_process(module: str, arguments: Sequence[str] = ()) -> NoReturn:
    """As :func:`exec_module`, standard input as it is. Raises OSError."""
    sys.stdout.flush()
    sys.stderr.flush()
    command = module_command(module, arguments)
    os.execv(command[0], command)


def one_arena() -> None:
    """One malloc arena for all threads: the interpreter's lock lets only one of them allocate anyway, and each further
    one keeps what was freed in it. Call it before any thread is started.

    Does nothing where the C library has no ``mallopt``.
    """
    _mallopt(_M_ARENA_MAX, 1)


def give_memory_back() -> None:
    """One arena, and freed memory goes back to the system at once. For a process that handles no pictures: those would
    come and go with a page fault for every 4 KiB.

    glibc raises its thresholds to the largest block ever freed (M_MMAP_THRESHOLD in mallopt(3)): after two scrypts
    of 16 MB those 16 MB were never given back (measured). Thresholds that are set stay.
    """
    one_arena()
    _mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)
    _mallopt(_M_TRIM_THRESHOLD, _THRESHOLD)


def _mallopt(parameter: int, value: int) -> None:
    function = getattr(ctypes.CDLL(None), "mallopt", None)
    if function is not None:
        function(parameter, value)
